"""Decodes and writes frames."""
