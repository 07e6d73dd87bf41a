"""Backbones as functional graphs with named blocks."""

from keras_cakes.models.c2fnas import c2fnas
from keras_cakes.models.published import load_published
from keras_cakes.models.resdsn import resdsn
from keras_cakes.models.residual_video import residual_video
from keras_cakes.models.resnet50_video import resnet50_video
from keras_cakes.models.unet3d import unet3d

__all__ = [
    "c2fnas",
    "load_published",
    "resdsn",
    "residual_video",
    "resnet50_video",
    "unet3d",
]
