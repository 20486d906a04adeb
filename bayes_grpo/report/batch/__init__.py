"""Any number of logs in, one table out: a row a run, from as many processes as there are, resumable at any moment."""
