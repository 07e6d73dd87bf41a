"""Whether a training step fits into the memory that is free."""

import dataclasses
import math
import numbers
from typing import Any

import keras
import numpy as np

from keras_cakes._files import available_memory
from keras_cakes.cost.tracing import Call
from keras_cakes.cost.tracing import members
from keras_cakes.cost.tracing import split_batch
from keras_cakes.cost.tracing import symbolic_inputs
from keras_cakes.cost.tracing import trace_calls
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.layers.plans.device import is_on_cpu

# Their gradients need what they made, not what they read.
_KEEPS_OUTPUTS = (
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)
# Their gradients need no feature map at all.
_KEEPS_NOTHING = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.AveragePooling1D,
    keras.layers.AveragePooling2D,
    keras.layers.AveragePooling3D,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.GlobalAveragePooling1D,
    keras.layers.GlobalAveragePooling2D,
    keras.layers.GlobalAveragePooling3D,
    keras.layers.InputLayer,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.Subtract,
    keras.layers.UpSampling1D,
    keras.layers.UpSampling2D,
    keras.layers.UpSampling3D,
    keras.layers.ZeroPadding1D,
    keras.layers.ZeroPadding2D,
    keras.layers.ZeroPadding3D,
)
# Feature maps of the largest size that the backward pass holds at a time
# besides those kept for it: the gradient that comes in, those that go out,
# and what a normalization makes in between.
_IN_FLIGHT = 4
# Copies that libraries make of weights and feature maps, and what the
# allocator cannot use again: measured peaks were 1.2 to 1.7 times the sum of
# the rest (fifteen networks on a CPU, `benchmarks/search_speed.py`).
_OVERHEAD = 0.6
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Memory:
    """Bytes that a training step is estimated to hold at its peak.

    Args:
        weights: The weights, trained or not.
        gradients: One for each trained weight.
        optimizer: The optimizer's own variables.
        activations: Feature maps and full kernels that the forward pass
            keeps for the backward pass.
        working: What is under way at the peak.
        overhead: Copies that libraries make, and what the allocator wastes.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    working: int
    overhead: int

    @property
    def total(self) -> int:
        """All of it, in bytes."""
        return sum(dataclasses.astuple(self))

    def __str__(self) -> str:
        parts = ", ".join(
            f"{field.name} {getattr(self, field.name) / _GIB:.2f}"
            for field in dataclasses.fields(self)
        )
        return f"about {self.total / _GIB:.2f} GiB ({parts})"


def estimate_memory(model: keras.Model, batch_shape: Any = None) -> Memory:
    """Estimates the memory of a training step; nothing is run.

    Feature maps are counted as TensorFlow's gradients keep them: the inputs
    of convolutions, dense layers, normalizations and maximum poolings, the
    outputs of activations, each tensor once. What Python and TensorFlow take
    themselves (some 0.5 GiB) and the data are not in it. An estimate: within
    a third of the peaks that were measured.

    Args:
        model: A Keras model or a `Supernet`; compiled, its optimizer is
            counted too, and otherwise one without variables.
        batch_shape: Shape of a batch, or a list of shapes for several
            inputs; by default one sample of the shape that the model was
            built with.

    Returns:
        A `Memory`, in bytes.

    Raises:
        ValueError: If a size is not known.

    Examples:
        >>> import keras_cakes as kc
        >>> model = kc.models.unet3d((32, 32, 32, 1), width=8, depth=3)
        >>> memory = kc.cost.estimate_memory(model, (2, 32, 32, 32, 1))
        >>> memory.weights < memory.activations < memory.total
        True
    """
    batch_size, input_shape = split_batch(batch_shape)
    inputs = symbolic_inputs(model, input_shape, batch_size)
    calls = trace_calls(model, inputs, _is_leaf)
    kept: dict[int, int] = {}
    extra, largest = 0, 0
    for call in calls:
        sizes = [_bytes(tensor) for tensor in call.tensors_out]
        normalized, kernels = _inside(call)
        extra += normalized + kernels
        largest = max(largest, normalized, *sizes)
        kept.update((id(t), _bytes(t)) for t in _kept(call))
    trained = sum(_bytes(weight) for weight in model.trainable_variables)
    parts = {
        "weights": sum(_bytes(weight) for weight in model.variables),
        "gradients": trained,
        "optimizer": int(trained * _slots(getattr(model, "optimizer", None))),
        "activations": sum(kept.values()) + extra,
        "working": _IN_FLIGHT * largest,
    }
    return Memory(**parts, overhead=int(_OVERHEAD * sum(parts.values())))


def _is_leaf(layer: Any) -> bool:
    own = isinstance(layer, CakesConv3D | CakesSearchConv3D)
    return own or not any(members(layer))


def _kept(call: Call) -> tuple[Any, ...]:
    """Tensors that the gradient of a call needs."""
    if isinstance(call.layer, _KEEPS_NOTHING):
        return ()
    if isinstance(call.layer, _KEEPS_OUTPUTS):
        return call.tensors_out
    activation = getattr(call.layer, "activation", None)
    if activation in (None, keras.activations.linear):
        return call.tensors_in
    return (*call.tensors_in, *call.tensors_out)


def _inside(call: Call) -> tuple[int, int]:
    """What a layer of this package keeps that is no input or output.

    Returns:
        Bytes of the feature maps that it normalizes, and of full kernels.
    """
    layer = call.layer
    if not isinstance(layer, CakesConv3D | CakesSearchConv3D):
        return 0, 0
    itemsize = np.dtype(layer.compute_dtype).itemsize
    if isinstance(layer, CakesConv3D):
        plan = layer.plans["training"]
        reads = layer.sub_kernel_weights[0].shape[-2]
        weights = sum(box.size.taps * box.filters for box in plan.boxes)
        return 0, weights * reads * itemsize
    paths = len(layer.kernel_set) if layer.priority == "cost" else 1
    output = call.outputs[0]
    positions = math.prod(output) // output[layer.geometry.channel_axis]
    normalized = paths * layer.filters * positions
    kernel = 0
    if layer.priority == "performance":
        taps = math.prod(layer.kernel_size)
        kernel = taps * layer.in_channels * layer.filters
    return normalized * itemsize, kernel * itemsize


def _bytes(tensor: Any) -> int:
    dtype = np.dtype(keras.backend.standardize_dtype(tensor.dtype))
    return math.prod(tensor.shape) * dtype.itemsize


def _slots(optimizer: Any) -> float:
    """Variables of an optimizer for each that it trains."""
    if optimizer is None:
        return 0
    probe = type(optimizer).from_config(optimizer.get_config())
    shape = (64, 64)
    probe.build([keras.Variable(np.zeros(shape, "float32"))])
    held = sum(math.prod(v.shape) for v in probe.variables if len(v.shape))
    return held / math.prod(shape)


def free_memory() -> int | None:
    """Bytes that a training step may take; `None` if they are not known.

    On a CPU this is `available_memory`. TensorFlow does not tell the free
    memory of an accelerator.
    """
    if not is_on_cpu():
        return None
    return available_memory()


def batch_shape_of(data: Any, batch_size: int | None = None) -> Any:
    """The shape of the batches that `fit` makes of its first argument.

    Args:
        data: A `tf.data.Dataset`, an array or a structure of arrays.
        batch_size: As in `fit`.

    Returns:
        One shape, or a list of shapes for several inputs; `None` for
        generators and data of unknown size, which only tell when they run.
    """
    if isinstance(data, keras.utils.PyDataset):
        return None
    spec = getattr(data, "element_spec", None)
    if spec is not None:
        leaves = keras.tree.flatten(
            spec[0] if isinstance(spec, tuple) else spec
        )
        shapes = [leaf.shape for leaf in leaves]
        if any(shape.rank is None or None in shape for shape in shapes):
            return None
    else:
        shapes = [
            getattr(leaf, "shape", ()) for leaf in keras.tree.flatten(data)
        ]
        if not all(len(shape) > 1 for shape in shapes):
            return None
        shapes = [
            (min(batch_size or 32, shape[0]), *shape[1:]) for shape in shapes
        ]
    shapes = [tuple(shape) for shape in shapes]
    return shapes[0] if len(shapes) == 1 else shapes


def checked_limit(limit: Any) -> float | None:
    """Returns a memory limit as a plain number.

    Raises:
        ValueError: If it is neither `None` nor a positive, finite number.
    """
    if limit is None:
        return None
    # A tensor or a text is no number, and a truth value is a mistake.
    is_number = isinstance(limit, numbers.Real) and not isinstance(limit, bool)
    if not is_number or not 0 < limit < math.inf:
        raise ValueError(
            "`memory_limit` is expected to be `None` or a positive, finite "
            f"number of bytes. Received: memory_limit={limit!r}"
        )
    return float(limit)


def check_capacity(
    memory: Memory, limit: float | None, name: str, batch_shape: Any
) -> str:
    """States the memory of a training step, and refuses what does not fit.

    Args:
        memory: The estimate.
        limit: Bytes that it may take; `None` if that is not known.
        name: Name of the model.
        batch_shape: The shapes that the estimate is for.

    Returns:
        A sentence for the user.

    Raises:
        MemoryError: If the estimate is above the limit.
    """
    stated = f"A training step of {name!r} takes {memory}"
    if limit is None:
        return f"{stated}."
    if memory.total > limit:
        raise MemoryError(
            f"{stated}, and a step that fits into {limit / 2**30:.2f} GiB is "
            "expected. A smaller batch or patch, a smaller `kernel_set`, "
            "fewer `layers`, `aggregation='sum'` or the performance priority "
            "need less; where the estimate is known to be too high, set "
            "`memory_limit` of the supernet to the bytes that it may take. "
            f"Received: batch_shape={batch_shape}"
        )
    return f"{stated}; {limit / 2**30:.2f} GiB are free."
