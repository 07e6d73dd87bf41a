"""Replaces `Conv3D`: the layer, its search form and their parts."""

from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.layers.regularizers import CostLasso
from keras_cakes.layers.upsampling import TrilinearUpSampling3D

__all__ = [
    "CakesConv3D",
    "CakesSearchConv3D",
    "CostLasso",
    "TrilinearUpSampling3D",
]
