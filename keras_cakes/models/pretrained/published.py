"""Reads the checkpoints that the authors of CAKES published."""

import itertools
import os
from collections.abc import Iterator
from typing import Any

import keras
import numpy as np

from keras_cakes._errors import number
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.models.backbones.resnet50_video import resnet50_blocks
from keras_cakes.models.backbones.resnet50_video import resnet50_video
from keras_cakes.models.rewriting.specification import SearchSpecification

# Names of the values of a normalization: ours and PyTorch's.
_NORMALIZATION = {
    "gamma": "weight",
    "beta": "bias",
    "moving_mean": "running_mean",
    "moving_variance": "running_var",
}
_FIRST_MIXED = "layer1.0.convT"


def load_published(
    path: "str | os.PathLike[str]",
    input_shape: tuple[int | None, ...] = (8, 224, 224, 3),
    *,
    dropout: float = 0.3,
) -> keras.Model:
    """Reads a PyTorch checkpoint of the authors into `resnet50_video`.

    The shapes of the weights give the kernels and channels of each layer and
    the kind of network: C2D, P3D, C3D, a found or an evenly split network, or
    the supernet of either search (a model of search layers, to wrap in a
    `Supernet`).

    PyTorch is needed to read the file: `pip install keras-cakes[torch]`. It
    is read as weights only; no code in the file is run.

    Args:
        path: A checkpoint (`.pth.tar`) with a `state_dict`, as the authors'
            training writes it.
        input_shape: `(time, height, width, channels)` of the model.
        dropout: Dropout of the head.

    Returns:
        A functional model; see `resnet50_video`.

    Raises:
        ImportError: If PyTorch is not installed.
        ValueError: If the file is not such a checkpoint; the message names
            the file and the key.

    Reference:

    - <https://github.com/yucornetto/CAKES>
    """
    number("dropout", dropout, least=0, below=1)
    state = _State(path)
    model = resnet50_video(
        input_shape,
        classes=state.shape(_head(state) + ".weight")[0],
        convolution=_convolution(state),
        dropout=dropout,
    )
    for layer, variable, value in _values(model, state):
        if tuple(variable.shape) != value.shape:
            raise ValueError(
                f"{state.path}: weights of shape {tuple(variable.shape)} are "
                f"expected for layer {layer.name!r}. Received: "
                f"{state.last_key!r} of shape {value.shape}"
            )
        variable.assign(value)
    state.check_all_used()
    return model


class _State:
    """Holds the arrays of a checkpoint, by names without wrapper prefixes."""

    def __init__(self, path: "str | os.PathLike[str]"):
        try:
            import torch
        except ImportError:
            raise ImportError(
                "Reading a published checkpoint needs PyTorch: pip install "
                "'keras-cakes[torch]'. Received: no module torch"
            ) from None
        self.path = os.fspath(path)
        try:
            document = torch.load(path, map_location="cpu", weights_only=True)
            state = document["state_dict"]
            self.arrays = {
                _stripped(key): value.float().numpy()
                for key, value in state.items()
            }
        except FileNotFoundError:
            raise
        # Zip, pickle and PyTorch each have errors of their own.
        except Exception as error:
            raise ValueError(
                f"{self.path}: a checkpoint of PyTorch weights with a "
                f"`state_dict` is expected. Received: {type(error).__name__}: "
                f"{str(error)[:200]}"
            ) from None
        self.used: set[str] = set()
        self.last_key = ""

    def __contains__(self, key: str) -> bool:
        return key in self.arrays

    def shape(self, key: str) -> tuple[int, ...]:
        return self._get(key).shape

    def take(self, key: str) -> np.ndarray:
        """Returns the array of a key and marks the key as used."""
        self.used.add(key)
        self.last_key = key
        return self._get(key)

    def _get(self, key: str) -> np.ndarray:
        if key not in self.arrays:
            raise ValueError(
                f"{self.path}: the key {key!r} is expected. Received: a "
                f"checkpoint with {sorted(self.arrays)[:3]} and "
                f"{max(len(self.arrays) - 3, 0)} more"
            )
        return self.arrays[key]

    def branches(self, prefix: str) -> list[str]:
        """Returns the keys of a split layer's kernels, in order."""
        keys = (f"{prefix}.convs.{i}.0.weight" for i in itertools.count())
        return list(itertools.takewhile(self.arrays.__contains__, keys))

    def check_all_used(self) -> None:
        left = sorted(
            key
            for key in set(self.arrays) - self.used
            if not key.endswith("num_batches_tracked")
        )
        if left:
            raise ValueError(
                f"{self.path}: a checkpoint of the authors' ResNet-50 is "
                f"expected. Received: unknown keys {left[:5]}"
            )


def _stripped(key: str) -> str:
    return key.removeprefix("module.").removeprefix("base_model.")


def _head(state: _State) -> str:
    return "new_fc" if "new_fc.weight" in state else "fc"


