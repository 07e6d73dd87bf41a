"""Measures time: stopwatch, latency tables, tuned plans."""
