"""Whether a training step fits into the memory that is free."""

import math
import numbers
from typing import Any

import keras

from keras_cakes.cost.memory import Memory
from keras_cakes.layers.devices import is_on_cpu
from keras_cakes.machine import available_memory


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
