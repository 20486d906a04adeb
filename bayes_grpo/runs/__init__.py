"""A training run as data.

In: columns and facts about a run. Out: an `xarray.Dataset` with the dimensions (run, step) that lists every fault of its
input at once, its NetCDF file, and the learning rate of the steps to come. The run that comes with the package lies in the folder ``bundled``.
"""
