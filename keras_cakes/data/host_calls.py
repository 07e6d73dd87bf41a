"""Runs Python functions inside `tf.data` graphs.

They stop before the interpreter exits.
"""

import atexit
import functools
import threading
import time
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any

# Seconds that a thread needs from the gate to Python on a busy machine.
_PAUSE = 0.2


def host_call(
    function: Callable[..., Any], inputs: Sequence[Any], specs: Sequence[Any]
) -> list[Any]:
    """Calls a Python function of arrays from a graph.

    Unlike `tf.numpy_function`, no call begins once the interpreter exits:
    after that point a thread that needs Python's lock never returns, and a
    live iterator would hang on it.

    Args:
        function: Takes arrays and returns one or several.
        inputs: Tensors that are passed to it.
        specs: `tf.TensorSpec` of each result.

    Returns:
        The results, of the shapes of `specs`; zeros at the exit, where nobody
        reads them.
    """
    import tensorflow as tf

    with tf.init_scope():
        gate = _gate()

    def call():
        results = tf.numpy_function(
            gate.counted(function), inputs, [spec.dtype for spec in specs]
        )
        # Outside a graph, a single result is no list.
        results = tf.nest.flatten(results)
        for result, spec in zip(results, specs, strict=True):
            result.set_shape(spec.shape)
        return results

    def nothing():
        return [
            tf.zeros([size or 0 for size in spec.shape], spec.dtype)
            for spec in specs
        ]

    return tf.cond(gate.closed(), nothing, call)


class _Gate:
    """Tells graphs whether Python may still be called."""

    def __init__(self):
        import tensorflow as tf

        # A variable would belong to the current strategy; a queue does not.
        with tf.device("CPU"):
            self._queue = tf.queue.FIFOQueue(1, [tf.bool])
        self._lock = threading.Lock()
        self._running = 0
        atexit.register(self.close)

    def closed(self) -> Any:
        """Returns a tensor: whether the gate is closed."""
        return self._queue.is_closed()

    def counted(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """Wraps a function so that `close` waits for its running calls."""

        @functools.wraps(function)
        def run(*arrays):
            self._count(1)
            try:
                return function(*arrays)
            finally:
                self._count(-1)

        return run

    def close(self) -> None:
        """Lets no call begin, and waits for running calls."""
        self._queue.close()
        end = time.monotonic() + _PAUSE
        while self._running or time.monotonic() < end:
            time.sleep(0.01)

    def _count(self, change: int) -> None:
        with self._lock:
            self._running += change


@functools.cache
def _gate() -> _Gate:
    return _Gate()
