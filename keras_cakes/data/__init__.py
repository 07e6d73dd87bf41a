"""Volumes, patches and the embedded phantom."""

from keras_cakes._errors import DataError
from keras_cakes.data.archives import unpack
from keras_cakes.data.augmentation import Augmentation
from keras_cakes.data.case_lists import read_case_list
from keras_cakes.data.case_lists import write_case_list
from keras_cakes.data.dataset_preparation import prepare
from keras_cakes.data.dicom import list_series
from keras_cakes.data.dicom import read_dicom
from keras_cakes.data.download import download
from keras_cakes.data.listings import read_dataset
from keras_cakes.data.msd import VolumeDataset
from keras_cakes.data.msd import read_fold
from keras_cakes.data.msd import read_msd
from keras_cakes.data.nifti import read_nifti
from keras_cakes.data.nifti import write_nifti
from keras_cakes.data.nih_pancreas import read_nih_pancreas
from keras_cakes.data.patches import patches
from keras_cakes.data.phantom import PHANTOM_CLASSES
from keras_cakes.data.phantom import phantom_volumes
from keras_cakes.data.planted import PLANTED_CLASSES
from keras_cakes.data.planted import planted_volumes
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
    "PLANTED_CLASSES",
    "Augmentation",
    "Case",
    "DataError",
    "Preparation",
    "PreparedCase",
    "PreparedDataset",
    "Scan",
    "Volume",
    "VolumeDataset",
    "download",
    "list_series",
    "load_case",
    "open_prepared",
    "patches",
    "phantom_volumes",
    "planted_volumes",
    "prepare",
    "read_case_list",
    "read_dataset",
    "read_dicom",
    "read_fold",
    "read_msd",
    "read_nifti",
    "read_nih_pancreas",
    "read_scan",
    "save_label",
    "unpack",
    "write_case_list",
    "write_nifti",
]
