"""Runs searches and trainings of segmentations."""
