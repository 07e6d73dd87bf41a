"""Execution plans of a layer: a value, its prediction, the device."""
