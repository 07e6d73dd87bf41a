"""Turns videos into batches of clips."""
