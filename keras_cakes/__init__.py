"""CAKES for Keras 3: 3D networks of 1D, 2D and 3D sub-kernels.

The names below follow the data: `to_supernet` turns a model into a supernet,
training finds path weights, `derive` reads a `Configuration` from them, and
`replace` builds the network of `CakesConv3D` layers to train. Everything else
is in nine rooms, each a namespace such as `keras_cakes.layers`.
"""

import importlib
import warnings

__version__ = "0.1.0"

from keras_cakes import cost
from keras_cakes import data
from keras_cakes import evaluation
from keras_cakes import kernels
from keras_cakes import layers
from keras_cakes import models
from keras_cakes import runs
from keras_cakes import search
from keras_cakes import training
from keras_cakes.cost import autotune
from keras_cakes.cost import count_cost
from keras_cakes.cost import measure_latency
from keras_cakes.kernels import Configuration
from keras_cakes.layers import CakesConv3D
from keras_cakes.models import fold
from keras_cakes.models import inflate
from keras_cakes.models import replace
from keras_cakes.models import replaceable_layers
from keras_cakes.search import Supernet
from keras_cakes.search import derive
from keras_cakes.search import pareto
from keras_cakes.search import random_configuration
from keras_cakes.search import to_supernet
from keras_cakes.search import uniform_configuration

__all__ = [
    # The method, in the order of the data.
    "to_supernet",
    "Supernet",
    "derive",
    "pareto",
    "Configuration",
    "replace",
    "replaceable_layers",
    # Configurations that a search has to beat.
    "uniform_configuration",
    "random_configuration",
    # The layer.
    "CakesConv3D",
    # Cost, time and start of a network.
    "count_cost",
    "measure_latency",
    "autotune",
    "fold",
    "inflate",
    # The rooms.
    "kernels",
    "layers",
    "models",
    "cost",
    "search",
    "data",
    "training",
    "evaluation",
    "runs",
]

# Names of release 0.1, with the room that has them now.
_MOVED = {
    "Assignment": "kernels",
    "CakesSearchConv3D": "layers",
    "CostLasso": "layers",
    "LatencyTable": "cost",
    "SearchSpecification": "models",
    "SubKernel": "kernels",
    "estimate_memory": "cost",
    "even_configuration": "search",
    "kernel_set": "kernels",
    "path_weights": "search",
    "to_search_network": "models",
    # Modules whose names are in a room.
    "losses": "training",
    "metrics": "training",
    "optimizers": "training",
    "schedules": "training",
    "scoring": "search",
    "plotting": "evaluation",
}


def __dir__() -> list[str]:
    return list(__all__)


def __getattr__(name: str):
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    room = importlib.import_module(f"{__name__}.{_MOVED[name]}")
    value = getattr(room, name, room)
    place = room.__name__ + (f".{name}" if value is not room else "")
    warnings.warn(
        f"`{__name__}.{name}` is `{place}` now; the old name goes with the "
        "next release.",
        DeprecationWarning,
        stacklevel=2,
    )
    return value
