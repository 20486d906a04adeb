"""What the studies share: the runs they are made on, and tables that a study goes on from after an interruption."""
