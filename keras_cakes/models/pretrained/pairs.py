"""Matches the layers of a 3D network to the layers of a 2D network."""

from collections.abc import Iterator
from collections.abc import Mapping
from typing import Any

import keras

from keras_cakes.models.backbones.resnet50_video import resnet50_blocks
from keras_cakes.models.rewriting.graph import Graph

_NORMALIZATIONS = (
    keras.layers.BatchNormalization,
    keras.layers.GroupNormalization,
)


class Pairs:
    """Finds the counterpart of a layer, and the layers around it.

    Args:
        source: The 2D network.
        target: The 3D network.
        names: See `inflate`.
    """

    def __init__(
        self,
        source: keras.Model,
        target: keras.Model,
        names: Mapping[str, str] | None,
    ):
        self.layers = {layer.name: layer for layer in source.layers}
        self.graph = Graph(source)
        if names is None:
            resnet = dict(_resnet50_names())
            is_resnet = "conv2_block1_1_conv" in self.layers
            names = resnet if is_resnet else {}
        self.names = names
        known = {layer.name for layer in target.layers}
        for name, other in names.items():
            if name in known and other not in self.layers:
                raise ValueError(
                    "`names` is expected to lead to layers of `source`. "
                    f"Received: {name!r} with {other!r}"
                )

    def of(self, layer: Any) -> Any | None:
        """Returns the counterpart of a layer of the target."""
        return self.layers.get(self.names.get(layer.name, layer.name))

    def behind(self, convolution: Any) -> Any | None:
        """Returns the normalization behind a convolution of the source."""
        for name in self.graph.consumers[convolution.name]:
            if isinstance(self.graph.layer(name), _NORMALIZATIONS):
                return self.graph.layer(name)
        return None

    def bias_before(self, normalization: Any) -> Any:
        """Returns the bias of the convolution before a normalization."""
        for name in self.graph.producers[normalization.name]:
            bias = getattr(self.graph.layer(name), "bias", None)
            if bias is not None:
                return keras.ops.convert_to_numpy(bias)
        return 0.0


def _resnet50_names() -> Iterator[tuple[str, str]]:
    """Pairs names of `resnet50_video` and `keras.applications.ResNet50`."""
    yield from (("stem_conv", "conv1_conv"), ("stem_norm", "conv1_bn"))
    parts = (("shortcut", 0), ("reduce", 1), ("mixed", 2), ("expand", 3))
    for stage, block, ours in resnet50_blocks():
        theirs = f"conv{stage + 1}_block{block + 1}"
        for part, number in parts:
            yield f"{ours}_{part}", f"{theirs}_{number}_conv"
            yield f"{ours}_{part}_norm", f"{theirs}_{number}_bn"
        yield f"{ours}_mixed_plane", f"{theirs}_2_conv"
    yield "frame_logits", "predictions"
