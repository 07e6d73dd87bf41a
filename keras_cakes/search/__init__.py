"""Trains supernets, derives configurations, shrinks trained networks."""

from keras_cakes.search.baselines import (
    even_configuration as even_configuration,
)
from keras_cakes.search.baselines import random_configuration
from keras_cakes.search.baselines import uniform_configuration
from keras_cakes.search.deriving.derive import derive
from keras_cakes.search.deriving.pareto import FrontPoint
from keras_cakes.search.deriving.pareto import pareto
from keras_cakes.search.scores.energy import kernel_energy
from keras_cakes.search.scores.importance import importance
from keras_cakes.search.scores.path_loss import PathLoss
from keras_cakes.search.scores.path_weights import path_weights
from keras_cakes.search.scores.sampling import PathSamples
from keras_cakes.search.scores.sampling import sample_paths
from keras_cakes.search.shrinking.reconstruct import reconstruct
from keras_cakes.search.shrinking.reconstruction import Reconstruction
from keras_cakes.search.shrinking.shrink import shrink
from keras_cakes.search.supernet import Supernet
from keras_cakes.search.to_supernet import to_supernet

__all__ = [
    "FrontPoint",
    "PathLoss",
    "PathSamples",
    "Reconstruction",
    "Supernet",
    "derive",
    "importance",
    "kernel_energy",
    "pareto",
    "path_weights",
    "random_configuration",
    "reconstruct",
    "sample_paths",
    "shrink",
    "to_supernet",
    "uniform_configuration",
]
