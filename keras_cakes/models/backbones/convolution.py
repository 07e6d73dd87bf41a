"""Reads the `convolution` argument of the backbones."""

from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

import keras

from keras_cakes._errors import expect
from keras_cakes.kernels.configuration import Configuration
from keras_cakes.kernels.sub_kernels import names_kernels
from keras_cakes.kernels.sub_kernels import uniform_counts
from keras_cakes.models.rewriting.replace import replace
from keras_cakes.models.rewriting.search_network import to_search_network
from keras_cakes.models.rewriting.specification import SearchSpecification

Strides = int | tuple[int, int, int]

PLAIN = ("3d", "2d", "p3d")


# Called as `apply_convolution`.
ApplyConvolution = Callable[..., Any]


def apply_convolution(
    inputs: Any,
    filters: int,
    kernel_size: Any,
    name: str,
    strides: Strides = 1,
    **kwargs: Any,
) -> Any:
    """Applies a convolution with padding, without bias, with a He start.

    With strides, both sides are padded alike, which centres each window and
    fits weights of other frameworks. Keras' `"same"` pads an even size more
    on the far side.
    """
    sizes, strides = _three(kernel_size), _three(strides)
    arguments = {
        "padding": "same",
        "use_bias": False,
        "kernel_initializer": "he_normal",
        **kwargs,
    }
    if max(strides) > 1 and max(sizes) > 1:
        margins = [size // 2 for size in sizes]
        inputs = keras.layers.ZeroPadding3D(margins, name=f"{name}_pad")(inputs)
        arguments["padding"] = "valid"
    return keras.layers.Conv3D(
        filters, sizes, strides=strides, name=name, **arguments
    )(inputs)


def apply_plane_convolution(inputs, filters, size, name, strides=1, **kwargs):
    """Convolves within a plane, 1 x k x k (Eq. 3 of the paper)."""
    sizes = (1, size, size)
    return apply_convolution(inputs, filters, sizes, name, strides, **kwargs)


def apply_p3d_convolution(inputs, filters, size, name, strides=1, **kwargs):
    """Convolves with 1 x k x k, then with k x 1 x 1 (Eq. 2 of the paper)."""
    depth, height, width = _three(strides)
    x = apply_plane_convolution(
        inputs, filters, size, f"{name}_plane", (1, height, width), **kwargs
    )
    return apply_convolution(
        x, filters, (size, 1, 1), f"{name}_line", (depth, 1, 1), **kwargs
    )


def _three(sizes: Any) -> tuple[int, int, int]:
    return (sizes,) * 3 if isinstance(sizes, int) else tuple(sizes)


def build_with(
    build: Callable[[ApplyConvolution], keras.Model], convolution: Any
) -> keras.Model:
    """Builds a backbone from the convolutions that `convolution` names.

    A kernel set, a configuration and a search rewrite the 3D network, by the
    functions that rewrite any model.

    Args:
        build: Function of the replaceable convolution that builds the
            backbone.
        convolution: `"3d"`, `"2d"` (1 x k x k), `"p3d"`, a kernel set (split
            evenly), a `Configuration` or a `SearchSpecification`.
    """
    is_unknown = isinstance(convolution, str) and not (
        convolution in PLAIN or names_kernels(convolution)
    )
    expected = (
        f"to be one of {PLAIN}, a kernel set, a Configuration or a "
        "SearchSpecification"
    )
    expect("convolution", convolution, not is_unknown, expected)
    if convolution == "2d":
        return build(apply_plane_convolution)
    if convolution == "p3d":
        return build(apply_p3d_convolution)
    names = []

    def apply(inputs, filters, kernel_size, name, strides=1, **kwargs):
        names.append(name)
        return apply_convolution(
            inputs, filters, kernel_size, name, strides, **kwargs
        )

    model = build(apply)
    if convolution == "3d":
        return model
    if isinstance(convolution, SearchSpecification):
        return to_search_network(model, convolution, layers=names)
    if not isinstance(convolution, Configuration):
        try:
            convolution = _even_split(model, convolution, names)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`convolution` is expected {expected}. Received: "
                f"convolution={convolution!r} ({error})"
            ) from None
    unknown = sorted(set(convolution) - set(names))
    if unknown:
        raise ValueError(
            "`convolution` is expected to configure layers of the backbone, "
            f"{names}. Received: {unknown}"
        )
    return replace(model, convolution)


def _even_split(
    model: keras.Model, kernel_set: Any, names: Sequence[str]
) -> Configuration:
    """Splits the channels of each layer evenly over a kernel set."""
    layers = [model.get_layer(name) for name in names]
    return Configuration(
        {
            layer.name: uniform_counts(
                layer.filters, kernel_set, kernel_size=layer.kernel_size
            )
            for layer in layers
        }
    )
