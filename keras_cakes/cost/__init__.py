"""Counts parameters and multiply-adds; measures time, estimates memory."""

from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.memory import Memory
from keras_cakes.cost.memory import estimate_memory
from keras_cakes.cost.table import Cost
from keras_cakes.cost.table import LayerCost
from keras_cakes.cost.time.autotune import autotune
from keras_cakes.cost.time.latency_table import LatencyTable
from keras_cakes.cost.time.timing import Latency
from keras_cakes.cost.time.timing import Timing
from keras_cakes.cost.time.timing import measure_latency

__all__ = [
    "Cost",
    "Latency",
    "LatencyTable",
    "LayerCost",
    "Memory",
    "Timing",
    "autotune",
    "count_cost",
    "estimate_memory",
    "measure_latency",
]
