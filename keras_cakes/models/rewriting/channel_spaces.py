"""Finds the feature maps of a network that hold the same channels."""

from collections.abc import Iterable
from collections.abc import Mapping
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras

from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.models.rewriting.graph import CHANNELWISE
from keras_cakes.models.rewriting.graph import Graph
from keras_cakes.models.rewriting.graph import normalizes_channels

_MAKERS = (
    CakesConv3D,
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
    keras.layers.Dense,
)
_PASSERS = (
    *CHANNELWISE,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.GlobalMaxPooling3D,
)
_JOINERS = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Maximum,
    keras.layers.Minimum,
    keras.layers.Multiply,
    keras.layers.Subtract,
)


class Orders(NamedTuple):
    """Holds the old place of each channel, layer by layer."""

    made: dict[str, list[int]]
    read: dict[str, list[list[int]]]


class ChannelSpaces:
    """Groups feature maps whose channels must share one order into spaces.

    Each convolution starts a space. Layers that treat channels alike pass it
    on, an addition unites the spaces of its inputs, and a concatenation puts
    spaces side by side. The spaces around an unknown layer, or one that is
    called more than once, keep their order.

    Args:
        graph: The graph of a functional model, `channels_last`.
    """

    def __init__(self, graph: Graph):
        self.graph = graph
        self._parent: list[int] = []
        self._pinned: set[int] = set()
        self._width: list[int] = []
        # For each layer the spaces of its output, side by side.
        self._parts: dict[str, list[int]] = {}
        # For each layer and input the spaces of that input.
        self._reads: dict[str, list[list[int]]] = {}
        for name in graph.producers:
            self._visit(name)
        for name in graph.outputs:
            self._pin(self._parts[name])

    def makes_channels(self, name: str) -> bool:
        """Tells whether the layer's filters may be reordered."""
        layer = self.graph.layer(name)
        return (
            isinstance(layer, _MAKERS)
            and getattr(layer, "groups", 1) == 1
            and getattr(layer, "data_format", "channels_last")
            == "channels_last"
            and self.graph.calls[name] == 1
        )

    def orders(self, wanted: Mapping[str, Sequence[int]]) -> "Orders":
        """Chooses the order of channels around every layer.

        Args:
            wanted: Layers with the order that they prefer (the old place of
                each channel), the most important layer first.

        Returns:
            For every layer the old place of each channel of its output, and
            of each of its inputs.
        """
        chosen: dict[int, list[int]] = {}
        for name, places in wanted.items():
            (part,) = self._parts[name]
            root = self._root(part)
            if root not in self._pinned:
                chosen.setdefault(root, list(places))

        def place(parts: list[int]) -> list[int]:
            return _side_by_side(
                chosen.get(self._root(part), list(range(self._width[part])))
                for part in parts
            )

        return Orders(
            {name: place(parts) for name, parts in self._parts.items()},
            {
                name: [place(parts) for parts in reads]
                for name, reads in self._reads.items()
            },
        )

    def _visit(self, name: str) -> list[int]:
        """Returns the spaces of a layer's output, found once."""
        if name not in self._parts:
            if self.graph.calls[name] > 1:
                # Set before its inputs are visited: it may be its own input.
                self._parts[name] = [
                    self._new(_channels(self.graph.layer(name)))
                ]
                self._pin(self._parts[name])
            sources = [
                self._read(source, shape[-1] or 0)
                for source, shape in zip(
                    self.graph.producers[name],
                    self.graph.input_shapes[name],
                    strict=True,
                )
            ]
            self._reads[name] = sources
            if name not in self._parts:
                self._parts[name] = self._outputs(name, sources)
            else:
                for source in sources:
                    self._pin(source)
        return self._parts[name]

    def _read(self, source: str, width: int) -> list[int]:
        """Returns the spaces of an input of `width` channels."""
        parts = self._visit(source)
        if sum(self._width[part] for part in parts) == width:
            return parts
        # The width differs: another call or output of `source` is read.
        self._pin(parts)
        parts = [self._new(width)]
        self._pin(parts)
        return parts

    def _outputs(self, name: str, sources: list[list[int]]) -> list[int]:
        """Finds the spaces of a layer's output from the inputs' spaces."""
        layer = self.graph.layer(name)
        if self.makes_channels(name):
            return [self._new(_channels(layer))]
        if self.graph.calls[name] == 1 and sources:
            if isinstance(layer, _PASSERS) or normalizes_channels(layer):
                return sources[0]
            if isinstance(layer, keras.layers.Concatenate) and (
                layer.axis in (-1, 4)
            ):
                return [part for source in sources for part in source]
            if isinstance(layer, _JOINERS) and self._join(sources):
                return sources[0]
        for source in sources:
            self._pin(source)
        new = self._new(_channels(layer))
        self._pin([new])
        return [new]

    def _join(self, sources: list[list[int]]) -> bool:
        widths = [[self._width[part] for part in s] for s in sources]
        if any(width != widths[0] for width in widths):
            return False
        for source in sources[1:]:
            for one, other in zip(sources[0], source, strict=True):
                self._unite(one, other)
        return True

    def _new(self, width: int) -> int:
        self._parent.append(len(self._parent))
        self._width.append(width)
        return len(self._parent) - 1

    def _root(self, part: int) -> int:
        while self._parent[part] != part:
            part = self._parent[part]
        return part

    def _unite(self, one: int, other: int) -> None:
        one, other = self._root(one), self._root(other)
        self._parent[other] = one
        if other in self._pinned:
            self._pinned.add(one)

    def _pin(self, parts: Iterable[int]) -> None:
        self._pinned.update(self._root(part) for part in parts)


def _channels(layer: Any) -> int:
    output = keras.tree.flatten(layer.output)[0]
    return int(output.shape[-1] or 0) if len(output.shape) > 1 else 0


def _side_by_side(orders: Iterable[list[int]]) -> list[int]:
    together: list[int] = []
    for order in orders:
        start = len(together)
        together.extend(start + place for place in order)
    return together
