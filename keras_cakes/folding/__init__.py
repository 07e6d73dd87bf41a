"""The form of a trained network that only infers."""

from keras_cakes.folding.fold import fold

__all__ = ["fold"]
