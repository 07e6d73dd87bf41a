"""Training: losses, metrics, optimizers, schedules and recipes."""

from keras_cakes.training.losses import DiceCrossEntropy
from keras_cakes.training.metrics import DiceScore
from keras_cakes.training.optimizers import DecayedSGD
from keras_cakes.training.recalibration import recalibrate
from keras_cakes.training.recipes import compile_segmentation
from keras_cakes.training.recipes import compile_video
from keras_cakes.training.schedules import WarmUp
from keras_cakes.training.schedules import video_schedule
from keras_cakes.training.schedules import volume_schedule

__all__ = [
    "DecayedSGD",
    "DiceCrossEntropy",
    "DiceScore",
    "WarmUp",
    "compile_segmentation",
    "compile_video",
    "recalibrate",
    "video_schedule",
    "volume_schedule",
]
