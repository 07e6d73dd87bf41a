"""CAKES for Keras 3: 3D networks of 1D, 2D and 3D sub-kernels.

The names below follow the data: `to_supernet` turns a model into a supernet,
training finds path weights, `derive` reads a `Configuration` from them, and
`replace` builds the network of `CakesConv3D` layers to train. `shrink` makes a
trained network smaller, without a search. Everything else is in nine rooms,
each a namespace such as `keras_cakes.layers`.
"""

import importlib
import importlib.abc
import importlib.machinery
import sys
import types
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
from keras_cakes.search import shrink
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
    # The short way, from a trained network.
    "shrink",
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

# Names of version 0.1 that a user may have imported, with the room that has
# them now. Modules among them stand for the names that they held.
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
}
_MOVED_MODULES = {
    "assignment": "kernels",
    "baselines": "search",
    "configuration": "kernels",
    "conversion": "models",
    "data.video": "data",
    "derivation": "search",
    "folding": "models",
    "folds": "runs",
    "front": "search",
    "inflation": "models",
    "losses": "training",
    "metrics": "training",
    "optimizers": "training",
    "plotting": "evaluation",
    "prediction": "runs",
    "regularizers": "layers",
    "schedules": "training",
    "scoring": "search",
    "segmentation": "runs",
    "segmentation_settings": "runs",
    "specification": "models",
    "sub_kernels": "kernels",
    "supernet": "search",
    "video": "runs",
    "video_prediction": "runs",
    "video_settings": "runs",
}


def __dir__() -> list[str]:
    return list(__all__)


def __getattr__(name: str):
    if name in _MOVED_MODULES:
        return importlib.import_module(f"{__name__}.{name}")
    if name not in _MOVED:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    _warn(f"{__name__}.{name}", f"{__name__}.{_MOVED[name]}.{name}")
    return getattr(sys.modules[f"{__name__}.{_MOVED[name]}"], name)


def _warn(old: str, new: str) -> None:
    warnings.warn(
        f"`{old}` has moved to `{new}`; the old name goes with version 0.3.",
        DeprecationWarning,
        stacklevel=3,
    )


class _MovedModules(importlib.abc.MetaPathFinder, importlib.abc.Loader):
    """Imports a module of version 0.1 as a view of the room that replaced it.

    Every name that is read from the view answers with a warning.
    """

    def find_spec(self, fullname, path=None, target=None):
        package, _, name = fullname.partition(".")
        if package == __name__ and name in _MOVED_MODULES:
            return importlib.machinery.ModuleSpec(fullname, self)
        return None

    def exec_module(self, module: types.ModuleType) -> None:
        old = module.__name__
        place = f"{__name__}.{_MOVED_MODULES[old.partition('.')[2]]}"

        def read(name: str):
            if name.startswith("__"):
                raise AttributeError(name)
            value = getattr(sys.modules[place], name)
            _warn(f"{old}.{name}", f"{place}.{name}")
            return value

        vars(module)["__getattr__"] = read


sys.meta_path.append(_MovedModules())
