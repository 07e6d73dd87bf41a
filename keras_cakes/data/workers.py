"""Runs work in several threads."""

import concurrent.futures
import os
from collections.abc import Callable
from collections.abc import Sequence
from typing import Any
from typing import TypeVar

import keras

from keras_cakes._errors import whole

Item = TypeVar("Item")


def count_workers(workers: int | None) -> int:
    """Returns `workers`, by default one for each core, four at most."""
    if workers is None:
        return min(os.cpu_count() or 1, 4)
    return whole("workers", workers, least=1)


def for_each(
    items: Sequence[Item],
    function: Callable[[Item], Any],
    *,
    workers: int,
    verbose: bool,
) -> None:
    """Calls a function for every item, in threads, and shows the progress.

    Threads will do for work outside the interpreter's lock, such as decoding
    and interpolation. The first error is raised, and no further call begins.
    """
    progress = keras.utils.Progbar(len(items), verbose=int(verbose))
    with concurrent.futures.ThreadPoolExecutor(workers) as pool:
        running = [pool.submit(function, item) for item in items]
        try:
            for number, future in enumerate(
                concurrent.futures.as_completed(running), start=1
            ):
                future.result()
                progress.update(number)
        except BaseException:
            pool.shutdown(cancel_futures=True)
            raise
