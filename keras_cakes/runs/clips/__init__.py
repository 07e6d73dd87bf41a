"""Runs searches and trainings on clips."""
