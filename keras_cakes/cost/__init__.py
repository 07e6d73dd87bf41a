"""Parameters, multiply-adds and measured time of a network."""

from keras_cakes.cost.counting import count_cost
from keras_cakes.cost.table import Cost
from keras_cakes.cost.table import LayerCost
from keras_cakes.cost.timing import measure_forward

__all__ = ["Cost", "LayerCost", "count_cost", "measure_forward"]
