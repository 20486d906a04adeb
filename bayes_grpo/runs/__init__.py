"""A training run as data.

In: columns and facts about a run; all their faults are listed at once. Out: an `xarray.Dataset` with the dimensions
(run, step), its NetCDF file, and the learning rate of the steps to come. The run that comes with the package is in the
folder ``bundled``.
"""
