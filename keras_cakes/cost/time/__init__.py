"""Measures time: stopwatch, tables, tuned plans."""
