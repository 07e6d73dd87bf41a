"""Volumes, patches and the embedded phantom."""

from keras_cakes.data.dataset_preparation import prepare
from keras_cakes.data.errors import DataError
from keras_cakes.data.msd import VolumeDataset
from keras_cakes.data.msd import read_fold
from keras_cakes.data.msd import read_msd
from keras_cakes.data.nifti import write_nifti
from keras_cakes.data.patches import patches
from keras_cakes.data.phantom import PHANTOM_CLASSES
from keras_cakes.data.phantom import phantom_volumes
from keras_cakes.data.preparation import Preparation
from keras_cakes.data.prepared import PreparedCase
from keras_cakes.data.prepared import PreparedDataset
from keras_cakes.data.prepared import open_prepared
from keras_cakes.data.scans import Scan
from keras_cakes.data.scans import read_scan
from keras_cakes.data.volumes import Case
from keras_cakes.data.volumes import Volume
from keras_cakes.data.volumes import load_case
from keras_cakes.data.volumes import save_label

__all__ = [
    "PHANTOM_CLASSES",
    "Case",
    "DataError",
    "Preparation",
    "PreparedCase",
    "PreparedDataset",
    "Scan",
    "Volume",
    "VolumeDataset",
    "load_case",
    "open_prepared",
    "patches",
    "phantom_volumes",
    "prepare",
    "read_fold",
    "read_msd",
    "read_scan",
    "save_label",
    "write_nifti",
]
