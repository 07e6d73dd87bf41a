"""Lists the clips of a data set."""
