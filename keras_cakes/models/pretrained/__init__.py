"""Starts a network from weights that exist."""
