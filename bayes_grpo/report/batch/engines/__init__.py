"""Where the work is done: processes of this machine, a Dask cluster, or Ray. One file an engine."""
