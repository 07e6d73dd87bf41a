"""Runs a functional model call by call, so that a layer may change between."""

from collections.abc import Callable
from collections.abc import Iterator
from typing import Any
from typing import NamedTuple

import keras

from keras_cakes.models.rewriting.graph import as_functional
from keras_cakes.models.rewriting.graph import histories


class Place(NamedTuple):
    """Names a feature map: the layer, which call of it, which output."""

    layer: str
    call: int
    output: int


class Call(NamedTuple):
    """Records one call of a layer of a functional model.

    Args:
        layer: The layer or operation.
        number: Which call of the layer it is, from 0.
        args: Positional arguments; a `Place` stands for a feature map.
        kwargs: Keyword arguments, likewise.
        last: Feature maps that no later call reads.
    """

    layer: Any
    number: int
    args: Any
    kwargs: Any
    last: frozenset[Place]

    @property
    def name(self) -> str:
        """Returns the name of the layer."""
        return str(self.layer.name)

    @property
    def input(self) -> Place:
        """Returns the first feature map that the call reads."""
        return next(_places((self.args, self.kwargs)))


# The feature maps of one batch that later calls read.
Maps = dict[Place, Any]


class Walk:
    """Lists the calls of a functional model in an order in which they can run.

    Between two calls the weights of a layer may be changed: whoever runs the
    calls holds the feature maps of one or more batches.

    Args:
        model: A functional Keras model.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
        >>> walk = Walk(model)
        >>> maps = walk.start(keras.ops.ones((1, 8, 8, 8, 1)))
        >>> for call in walk.calls:
        ...     walk.step(call, maps)
        >>> walk.outputs(maps)[0].shape
        TensorShape([1, 8, 8, 8, 3])
    """

    def __init__(self, model: keras.Model):
        model = as_functional(model)
        config = model.get_config()
        self._inputs = [Place(*h) for h in histories(config["input_layers"])]
        self._outputs = [Place(*h) for h in histories(config["output_layers"])]
        operations = {item.name: item for item in model.operations}
        waiting = [
            (operations[entry["name"]], number, *_arguments(node))
            for entry in config["layers"]
            for number, node in enumerate(entry["inbound_nodes"])
        ]
        self.calls = tuple(_in_order(waiting, self._inputs, self._outputs))

    def start(self, inputs: Any) -> Maps:
        """Returns the feature maps of a batch before the first call."""
        given = keras.tree.flatten(inputs)
        return dict(zip(self._inputs, given, strict=True))

    def step(
        self,
        call: Call,
        maps: Maps,
        run: Callable[..., Any] | None = None,
    ) -> None:
        """Runs one call on the feature maps of a batch, in inference mode.

        Args:
            call: One of `calls`; the earlier ones have run.
            maps: The feature maps; those that no later call reads go.
            run: Called with the layer's arguments in place of the layer.
        """
        args, kwargs = _filled((call.args, call.kwargs), maps)
        made = (run or call.layer)(*args, **kwargs)
        for number, value in enumerate(keras.tree.flatten(made)):
            maps[Place(call.name, call.number, number)] = value
        for place in call.last:
            maps.pop(place, None)

    @property
    def output_layers(self) -> list[Any]:
        """Lists the layer that makes each flat output of the model."""
        layers = {call.name: call.layer for call in self.calls}
        return [layers.get(place.layer) for place in self._outputs]

    def outputs(self, maps: Maps) -> list[Any]:
        """Returns the flat outputs of the model after the last call."""
        return [maps[place] for place in self._outputs]


def _in_order(
    waiting: list[tuple[Any, int, Any, Any]],
    inputs: list[Place],
    outputs: list[Place],
) -> Iterator[Call]:
    """Sorts calls so that each follows those that it reads."""
    known = {(place.layer, place.call) for place in inputs}
    ordered: list[tuple[Any, int, Any, Any]] = []
    while waiting:
        later = []
        for item in waiting:
            reads = {(p.layer, p.call) for p in _places(item[2:])}
            if reads <= known:
                ordered.append(item)
                known.add((item[0].name, item[1]))
            else:
                later.append(item)
        waiting = later
    seen = set(outputs)
    lasts = []
    for item in reversed(ordered):
        last = frozenset(_places(item[2:])) - seen
        seen |= last
        lasts.append(last)
    for item, last in zip(ordered, reversed(lasts), strict=True):
        yield Call(*item, last)


def _arguments(node: dict[str, Any]) -> tuple[Any, Any]:
    """Reads the arguments of a call from the configuration of a model."""
    return _revived(node["args"]), _revived(node["kwargs"])


def _revived(value: Any) -> Any:
    if isinstance(value, dict):
        kind = value.get("class_name")
        if kind == "__keras_tensor__":
            return Place(*value["config"]["keras_history"])
        if kind == "__tuple__":
            return tuple(_revived(item) for item in value["items"])
        if kind is not None:
            return keras.saving.deserialize_keras_object(value)
        return {key: _revived(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_revived(item) for item in value]
    return value


def _filled(value: Any, maps: Maps) -> Any:
    if isinstance(value, Place):
        return maps[value]
    if isinstance(value, dict):
        return {key: _filled(item, maps) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return type(value)(_filled(item, maps) for item in value)
    return value


def _places(value: Any) -> Iterator[Place]:
    if isinstance(value, Place):
        yield value
    elif isinstance(value, dict):
        yield from _places(list(value.values()))
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _places(item)
