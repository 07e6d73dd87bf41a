"""Predicts and scores clips."""
