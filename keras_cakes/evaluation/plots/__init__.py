"""Draws figures; each function returns a matplotlib `Figure`."""
