"""Parameters, multiply-adds and measured time of a network."""

from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.latency import LatencyTable
from keras_cakes.cost.memory import Memory
from keras_cakes.cost.memory import estimate_memory
from keras_cakes.cost.table import Cost
from keras_cakes.cost.table import LayerCost
from keras_cakes.cost.timing import Latency
from keras_cakes.cost.timing import Timing
from keras_cakes.cost.timing import measure_latency

__all__ = [
    "Cost",
    "Latency",
    "LatencyTable",
    "LayerCost",
    "Memory",
    "Timing",
    "count_cost",
    "estimate_memory",
    "measure_latency",
]
