"""Predictions of volumes and clips, their scores and their comparison."""

from keras_cakes.evaluation.clip_figures import plot_confusion
from keras_cakes.evaluation.clip_predictions import ClipPredictions
from keras_cakes.evaluation.clip_predictions import predict_clips
from keras_cakes.evaluation.clip_scores import ClipScores
from keras_cakes.evaluation.clip_scores import clip_rows
from keras_cakes.evaluation.clip_scores import clip_scores
from keras_cakes.evaluation.clip_scores import confusion_matrix
from keras_cakes.evaluation.comparison import PairedInterval
from keras_cakes.evaluation.comparison import paired_interval
from keras_cakes.evaluation.comparison import seed_interval
from keras_cakes.evaluation.comparison import summarize_folds
from keras_cakes.evaluation.figures import plot_paired_scores
from keras_cakes.evaluation.figures import plot_planes
from keras_cakes.evaluation.scores import LabelledVolume
from keras_cakes.evaluation.scores import dice
from keras_cakes.evaluation.scores import read_scores
from keras_cakes.evaluation.scores import score_cases
from keras_cakes.evaluation.scores import summarize
from keras_cakes.evaluation.sliding_window import predict_probabilities
from keras_cakes.evaluation.sliding_window import predict_volume
from keras_cakes.evaluation.surface import SurfaceScores
from keras_cakes.evaluation.surface import hd95
from keras_cakes.evaluation.surface import nsd
from keras_cakes.evaluation.surface import surface_scores

__all__ = [
    "ClipPredictions",
    "ClipScores",
    "LabelledVolume",
    "PairedInterval",
    "SurfaceScores",
    "clip_rows",
    "clip_scores",
    "confusion_matrix",
    "dice",
    "hd95",
    "nsd",
    "paired_interval",
    "plot_confusion",
    "plot_paired_scores",
    "plot_planes",
    "predict_clips",
    "predict_probabilities",
    "predict_volume",
    "read_scores",
    "score_cases",
    "seed_interval",
    "summarize",
    "summarize_folds",
    "surface_scores",
]
