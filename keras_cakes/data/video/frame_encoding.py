"""How frames are stored in a pack."""

import dataclasses

import numpy as np

from keras_cakes._errors import choose
from keras_cakes._errors import whole

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
        choose("encoding", self.encoding, _ENCODINGS)
        whole("quality", self.quality, least=1, most=100)
        if self.short_side is not None:
            whole("short_side", self.short_side, least=1)

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
