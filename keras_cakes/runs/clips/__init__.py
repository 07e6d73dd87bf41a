"""Runs of clip classification networks."""
