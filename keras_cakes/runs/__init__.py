"""Runs searches and trainings, each run with all its files in one folder."""

from keras_cakes._errors import RunError
from keras_cakes.runs.clips.predict import predict_clip
from keras_cakes.runs.clips.run import VideoRun
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.segmentation.folds import cross_validate
from keras_cakes.runs.segmentation.predict import predict_scan
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.settings import SegmentationSettings

__all__ = [
    "RunError",
    "SegmentationRun",
    "SegmentationSettings",
    "VideoRun",
    "VideoSettings",
    "cross_validate",
    "predict_clip",
    "predict_scan",
]
