"""Small files that are whole or not there."""

import contextlib
import os
from collections.abc import Iterator


def write_text(path: "str | os.PathLike[str]", text: str) -> None:
    """Writes a text file; a reader finds the old one or the new one."""
    temporary = f"{os.fspath(path)}.{os.getpid()}.tmp"
    try:
        with open(temporary, "w", encoding="utf-8") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        os.replace(temporary, path)
    finally:
        if os.path.exists(temporary):
            os.remove(temporary)


def read_text(path: "str | os.PathLike[str]", most_bytes: int) -> str:
    """Reads a text file of limited size.

    Raises:
        ValueError: If the file is larger or no UTF-8.
    """
    with open(path, "rb") as file:
        content = file.read(most_bytes + 1)
    if len(content) > most_bytes:
        raise ValueError(
            f"The file is expected to be at most {most_bytes} bytes. "
            "Received: a larger file"
        )
    return content.decode("utf-8")


@contextlib.contextmanager
def locked(path: "str | os.PathLike[str]") -> Iterator[None]:
    """Keeps other processes out; a killed one leaves no lock behind.

    Args:
        path: The file that is locked; it is made, and stays.

    Raises:
        BlockingIOError: If another process holds the lock.
    """
    import fcntl

    with open(path, "w", encoding="utf-8") as file:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        yield
