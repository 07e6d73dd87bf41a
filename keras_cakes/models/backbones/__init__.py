"""Builds backbones as functional graphs with named blocks."""
