"""Passes in training mode that leave a supernet as it was."""

import contextlib
from collections.abc import Iterator
from collections.abc import Sequence
from typing import Any


@contextlib.contextmanager
def restored(states: Sequence[Any]) -> Iterator[None]:
    """Gives variables their values back at the end, whatever happens."""
    before = [state.numpy() for state in states]
    try:
        yield
    finally:
        for state, value in zip(states, before, strict=True):
            state.assign(value)
