"""Holds the command `keras-cakes`."""
