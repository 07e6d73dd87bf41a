"""Clips: from files to batches."""

from keras_cakes.data.video.class_folders import read_class_folders
from keras_cakes.data.video.clip_augmentation import SOMETHING_SOMETHING_PAIRS
from keras_cakes.data.video.clip_augmentation import ClipAugmentation
from keras_cakes.data.video.clip_lists import read_clip_list
from keras_cakes.data.video.clip_phantom import PHANTOM_CLIP_CLASSES
from keras_cakes.data.video.clip_phantom import phantom_clips
from keras_cakes.data.video.clip_views import clip_views
from keras_cakes.data.video.clips import clips
from keras_cakes.data.video.decoding import VideoInfo
from keras_cakes.data.video.decoding import probe_video
from keras_cakes.data.video.decoding import read_video
from keras_cakes.data.video.packed import PackedClips
from keras_cakes.data.video.packed import open_packed
from keras_cakes.data.video.packing import pack
from keras_cakes.data.video.planted_clips import planted_clips
from keras_cakes.data.video.records import Clip
from keras_cakes.data.video.records import ClipDataset
from keras_cakes.data.video.sampling import segment_frames
from keras_cakes.data.video.sampling import shifted_frames
from keras_cakes.data.video.sources import ArrayClips
from keras_cakes.data.video.sources import FrameSource
from keras_cakes.data.video.video_clips import VideoClips

__all__ = [
    "PHANTOM_CLIP_CLASSES",
    "SOMETHING_SOMETHING_PAIRS",
    "ArrayClips",
    "Clip",
    "ClipAugmentation",
    "ClipDataset",
    "FrameSource",
    "PackedClips",
    "VideoClips",
    "VideoInfo",
    "clip_views",
    "clips",
    "open_packed",
    "pack",
    "phantom_clips",
    "planted_clips",
    "probe_video",
    "read_class_folders",
    "read_clip_list",
    "read_video",
    "segment_frames",
    "shifted_frames",
]
