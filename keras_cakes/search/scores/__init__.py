"""Scores the candidates of each channel; larger is better."""
