"""Prepares cases once and opens what was prepared."""
