"""Predicts and scores volumes."""
