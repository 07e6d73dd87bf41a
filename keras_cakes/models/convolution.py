"""One argument that says which convolutions a backbone is made of."""

from collections.abc import Callable
from typing import Any

import keras

from keras_cakes.configuration import Configuration
from keras_cakes.conversion import replace
from keras_cakes.conversion import replaceable_layers
from keras_cakes.conversion import to_search_network
from keras_cakes.conversion import uniform_configuration
from keras_cakes.specification import SearchSpecification

# Takes (inputs, filters, kernel_size, name) and returns the output tensor.
ApplyConvolution = Callable[[Any, int, Any, str], Any]

PLAIN = ("3d", "2d", "p3d")


def apply_convolution(inputs, filters, kernel_size, name):
    """A convolution as backbones use it: same size, no bias, He start."""
    return keras.layers.Conv3D(
        filters,
        kernel_size,
        padding="same",
        use_bias=False,
        kernel_initializer="he_normal",
        name=name,
    )(inputs)


def apply_plane_convolution(inputs, filters, kernel_size, name):
    """The convolution within a plane, 1 x k x k (Eq. 3 of the paper)."""
    return apply_convolution(
        inputs, filters, (1, kernel_size, kernel_size), name
    )


def apply_p3d_convolution(inputs, filters, kernel_size, name):
    """1 x k x k, then k x 1 x 1, nothing between (Eq. 2 of the paper)."""
    x = apply_plane_convolution(inputs, filters, kernel_size, f"{name}_plane")
    return apply_convolution(x, filters, (kernel_size, 1, 1), f"{name}_line")


def build_with(
    build: Callable[[ApplyConvolution], keras.Model], convolution: Any
) -> keras.Model:
    """Builds a backbone from the convolutions that `convolution` names.

    A kernel set, a configuration and a search are rewritings of the 3D
    network, by the same functions that rewrite anyone's model.

    Args:
        build: Function of the replaceable convolution that builds the
            backbone.
        convolution: `"3d"`, `"2d"` (1 x k x k), `"p3d"`, a kernel set (split
            evenly), a `Configuration` or a `SearchSpecification`.
    """
    if convolution == "2d":
        return build(apply_plane_convolution)
    if convolution == "p3d":
        return build(apply_p3d_convolution)
    model = build(apply_convolution)
    if convolution == "3d":
        return model
    if isinstance(convolution, SearchSpecification):
        return to_search_network(model, convolution)
    if not isinstance(convolution, Configuration):
        try:
            convolution = uniform_configuration(model, convolution)
        except (TypeError, ValueError) as error:
            raise ValueError(
                f"`convolution` is expected to be one of {PLAIN}, a kernel "
                "set, a Configuration or a SearchSpecification. Received: "
                f"convolution={convolution!r} ({error})"
            ) from None
    unknown = sorted(set(convolution) - set(replaceable_layers(model)))
    if unknown:
        raise ValueError(
            "`convolution` is expected to configure layers of the backbone, "
            f"{list(replaceable_layers(model))}. Received: {unknown}"
        )
    return replace(model, convolution)