def _kernel_of(shape: tuple[int, ...]) -> str:
    """Names the sub-kernel of PyTorch weights (out, in, depth, ...)."""
    return "x".join(map(str, shape[2:]))


def _convolution(state: _State) -> Any:
    """Returns the `convolution` argument of a checkpoint's network."""
    if f"{_FIRST_MIXED}.op.0.weight" in state:
        if len(state.shape(f"{_FIRST_MIXED}.op.1.weight")) == 5:
            return "p3d"
        kernel = _kernel_of(state.shape(f"{_FIRST_MIXED}.op.0.weight"))
        return "3d" if kernel == "3x3x3" else "2d"
    branches = state.branches(_FIRST_MIXED)
    if not branches:
        state.take(f"{_FIRST_MIXED}.convs.0.0.weight")
    kernels = [_kernel_of(state.shape(key)) for key in branches]
    if f"{_FIRST_MIXED}.norm.weight" in state:
        return SearchSpecification(
            tuple(kernels), "performance", candidate_kernels="separate"
        )
    filters, reads = (
        state.shape(f"layer1.0.conv{number}.weight")[axis]
        for number, axis in ((1, 0), (3, 1))
    )
    if reads > filters:
        return SearchSpecification(tuple(kernels), "cost")
    return Configuration(
        {
            f"{ours}_mixed": {
                _kernel_of(state.shape(key)): state.shape(key)[0]
                for key in state.branches(f"{theirs}.convT")
            }
            for ours, theirs in _blocks()
        }
    )


def _blocks() -> Iterator[tuple[str, str]]:
    for stage, block, ours in resnet50_blocks():
        yield ours, f"layer{stage}.{block}"


def _values(
    model: keras.Model, state: _State
) -> Iterator[tuple[Any, Any, np.ndarray]]:
    """Yields each layer and variable of the model with its new value."""
    layers = {layer.name: layer for layer in model.layers}
    yield from _plain(layers, state, "stem_conv", "stem_norm", "conv1", "bn1")
    for ours, theirs in _blocks():
        for part, convolution, normalization in (
            ("shortcut", "downsample.0", "downsample.1"),
            ("reduce", "conv1", "bn1"),
            ("expand", "conv3", "bn3"),
        ):
            yield from _plain(
                layers,
                state,
                f"{ours}_{part}",
                f"{ours}_{part}_norm",
                f"{theirs}.{convolution}",
                f"{theirs}.{normalization}",
            )
        yield from _mixed(layers, state, f"{ours}_mixed", f"{theirs}.convT")
    head = layers["frame_logits"]
    yield head, head.kernel, state.take(f"{_head(state)}.weight").T
    yield head, head.bias, state.take(f"{_head(state)}.bias")


def _plain(layers, state, ours, our_norm, theirs, their_norm):
    if ours not in layers:
        return
    layer = layers[ours]
    yield layer, layer.kernel, _kernel(state, f"{theirs}.weight")
    yield from _normalization(layers[our_norm], state, their_norm)


def _mixed(layers, state, ours, theirs):
    layer = layers.get(ours)
    if isinstance(layer, CakesSearchConv3D):
        keys = state.branches(theirs)
        kernels = [SubKernel.parse(_kernel_of(state.shape(k))) for k in keys]
        for key, kernel in zip(keys, kernels, strict=True):
            index = layer.kernel_set.index(kernel)
            yield layer, layer.candidates[index], _kernel(state, key)
        name = "norm" if layer.priority == "performance" else "out.0"
        paths = layer.path_normalization
        for ours, values in _normalization_values(state, f"{theirs}.{name}"):
            # Candidate after candidate.
            values = values.reshape(len(kernels), -1)
            rows = [kernels.index(kernel) for kernel in layer.kernel_set]
            yield layer, getattr(paths, ours), values[rows]
    elif isinstance(layer, CakesConv3D):
        keys = state.branches(theirs)
        for key, weights in zip(keys, layer.sub_kernel_weights, strict=True):
            yield layer, weights, _kernel(state, key)
        norm = layers[f"{ours}_norm"]
        yield from _normalization(norm, state, f"{theirs}.out.0")
    else:
        parts = (
            [ours] if layer is not None else [f"{ours}_plane", f"{ours}_line"]
        )
        for number, part in enumerate(parts):
            kernel = _kernel(state, f"{theirs}.op.{number}.weight")
            yield layers[part], layers[part].kernel, kernel
        norm = layers.get(f"{ours}_norm")
        yield from _normalization(norm, state, f"{theirs}.op.{len(parts)}")


def _kernel(state: _State, key: str) -> np.ndarray:
    return np.moveaxis(state.take(key), (0, 1), (-1, -2))


def _normalization(layer, state, prefix):
    for ours, values in _normalization_values(state, prefix):
        yield layer, getattr(layer, ours), values


def _normalization_values(state, prefix):
    for ours, theirs in _NORMALIZATION.items():
        yield ours, state.take(f"{prefix}.{theirs}")
