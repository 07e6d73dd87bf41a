"""CAKES for Keras 3: 3D networks of 1D, 2D and 3D sub-kernels.

In the order of the data flow: a model becomes a supernet (`to_supernet`),
training finds path weights, `derive` reads a `Configuration` from them,
`replace` builds the network of `CakesConv3D` layers to train.
"""

from keras_cakes import cost
from keras_cakes import losses
from keras_cakes import metrics
from keras_cakes import models
from keras_cakes import optimizers
from keras_cakes import schedules
from keras_cakes import scoring
from keras_cakes.assignment import Assignment
from keras_cakes.autotune import autotune
from keras_cakes.baselines import even_configuration
from keras_cakes.baselines import random_configuration
from keras_cakes.baselines import uniform_configuration
from keras_cakes.configuration import Configuration
from keras_cakes.conversion import replace
from keras_cakes.conversion import replaceable_layers
from keras_cakes.conversion import to_search_network
from keras_cakes.cost import LatencyTable
from keras_cakes.cost import count_cost
from keras_cakes.cost import estimate_memory
from keras_cakes.cost import measure_latency
from keras_cakes.derivation import derive
from keras_cakes.derivation import path_weights
from keras_cakes.folding import fold
from keras_cakes.front import pareto
from keras_cakes.inflation import inflate
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.regularizers import CostLasso
from keras_cakes.search import to_supernet
from keras_cakes.specification import SearchSpecification
from keras_cakes.sub_kernels import SubKernel
from keras_cakes.sub_kernels import kernel_set
from keras_cakes.supernet import Supernet

__version__ = "0.1.0"

__all__ = [
    "Assignment",
    "CakesConv3D",
    "CakesSearchConv3D",
    "Configuration",
    "CostLasso",
    "LatencyTable",
    "SearchSpecification",
    "SubKernel",
    "Supernet",
    "autotune",
    "cost",
    "count_cost",
    "derive",
    "estimate_memory",
    "even_configuration",
    "fold",
    "inflate",
    "kernel_set",
    "losses",
    "measure_latency",
    "metrics",
    "models",
    "optimizers",
    "pareto",
    "path_weights",
    "random_configuration",
    "replace",
    "replaceable_layers",
    "schedules",
    "scoring",
    "to_search_network",
    "to_supernet",
    "uniform_configuration",
]
