"""Backbones as functional graphs with named blocks."""

from keras_cakes.models.unet3d import unet3d

__all__ = ["unet3d"]
