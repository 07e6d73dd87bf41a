"""Evaluation: predictions, scores, intervals and figures."""

from keras_cakes.evaluation.clips.clip_predictions import ClipPredictions
from keras_cakes.evaluation.clips.clip_predictions import predict_clips
from keras_cakes.evaluation.clips.clip_scores import ClipScores
from keras_cakes.evaluation.clips.clip_scores import clip_rows
from keras_cakes.evaluation.clips.clip_scores import clip_scores
from keras_cakes.evaluation.clips.clip_scores import confusion_matrix
from keras_cakes.evaluation.comparison import PairedInterval
from keras_cakes.evaluation.comparison import paired_interval
from keras_cakes.evaluation.comparison import seed_interval
from keras_cakes.evaluation.comparison import summarize
from keras_cakes.evaluation.comparison import summarize_folds
from keras_cakes.evaluation.plots.cases import plot_contours
from keras_cakes.evaluation.plots.cases import plot_paired_scores
from keras_cakes.evaluation.plots.cases import plot_planes
from keras_cakes.evaluation.plots.confusion import plot_confusion
from keras_cakes.evaluation.plots.networks import plot_history
from keras_cakes.evaluation.plots.networks import plot_shrinking
from keras_cakes.evaluation.plots.networks import plot_tradeoff
from keras_cakes.evaluation.plots.searches import plot_composition
from keras_cakes.evaluation.plots.searches import plot_front
from keras_cakes.evaluation.plots.searches import plot_path_weights
from keras_cakes.evaluation.volumes.scores import LabelledVolume
from keras_cakes.evaluation.volumes.scores import dice
from keras_cakes.evaluation.volumes.scores import read_scores
from keras_cakes.evaluation.volumes.scores import score_cases
from keras_cakes.evaluation.volumes.sliding_window import predict_probabilities
from keras_cakes.evaluation.volumes.sliding_window import predict_volume
from keras_cakes.evaluation.volumes.surface import SurfaceScores
from keras_cakes.evaluation.volumes.surface import hd95
from keras_cakes.evaluation.volumes.surface import nsd
from keras_cakes.evaluation.volumes.surface import surface_scores

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
    "plot_composition",
    "plot_confusion",
    "plot_contours",
    "plot_front",
    "plot_history",
    "plot_paired_scores",
    "plot_path_weights",
    "plot_planes",
    "plot_shrinking",
    "plot_tradeoff",
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
