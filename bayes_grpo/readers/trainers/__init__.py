"""Key sets of trainers, one trainer a file; see `bayes_grpo.readers.contract`."""
