"""Rewrites a functional model: replaces, searches, folds."""
