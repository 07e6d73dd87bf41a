"""Chooses a configuration of largest score within budgets."""
