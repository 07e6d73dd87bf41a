"""Figures; each function takes numbers and returns a matplotlib `Figure`.

Where there is nothing to show, a `ValueError` names the empty argument.
"""

from keras_cakes.plotting.networks import plot_history
from keras_cakes.plotting.networks import plot_tradeoff
from keras_cakes.plotting.quality import plot_budgets
from keras_cakes.plotting.quality import plot_spans
from keras_cakes.plotting.searches import plot_composition
from keras_cakes.plotting.searches import plot_front
from keras_cakes.plotting.searches import plot_path_weights
from keras_cakes.plotting.volumes import plot_contours

__all__ = [
    "plot_budgets",
    "plot_composition",
    "plot_contours",
    "plot_front",
    "plot_history",
    "plot_path_weights",
    "plot_spans",
    "plot_tradeoff",
]
