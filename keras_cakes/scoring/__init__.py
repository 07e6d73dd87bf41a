"""Scores: how much each candidate of each channel is worth.

A score is a mapping of layer name to an array `(candidates, filters)`, larger
being better, which `keras_cakes.derive` adds up. Path weights are one; these
are others, read from the same supernet after its training.
"""

from keras_cakes.scoring.energy import kernel_energy
from keras_cakes.scoring.importance import importance
from keras_cakes.scoring.path_loss import PathLoss
from keras_cakes.scoring.sampling import PathSamples
from keras_cakes.scoring.sampling import sample_paths

__all__ = [
    "PathLoss",
    "PathSamples",
    "importance",
    "kernel_energy",
    "sample_paths",
]
