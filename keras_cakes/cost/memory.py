"""Estimates the memory of a training step and compares it to a limit."""

import dataclasses
import math
from typing import Any

import keras
import numpy as np

from keras_cakes._files import available_memory
from keras_cakes.cost.cakes_rules import layers_of_each_rank
from keras_cakes.cost.tracing import Call
from keras_cakes.cost.tracing import trace_batch
from keras_cakes.layers.cakes_conv3d import CakesConv3D
from keras_cakes.layers.cakes_search_conv3d import CakesSearchConv3D
from keras_cakes.layers.plans.device import is_on_cpu

# Layers whose gradients need their outputs, not their inputs.
_KEEPS_OUTPUTS = (
    keras.layers.Activation,
    keras.layers.Dropout,
    keras.layers.ELU,
    keras.layers.ReLU,
    keras.layers.Softmax,
)
# Layers whose gradients need no feature map.
_KEEPS_NOTHING = (
    keras.layers.Add,
    keras.layers.Average,
    keras.layers.Concatenate,
    keras.layers.Flatten,
    keras.layers.InputLayer,
    keras.layers.Permute,
    keras.layers.Reshape,
    keras.layers.Subtract,
    *layers_of_each_rank(
        "AveragePooling", "GlobalAveragePooling", "UpSampling", "ZeroPadding"
    ),
)
# The backward pass holds this many feature maps of the largest size, besides
# the kept ones: gradients of outputs and inputs, and the intermediate results
# of a normalization.
_IN_FLIGHT = 4
# Libraries copy weights and feature maps, and the allocator fragments:
# measured peaks were 1.2 to 1.7 times the sum of the rest (15 networks on a
# CPU, `benchmarks/search_speed.py`).
_OVERHEAD = 0.6
_GIB = 2**30


@dataclasses.dataclass(frozen=True)
class Memory:
    """Holds the estimated peak of a training step, in bytes.

    Args:
        weights: The weights, trained or not.
        gradients: One for each trained weight.
        optimizer: The optimizer's own variables.
        activations: Feature maps and full kernels that the forward pass
            keeps for the backward pass.
        working: Feature maps and gradients in use at the peak.
        overhead: Copies in libraries, and fragments in the allocator.
    """

    weights: int
    gradients: int
    optimizer: int
    activations: int
    working: int
    overhead: int

    @property
    def total(self) -> int:
        """Sums all parts, in bytes."""
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
    of convolutions, dense layers, normalizations and maximum poolings, and
    the outputs of activations, each tensor once. The estimate leaves out
    Python and TensorFlow themselves (about 0.5 GiB) and the data. Measured
    peaks differed from it by at most a third.

    Args:
        model: A Keras model or a `Supernet`. If it is compiled, the variables
            of its optimizer are counted too.
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
    calls = trace_batch(model, batch_shape, (CakesConv3D, CakesSearchConv3D))
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


def _kept(call: Call) -> tuple[Any, ...]:
    """Lists the tensors that the gradient of a call needs."""
    if isinstance(call.layer, _KEEPS_NOTHING):
        return ()
    if isinstance(call.layer, _KEEPS_OUTPUTS):
        return call.tensors_out
    activation = getattr(call.layer, "activation", None)
    if activation in (None, keras.activations.linear):
        return call.tensors_in
    return (*call.tensors_in, *call.tensors_out)


def _inside(call: Call) -> tuple[int, int]:
    """Counts the tensors that a layer of this package keeps inside.

    Returns:
        Bytes of the normalized feature maps, and of full kernels.
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
    """Returns the number of optimizer variables per trained variable."""
    if optimizer is None:
        return 0
    probe = type(optimizer).from_config(optimizer.get_config())
    shape = (64, 64)
    probe.build([keras.Variable(np.zeros(shape, "float32"))])
    held = sum(math.prod(v.shape) for v in probe.variables if len(v.shape))
    return held / math.prod(shape)


def free_memory() -> int | None:
    """Returns the free bytes of a CPU; `None` on an accelerator.

    TensorFlow does not tell the free memory of an accelerator.
    """
    return available_memory() if is_on_cpu() else None


def batch_shape_of(data: Any, batch_size: int | None = None) -> Any:
    """Finds the shape of the batches that `fit` makes of its data.

    Args:
        data: A `tf.data.Dataset`, an array or a structure of arrays.
        batch_size: As in `fit`.

    Returns:
        One shape, or a list of shapes for several inputs; `None` for
        generators and data of unknown size.
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


def check_capacity(
    memory: Memory, limit: float | None, name: str, batch_shape: Any
) -> str:
    """States the memory of a training step; refuses a step that does not fit.

    Args:
        memory: The estimate.
        limit: The largest number of bytes; `None` if it is not known.
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
            "need less; if the estimate is known to be too high, set "
            "`memory_limit` of the supernet to the bytes that it may take. "
            f"Received: batch_shape={batch_shape}"
        )
    return f"{stated}; {limit / 2**30:.2f} GiB are free."
