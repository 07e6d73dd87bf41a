"""Whether a training step fits into the memory that is free."""

from pathlib import Path
from typing import Any

import keras
import psutil

from keras_cakes.cost.memory import Memory
from keras_cakes.layers.devices import is_on_cpu

_GROUPS = Path("/sys/fs/cgroup")


def free_memory() -> int | None:
    """Bytes that a training step may take; `None` if they are not known.

    On a CPU the machine's available memory, or what the limit of a container
    leaves of it. TensorFlow does not tell an accelerator's.
    """
    if not is_on_cpu():
        return None
    free = int(psutil.virtual_memory().available)
    try:
        limit = (_GROUPS / "memory.max").read_text(encoding="ascii").strip()
        used = (_GROUPS / "memory.current").read_text(encoding="ascii")
    except OSError:
        return free
    return free if limit == "max" else min(free, int(limit) - int(used))


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
