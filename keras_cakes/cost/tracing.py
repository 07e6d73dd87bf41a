"""Lists the layers that a model calls, with their shapes; nothing is run."""

import contextlib
from collections.abc import Callable
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any
from typing import NamedTuple

import keras

from keras_cakes._errors import shortened

Shape = tuple[int, ...]


def symbolic_inputs(
    model: keras.Model, input_shape: Any = None, batch_size: int = 1
) -> Any:
    """Makes the symbolic inputs of a batch, in the structure of the model.

    Args:
        model: A Keras model.
        input_shape: Shape of one sample, or a list of shapes for several
            inputs, in the order of `model.inputs`. By default the shapes
            that the model was built with.
        batch_size: Samples in the batch.

    Raises:
        ValueError: If a size is not known, or the number of shapes is not
            that of the model's inputs.
    """
    known = getattr(model, "inputs", None)
    if input_shape is None:
        if not known:
            raise ValueError(
                "`input_shape` is expected for a model that has not been "
                f"built from inputs. Received: model={model.name!r}"
            )
        shapes = [tuple(tensor.shape[1:]) for tensor in known]
    elif input_shape and isinstance(input_shape[0], Sequence):
        shapes = [tuple(shape) for shape in input_shape]
    else:
        shapes = [tuple(input_shape)]
    if known and len(shapes) != len(known):
        raise ValueError(
            f"`input_shape` is expected to hold {len(known)} shapes, one for "
            f"each input of the model. Received: input_shape={input_shape}"
        )
    if any(None in shape for shape in shapes):
        raise ValueError(
            "Sizes are expected to be known: give `input_shape`, the shape "
            "of one sample. Received: model "
            f"{model.name!r} with input shapes {shapes}"
        )
    types = [tensor.dtype for tensor in known or ()] or ["float32"] * len(
        shapes
    )
    tensors = [
        keras.KerasTensor((batch_size, *shape), dtype)
        for shape, dtype in zip(shapes, types, strict=True)
    ]
    if known and not isinstance(model, keras.Sequential):
        return keras.tree.pack_sequence_as(model.input, tensors)
    return tensors[0] if len(tensors) == 1 else tensors


def split_batch(batch_shape: Any) -> tuple[int, Any]:
    """Splits a shape, or a list of shapes, into batch size and sample.

    Returns:
        The batch size, and the shape or shapes of one sample; 1 and `None`
        for `None`.

    Raises:
        ValueError: If the shapes do not have one known batch size.
    """
    if batch_shape is None:
        return 1, None
    try:
        several = isinstance(batch_shape[0], Sequence)
        shapes = [tuple(s) for s in (batch_shape if several else [batch_shape])]
        (batch_size,) = {shape[0] for shape in shapes}
        known = all(
            type(size) is int and size > 0 for shape in shapes for size in shape
        )
    except (IndexError, TypeError, ValueError):
        known = False
    if not known:
        raise ValueError(
            "`batch_shape` is expected to be a shape of known sizes, batch "
            "first, such as (2, 48, 64, 48, 1), or a list of shapes with one "
            f"batch size. Received: batch_shape={shortened(batch_shape)}"
        )
    samples = [shape[1:] for shape in shapes]
    return batch_size, samples if several else samples[0]


def batch_shapes(model: keras.Model, batch_shape: Any) -> list[Shape]:
    """Lists the shapes of a model's inputs, batch included.

    Args:
        model: A Keras model.
        batch_shape: One shape, a list of shapes, or `None` for one sample of
            the sizes that the model was built with.
    """
    batch_size, sample = split_batch(batch_shape)
    inputs = symbolic_inputs(model, sample, batch_size)
    return [tuple(tensor.shape) for tensor in keras.tree.flatten(inputs)]


class Call(NamedTuple):
    """Records one call of a leaf: a layer whose inside is not traced.

    Args:
        name: Name of the layer, behind the names of the layers around it.
        layer: The layer.
        tensors_in: The input tensors; if two layers of a functional model
            read one tensor, both calls hold the same object.
        tensors_out: The output tensors.
    """

    name: str
    layer: Any
    tensors_in: tuple[Any, ...]
    tensors_out: tuple[Any, ...]

    @property
    def inputs(self) -> tuple[Shape, ...]:
        """Lists the shapes of the input tensors, batch included."""
        return tuple(tuple(tensor.shape) for tensor in self.tensors_in)

    @property
    def outputs(self) -> tuple[Shape, ...]:
        """Lists the shapes of the output tensors, batch included."""
        return tuple(tuple(tensor.shape) for tensor in self.tensors_out)


