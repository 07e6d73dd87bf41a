"""Reads and rewrites the graph of a functional Keras model."""

from collections import deque
from collections.abc import Callable
from collections.abc import Iterator
from typing import Any

import keras

from keras_cakes.layers.backends import has_several_replicas
from keras_cakes.layers.upsampling import TrilinearUpSampling3D

# Layers that treat every channel alike and accept a wider tensor.
CHANNELWISE = (
    keras.layers.Activation,
    keras.layers.AveragePooling3D,
    keras.layers.Cropping3D,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.GaussianNoise,
    keras.layers.Identity,
    keras.layers.LeakyReLU,
    keras.layers.MaxPooling3D,
    keras.layers.ReLU,
    keras.layers.SpatialDropout3D,
    keras.layers.UpSampling3D,
    keras.layers.ZeroPadding3D,
    TrilinearUpSampling3D,
)
_CONVOLUTIONS = (
    keras.layers.Conv3D,
    keras.layers.Conv3DTranspose,
)
_DENSE = (keras.layers.Dense, keras.layers.EinsumDense)


def as_functional(model: keras.Model) -> keras.Model:
    """Returns the model as a functional graph.

    Raises:
        ValueError: If the model has no graph to rewrite.
    """
    if isinstance(model, keras.Sequential) and model.built:
        return keras.Model(model.inputs, model.outputs, name=model.name)
    # A functional model whose class has its own constructor has no layers in
    # its configuration.
    if not isinstance(model, keras.Function) or (
        "layers" not in model.get_config()
    ):
        raise ValueError(
            "`model` is expected to be a functional (or built sequential) "
            "Keras model, whose graph can be rewritten. "
            f"Received: model={model!r}"
        )
    return model


class Graph:
    """Holds the consumers and producers of each layer of a functional model.

    Only calls that belong to `model` count: a layer may also be part of other
    models, such as a feature extractor cut out of this one.

    Args:
        model: A functional Keras model.
    """

    def __init__(self, model: keras.Model):
        self.model = model
        self._operations = {item.name: item for item in model.operations}
        self.consumers: dict[str, list[str]] = {}
        self.producers: dict[str, list[str]] = {}
        # For each layer the shapes of its inputs, in the order of `producers`.
        self.input_shapes: dict[str, list[tuple[int | None, ...]]] = {}
        self.calls: dict[str, int] = {}
        for entry in model.get_config()["layers"]:
            name = entry["name"]
            self.calls[name] = len(entry["inbound_nodes"])
            self.consumers.setdefault(name, [])
            tensors = list(_tensors(entry["inbound_nodes"]))
            self.producers[name] = [source for source, _ in tensors]
            self.input_shapes[name] = [shape for _, shape in tensors]
        for name, sources in self.producers.items():
            for source in sources:
                self.consumers[source].append(name)
        outputs = histories(model.get_config()["output_layers"])
        self.outputs = {name for name, _, _ in outputs}

    def layer(self, name: str) -> Any:
        """Returns the layer or operation of that name."""
        return self._operations[name]

    def reaches_features(self, name: str, *, upstream: bool) -> bool:
        """Tells whether a convolution or dense layer is up- or downstream."""
        edges = self.producers if upstream else self.consumers
        queue, seen = deque(edges[name]), set()
        while queue:
            current = queue.popleft()
            if current in seen:
                continue
            seen.add(current)
            if isinstance(self.layer(current), (*_CONVOLUTIONS, *_DENSE)):
                return True
            queue.extend(edges[current])
        return False

    def follower(self, name: str) -> Any | None:
        """Returns the only consumer if this layer is its only input."""
        consumers = self.consumers[name]
        if len(consumers) != 1 or name in self.outputs:
            return None
        (consumer,) = consumers
        alone = self.calls[name] == self.calls[consumer] == 1
        single = len(self.producers[consumer]) == 1
        return self.layer(consumer) if alone and single else None

    def normalization_behind(self, name: str) -> Any | None:
        """Returns the normalization of channels that only this layer feeds."""
        layer = self.layer(name)
        follower = self.follower(name)
        if layer.activation is not keras.activations.linear:
            return None
        axis = -1 if layer.data_format == "channels_last" else 1
        return follower if normalizes_channels(follower, axis) else None

    def can_widen(self, name: str) -> bool:
        """Tells whether every consumer may read a wider output of this layer.

        Each path must lead, through layers that treat channels alike, to a
        convolution, which sums over any number of channels.
        """
        queue, seen = deque([name]), {name}
        while queue:
            current = queue.popleft()
            if current in self.outputs:
                return False
            for consumer in self.consumers[current]:
                layer = self.layer(consumer)
                if isinstance(layer, _CONVOLUTIONS):
                    if getattr(layer, "groups", 1) != 1:
                        return False
                elif _passes_channels(layer):
                    if consumer not in seen:
                        seen.add(consumer)
                        queue.append(consumer)
                else:
                    return False
        return True


