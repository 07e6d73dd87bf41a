"""Samples, crops and augments frames into batches."""
