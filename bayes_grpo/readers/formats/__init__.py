"""Readers of files and folders, one format a file; see `bayes_grpo.readers.contract`."""