def normalizes_channels(layer: Any, axis: int = -1) -> bool:
    """Tells whether a layer is a batch or instance normalization."""
    if isinstance(layer, keras.layers.BatchNormalization):
        return layer.axis in (axis, axis % 5)
    if isinstance(layer, keras.layers.GroupNormalization):
        # One group for each channel is instance normalization.
        return layer.axis in (axis, axis % 5) and layer.groups in (
            -1,
            layer.gamma.shape[0] if layer.scale else -1,
        )
    return False


def _passes_channels(layer: Any) -> bool:
    if isinstance(layer, keras.layers.Concatenate):
        return layer.axis in (-1, 4)
    return isinstance(layer, CHANNELWISE)


def _tensors(value: Any) -> Iterator[tuple[str, tuple[int | None, ...]]]:
    """Finds the tensors in serialized arguments: their layers and shapes."""
    if isinstance(value, dict):
        tensor = value.get("config", {})
        if value.get("class_name") == "__keras_tensor__":
            yield tensor["keras_history"][0], tuple(tensor["shape"])
        else:
            for item in value.values():
                yield from _tensors(item)
    elif isinstance(value, list | tuple):
        for item in value:
            yield from _tensors(item)


def histories(value: Any) -> Iterator[tuple[str, int, int]]:
    """Finds the `(name, call, output)` of a model's inputs or outputs.

    The order is that of `keras.tree.flatten`.
    """
    if isinstance(value, dict):
        value = [value[key] for key in sorted(value)]
    if value and isinstance(value[0], str):
        name, call, output = value
        yield name, call, output
    else:
        for item in value:
            yield from histories(item)


def rewrite(
    model: keras.Model,
    substitute: Callable[[Any], Any | None],
    *,
    dropped: frozenset[str] = frozenset(),
) -> keras.Model:
    """Rebuilds a functional model with substitutes for its layers.

    All weights are new. Each layer is built for the shape that reaches it: a
    layer behind a wider one has a wider kernel.

    Args:
        model: A functional Keras model; it stays as it is.
        substitute: Called with each layer; returns the layer to put in its
            place, or `None` to keep a fresh copy.
        dropped: Names of layers that are left out; their input becomes their
            output.

    Returns:
        A functional model with the same inputs and outputs, not compiled.
    """

    def clone(layer):
        replacement = substitute(layer)
        return _copy(layer) if replacement is None else replacement

    def call(layer, *args, **kwargs):
        if layer.name in dropped:
            return args[0]
        return layer(*args, **kwargs)

    clone_of = keras.models.clone_model(
        model, clone_function=clone, call_function=call
    )
    # A new model, since a clone of a compiled model is compiled alike, with the
    # original's losses and optimizer.
    return keras.Model(clone_of.input, clone_of.output, name=model.name)


def _copy(layer: Any) -> Any:
    """Makes a layer of the same configuration, with new weights."""
    config = layer.get_config()
    if (
        isinstance(layer, keras.layers.BatchNormalization)
        and has_several_replicas()
    ):
        # Otherwise each replica keeps the statistics of its share of the batch,
        # and a file holds the statistics of the first replica.
        config["synchronized"] = True
    return type(layer).from_config(config)