def trace_batch(
    model: keras.Model, batch_shape: Any = None, kinds: Any = ()
) -> list[Call]:
    """Lists the calls of a model for a batch of a given shape.

    Args:
        model: A built Keras model.
        batch_shape: See `batch_shapes`.
        kinds: A class or classes of layers that are leaves, as are all
            layers that hold no others.
    """
    batch_size, sample = split_batch(batch_shape)
    return trace_calls(
        model,
        symbolic_inputs(model, sample, batch_size),
        lambda layer: isinstance(layer, kinds) or not any(members(layer)),
    )


def trace_calls(
    model: keras.Model, inputs: Any, is_leaf: Callable[[Any], bool]
) -> list[Call]:
    """Calls a model with symbolic tensors and records its layers.

    In functional and sequential models, shapes are passed from layer to
    layer; the code of other models and layers is traced.

    Args:
        model: A built Keras model.
        inputs: Its inputs as `keras.KerasTensor`, batch included.
        is_leaf: Function of a layer: true to record the layer, false to
            trace the layers that it holds instead.

    Returns:
        The calls in their order; a shared layer has one for each call.
    """
    recorder = _Recorder(is_leaf)
    with contextlib.ExitStack() as stack:
        for name, layer in members(model):
            recorder.watch(layer, name, stack)
        if _is_graph(model):
            model.compute_output_spec(inputs)
        else:
            keras.Operation.compute_output_spec(model, inputs)
    return recorder.calls


class _Recorder:
    """Wraps the methods of layers during a trace, and records their calls."""

    def __init__(self, is_leaf: Callable[[Any], bool]):
        self.is_leaf = is_leaf
        self.calls: list[Call] = []
        self.watched: set[int] = set()
        self.inside_leaf = False

    def watch(self, layer: Any, name: str, stack: contextlib.ExitStack) -> None:
        if id(layer) in self.watched:
            return
        self.watched.add(id(layer))
        if self.is_leaf(layer):
            for method in ("compute_output_spec", "call"):
                original = getattr(layer, method)
                stack.enter_context(
                    _instead(layer, method, self._record(layer, name, original))
                )
            return
        if not _is_graph(layer):
            # The shape rule of such a layer would bypass the layers inside.
            inside = (
                _over_time
                if isinstance(layer, keras.layers.TimeDistributed)
                else _traced
            )
            stack.enter_context(
                _instead(layer, "compute_output_spec", inside(layer))
            )
        for inner, member in members(layer):
            self.watch(member, f"{name}/{inner}", stack)

    def _record(self, layer: Any, name: str, original: Any) -> Any:
        def call(*args, **kwargs):
            if self.inside_leaf:
                return original(*args, **kwargs)
            self.inside_leaf = True
            try:
                outputs = original(*args, **kwargs)
            finally:
                self.inside_leaf = False
            tensors_in = _tensors((args, kwargs))
            self.calls.append(Call(name, layer, tensors_in, _tensors(outputs)))
            return outputs

        return call


def _traced(layer: Any) -> Any:
    def compute_output_spec(*args, **kwargs):
        return keras.Operation.compute_output_spec(layer, *args, **kwargs)

    return compute_output_spec


def _over_time(wrapper: Any) -> Any:
    """Traces all steps at once, as a larger batch of the same cost."""

    def compute_output_spec(inputs, **kwargs):
        batch, steps, *rest = inputs.shape
        folded = keras.KerasTensor((batch * steps, *rest), inputs.dtype)
        output = wrapper.layer.compute_output_spec(folded)
        return keras.KerasTensor(
            (batch, steps, *output.shape[1:]), output.dtype
        )

    return compute_output_spec


@contextlib.contextmanager
def _instead(layer: Any, method: str, function: Any) -> Iterator[None]:
    # `__setattr__` of Keras would track the function; `vars` does not.
    vars(layer)[method] = function
    try:
        yield
    finally:
        del vars(layer)[method]


def _is_graph(layer: Any) -> bool:
    """Returns true if Keras passes shapes from layer to layer by itself.

    Only if the batch size is unknown: for the batch it was built with, Keras
    returns cached outputs and never visits the layers.
    """
    return (
        isinstance(layer, keras.Function | keras.Sequential)
        and layer.built
        and all(tensor.shape[0] is None for tensor in layer.inputs)
    )


def members(layer: Any) -> Iterator[tuple[str, Any]]:
    """Yields the layers and operations that a layer holds, with their names."""
    if isinstance(layer, keras.Function):
        held = layer.operations
    elif isinstance(layer, keras.Model):
        held = layer.layers
    else:
        held = [
            item
            for value in vars(layer).values()
            for item in keras.tree.flatten(value)
            if isinstance(item, keras.Layer)
        ]
    for member in held:
        yield member.name, member


def _tensors(structure: Any) -> tuple[Any, ...]:
    return tuple(
        item for item in keras.tree.flatten(structure) if hasattr(item, "shape")
    )
