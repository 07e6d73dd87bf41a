"""CAKES for Keras 3."""
