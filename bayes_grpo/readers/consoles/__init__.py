"""What programs print as they train, one kind of printing a file; see `bayes_grpo.readers.contract`."""
