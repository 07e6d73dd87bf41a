"""Cuts, places and augments patches."""
