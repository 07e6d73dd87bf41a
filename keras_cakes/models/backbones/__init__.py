"""Backbones as functional graphs with named blocks."""
