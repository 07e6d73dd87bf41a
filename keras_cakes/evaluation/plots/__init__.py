"""Figures: each function takes numbers and returns a matplotlib `Figure`.

Where there is nothing to show, a `ValueError` names the empty argument.
"""

from keras_cakes.evaluation.plots.cases import plot_contours
from keras_cakes.evaluation.plots.cases import plot_paired_scores
from keras_cakes.evaluation.plots.cases import plot_planes
from keras_cakes.evaluation.plots.confusion import plot_confusion
from keras_cakes.evaluation.plots.networks import plot_history
from keras_cakes.evaluation.plots.networks import plot_tradeoff
from keras_cakes.evaluation.plots.searches import plot_composition
from keras_cakes.evaluation.plots.searches import plot_front
from keras_cakes.evaluation.plots.searches import plot_path_weights

__all__ = [
    "plot_composition",
    "plot_confusion",
    "plot_contours",
    "plot_front",
    "plot_history",
    "plot_paired_scores",
    "plot_path_weights",
    "plot_planes",
    "plot_tradeoff",
]
