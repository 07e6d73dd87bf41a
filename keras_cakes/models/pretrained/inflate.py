"""Starts a 3D network from the weights of a 2D network."""

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np

from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.models.pretrained.inflate_kernels import centred_kernel
from keras_cakes.models.pretrained.inflate_kernels import check_inflation
from keras_cakes.models.pretrained.inflate_kernels import inflate_kernel
from keras_cakes.models.pretrained.pairs import Pairs
from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.inherit import assign_paths
from keras_cakes.models.rewriting.inherit import tiled


def inflate(
    source: keras.Model,
    target: keras.Model,
    *,
    rule: str = "sum",
    axis: int = 0,
    names: Mapping[str, str] | None = None,
) -> tuple[str, ...]:
    """Starts a 3D network, or a supernet of it, from a trained 2D network.

    Convolutions are inflated by `inflate_kernel`: for a plain or sub-kernel
    layer channel by channel, for a search layer every candidate of every
    channel. If candidates are crops of one kernel, the 2D kernel is put in
    its middle (`rule` has no effect): candidates that span its plane compute
    the same, others a part. Normalizations are copied, and repeated for each
    candidate; a bias in front of one is subtracted from its mean. A layer
    that reads the concatenated candidates of a cost-priority search has its
    kernel tiled and divided by their number, and summed candidates have their
    scales divided: the start computes the same function. Layers of equal
    shape are copied.

    Weights without a counterpart in the 2D network stay as they are: the
    second kernel of P3D, a head of another number of classes.

    Args:
        source: A functional 2D model, such as
            `keras.applications.ResNet50(weights="imagenet")`, or the same
            with the path of a weight file.
        target: A functional 3D model or a `Supernet`. It is changed.
        rule: See `inflate_kernel`.
        axis: See `inflate_kernel`.
        names: For each layer of `target` the name of its counterpart in
            `source`. By default layers of the same name, and for
            `resnet50_video` those of `keras.applications.ResNet50`.

    Returns:
        Names of the layers with weights that stay as they were.

    Raises:
        ValueError: If counterparts do not fit; the message names both.

    Examples:
        >>> import keras_cakes as kc
        >>> source = keras.applications.ResNet50(
        ...     weights=None, classes=5, input_shape=(32, 32, 3))
        >>> network = kc.models.resnet50_video(
        ...     (4, 32, 32, 3),
        ...     5,
        ...     convolution="video_1d2d3d",
        ...     strided="reduce",
        ... )
        >>> inflate(source, network)
        ()
    """
    check_inflation(rule, axis)
    source = as_functional(source)
    # A supernet wraps the network of search layers.
    target = as_functional(getattr(target, "network", target))
    pairs = Pairs(source, target, names)
    left = []
    for layer in target.layers:
        if not layer.weights:
            continue
        counterpart = pairs.of(layer)
        if counterpart is None or not _start(
            layer, counterpart, pairs, rule, axis
        ):
            left.append(layer.name)
    return tuple(left)


def _start(
    layer: Any, counterpart: Any, pairs: Pairs, rule: str, axis: int
) -> bool:
    """Starts one layer; returns `False` if the counterpart does not fit."""
    if isinstance(layer, CakesSearchConv3D):
        kernel = _numpy(counterpart.kernel)
        if layer.is_shared:
            start = centred_kernel(kernel, layer.kernel_size, axis=axis)
            starts = [(layer.full_kernel, start)]
        else:
            starts = [
                (weights, inflate_kernel(kernel, size, rule=rule, axis=axis))
                for size, weights in zip(
                    layer.kernel_set, layer.candidates, strict=True
                )
            ]
        for weights, start in starts:
            _assign(
                weights, tiled(start, weights.shape[-2]), layer, counterpart
            )
        normalization = pairs.behind(counterpart)
        if normalization is not None:
            paths = layer.path_normalization
            assign_paths(layer, _statistics(normalization, paths, pairs))
        return True
    if isinstance(layer, CakesConv3D):
        channels = np.array(layer.assignment.channels)
        for (kernel, _), weights in zip(
            layer.assignment.counts.items(),
            layer.sub_kernel_weights,
            strict=True,
        ):
            start = inflate_kernel(
                _numpy(counterpart.kernel), kernel, rule=rule, axis=axis
            )
            start = start[..., channels == kernel]
            _assign(weights, start, layer, counterpart)
        return _copy_bias(layer, counterpart)
    if isinstance(layer, keras.layers.Conv3D):
        start = inflate_kernel(
            _numpy(counterpart.kernel),
            "x".join(map(str, layer.kernel_size)),
            rule=rule,
            axis=axis,
        )
        start = tiled(start, layer.kernel.shape[-2])
        _assign(layer.kernel, start, layer, counterpart)
        return _copy_bias(layer, counterpart)
    if isinstance(layer, keras.layers.BatchNormalization):
        for name, value in _statistics(counterpart, layer, pairs).items():
            _assign(getattr(layer, name), value, layer, counterpart)
        return True
    shapes = [tuple(weight.shape) for weight in layer.weights]
    if shapes != [tuple(weight.shape) for weight in counterpart.weights]:
        return False
    for weight, value in zip(layer.weights, counterpart.weights, strict=True):
        weight.assign(_numpy(value))
    return True


def _statistics(normalization: Any, other: Any, pairs: Pairs) -> dict[str, Any]:
    """Returns scale, offset and statistics, adapted to another layer."""
    values = {
        name: _numpy(getattr(normalization, name))
        for name in ("gamma", "beta", "moving_mean", "moving_variance")
        if getattr(normalization, name, None) is not None
    }
    if "moving_mean" in values:
        values["moving_mean"] = values["moving_mean"] - pairs.bias_before(
            normalization
        )
        # Each adds its own epsilon to the variance.
        values["moving_variance"] = (
            values["moving_variance"] + normalization.epsilon - other.epsilon
        )
    return values


def _copy_bias(layer: Any, counterpart: Any) -> bool:
    """Copies the bias if both layers have one."""
    if layer.bias is not None and counterpart.bias is not None:
        layer.bias.assign(_numpy(counterpart.bias))
    return True


def _assign(variable: Any, value: Any, layer: Any, counterpart: Any) -> None:
    if tuple(variable.shape) != tuple(value.shape):
        raise ValueError(
            f"Layer {layer.name!r} is expected to start from weights of shape "
            f"{tuple(variable.shape)}. Received: {tuple(value.shape)} from "
            f"{counterpart.name!r}"
        )
    variable.assign(value)


def _numpy(variable: Any) -> np.ndarray:
    return keras.ops.convert_to_numpy(variable)
