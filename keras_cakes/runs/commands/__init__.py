"""The command `keras-cakes`."""
