"""How frames are stored in a pack."""

import dataclasses

import numpy as np

_ENCODINGS = ("jpeg", "png")


@dataclasses.dataclass(frozen=True)
class Encoding:
    """How frames are stored.

    Args:
        short_side: Pixels of the shorter side of larger frames; `None` keeps
            all as they are.
        encoding: `"jpeg"` or `"png"`.
        quality: Of JPEG, 1 to 100.

    Raises:
        ValueError: If an argument is not as stated.
    """

    short_side: int | None
    encoding: str
    quality: int

    def __post_init__(self) -> None:
        if self.encoding not in _ENCODINGS:
            raise ValueError(
                f"`encoding` is expected to be one of {_ENCODINGS}. "
                f"Received: encoding={self.encoding!r}"
            )
        if not 1 <= self.quality <= 100:
            raise ValueError(
                "`quality` is expected to be from 1 to 100. "
                f"Received: quality={self.quality}"
            )
        if self.short_side is not None and self.short_side < 1:
            raise ValueError(
                "`short_side` is expected to be at least 1, or None. "
                f"Received: short_side={self.short_side}"
            )

    def size(self, height: int, width: int) -> tuple[int, int]:
        """Height and width of a frame when it is stored."""
        short = min(height, width)
        if self.short_side is None or short <= self.short_side:
            return height, width
        # Half a pixel is rounded up.
        return (
            (2 * height * self.short_side + short) // (2 * short),
            (2 * width * self.short_side + short) // (2 * short),
        )

    def encode(self, frame: np.ndarray) -> bytes:
        """Makes a JPEG or PNG file of a frame."""
        import tensorflow as tf

        with tf.device("CPU"):
            size = self.size(*frame.shape[:2])
            if size != frame.shape[:2]:
                resized = tf.image.resize(frame[None], size, method="area")[0]
                frame = tf.cast(tf.round(resized), tf.uint8)
            if self.encoding == "png":
                # More effort takes many times as long for little.
                return tf.io.encode_png(frame, compression=1).numpy()
            return tf.io.encode_jpeg(frame, quality=self.quality).numpy()
