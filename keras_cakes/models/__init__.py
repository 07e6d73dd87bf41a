"""Builds networks, rewrites yours and reads published weights."""

from keras_cakes.models.backbones.c2fnas import c2fnas
from keras_cakes.models.backbones.resdsn import resdsn
from keras_cakes.models.backbones.residual_video import residual_video
from keras_cakes.models.backbones.resnet50_video import resnet50_video
from keras_cakes.models.backbones.unet3d import unet3d
from keras_cakes.models.pretrained.inflate import inflate
from keras_cakes.models.pretrained.inflate_kernels import inflate_kernel
from keras_cakes.models.pretrained.published import load_published
from keras_cakes.models.rewriting.fold import fold
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.models.rewriting.replace import replaceable_layers
from keras_cakes.models.rewriting.search_network import to_search_network
from keras_cakes.models.rewriting.specification import SearchSpecification

__all__ = [
    "SearchSpecification",
    "c2fnas",
    "fold",
    "inflate",
    "inflate_kernel",
    "load_published",
    "replace",
    "replaceable_layers",
    "resdsn",
    "residual_video",
    "resnet50_video",
    "to_search_network",
    "unet3d",
]
