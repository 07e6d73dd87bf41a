"""Volumes, patches and the embedded phantom."""

from keras_cakes.data.msd import VolumeDataset
from keras_cakes.data.msd import read_fold
from keras_cakes.data.msd import read_msd
from keras_cakes.data.patches import patches
from keras_cakes.data.phantom import PHANTOM_CLASSES
from keras_cakes.data.phantom import phantom_volumes
from keras_cakes.data.volumes import Case
from keras_cakes.data.volumes import DataError
from keras_cakes.data.volumes import Volume
from keras_cakes.data.volumes import load_case
from keras_cakes.data.volumes import save_label

__all__ = [
    "PHANTOM_CLASSES",
    "Case",
    "DataError",
    "Volume",
    "VolumeDataset",
    "load_case",
    "patches",
    "phantom_volumes",
    "read_fold",
    "read_msd",
    "save_label",
]
