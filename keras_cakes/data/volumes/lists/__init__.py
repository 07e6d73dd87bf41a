"""Lists the cases of a data set."""
