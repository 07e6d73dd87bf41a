"""Turns files of volumes and clips into batches."""

from keras_cakes._errors import DataError
from keras_cakes.data.clips.batches.clip_augmentation import (
    SOMETHING_SOMETHING_PAIRS,
)
from keras_cakes.data.clips.batches.clip_augmentation import ClipAugmentation
from keras_cakes.data.clips.batches.clip_views import clip_views
from keras_cakes.data.clips.batches.clips import clips
from keras_cakes.data.clips.batches.sampling import segment_frames
from keras_cakes.data.clips.batches.sampling import shifted_frames
from keras_cakes.data.clips.clip import Clip
from keras_cakes.data.clips.clip import ClipDataset
from keras_cakes.data.clips.decoding.decoding import VideoInfo
from keras_cakes.data.clips.decoding.decoding import probe_video
from keras_cakes.data.clips.decoding.decoding import read_video
from keras_cakes.data.clips.decoding.video_writing import write_video
from keras_cakes.data.clips.lists.class_folders import read_class_folders
from keras_cakes.data.clips.lists.clip_lists import read_clip_list
from keras_cakes.data.clips.lists.something_something import (
    read_something_something,
)
from keras_cakes.data.clips.lists.something_something_lists import (
    write_clip_list,
)
from keras_cakes.data.clips.lists.something_something_lists import (
    write_something_something_lists,
)
from keras_cakes.data.clips.packing.pack import pack
from keras_cakes.data.clips.packing.packed import PackedClips
from keras_cakes.data.clips.packing.packed import open_packed
from keras_cakes.data.clips.sources import ArrayClips
from keras_cakes.data.clips.sources import FrameSource
from keras_cakes.data.clips.synthetic.clip_phantom import PHANTOM_CLIP_CLASSES
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips
from keras_cakes.data.clips.synthetic.phantom_files import write_phantom_clips
from keras_cakes.data.clips.synthetic.planted_clips import planted_clips
from keras_cakes.data.clips.video_clips import VideoClips
from keras_cakes.data.fetching.archives import unpack
from keras_cakes.data.fetching.download import download
from keras_cakes.data.volumes.cases import Case
from keras_cakes.data.volumes.cases import Volume
from keras_cakes.data.volumes.cases import load_case
from keras_cakes.data.volumes.cases import save_label
from keras_cakes.data.volumes.lists.case_lists import read_case_list
from keras_cakes.data.volumes.lists.case_lists import write_case_list
from keras_cakes.data.volumes.lists.msd import VolumeDataset
from keras_cakes.data.volumes.lists.msd import read_fold
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.lists.nih_pancreas import read_nih_pancreas
from keras_cakes.data.volumes.lists.read_dataset import read_dataset
from keras_cakes.data.volumes.patches.augmentation import Augmentation
from keras_cakes.data.volumes.patches.patches import patches
from keras_cakes.data.volumes.preparing.preparation import Preparation
from keras_cakes.data.volumes.preparing.prepare import prepare
from keras_cakes.data.volumes.preparing.prepared import PreparedCase
from keras_cakes.data.volumes.preparing.prepared import PreparedDataset
from keras_cakes.data.volumes.preparing.prepared import open_prepared
from keras_cakes.data.volumes.reading.dicom import list_series
from keras_cakes.data.volumes.reading.dicom import read_dicom
from keras_cakes.data.volumes.reading.nifti import read_nifti
from keras_cakes.data.volumes.reading.nifti import write_nifti
from keras_cakes.data.volumes.reading.read_scan import read_scan
from keras_cakes.data.volumes.reading.scan import Scan
from keras_cakes.data.volumes.reading.tfio_dicom import CalibratedDecoder
from keras_cakes.data.volumes.reading.tfio_dicom import calibrated_decoder
from keras_cakes.data.volumes.synthetic.phantom import PHANTOM_CLASSES
from keras_cakes.data.volumes.synthetic.phantom import phantom_volumes
from keras_cakes.data.volumes.synthetic.planted import PLANTED_CLASSES
from keras_cakes.data.volumes.synthetic.planted import planted_volumes

__all__ = [
    "ArrayClips",
    "Augmentation",
    "CalibratedDecoder",
    "Case",
    "Clip",
    "ClipAugmentation",
    "ClipDataset",
    "DataError",
    "FrameSource",
    "PHANTOM_CLASSES",
    "PHANTOM_CLIP_CLASSES",
    "PLANTED_CLASSES",
    "PackedClips",
    "Preparation",
    "PreparedCase",
    "PreparedDataset",
    "SOMETHING_SOMETHING_PAIRS",
    "Scan",
    "VideoClips",
    "VideoInfo",
    "Volume",
    "VolumeDataset",
    "calibrated_decoder",
    "clip_views",
    "clips",
    "download",
    "list_series",
    "load_case",
    "open_packed",
    "open_prepared",
    "pack",
    "patches",
    "phantom_clips",
    "phantom_volumes",
    "planted_clips",
    "planted_volumes",
    "prepare",
    "probe_video",
    "read_case_list",
    "read_class_folders",
    "read_clip_list",
    "read_dataset",
    "read_dicom",
    "read_fold",
    "read_msd",
    "read_nifti",
    "read_nih_pancreas",
    "read_scan",
    "read_something_something",
    "read_video",
    "save_label",
    "segment_frames",
    "shifted_frames",
    "unpack",
    "write_case_list",
    "write_clip_list",
    "write_nifti",
    "write_phantom_clips",
    "write_something_something_lists",
    "write_video",
]
