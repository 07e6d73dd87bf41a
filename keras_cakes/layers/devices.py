"""What the device is and what several convolutions cost on it."""

import functools
import platform
from pathlib import Path
from typing import NamedTuple

from keras_cakes.layers.channels import is_on_cpu

PHASES = ("inference", "training")


class Device(NamedTuple):
    """What several convolutions cost, in multiply-adds.

    Args:
        block: Output channels are computed in blocks of this size.
        least: Fewer output channels than this cost as much as these.
        broken: What a broken last block costs beyond a whole one, in output
            channels.
        read: Reading one input element once more.
        write: Putting one output element where it belongs.
        embed: Putting one weight into a larger or reordered kernel.
        launch: Starting one more convolution.
    """

    block: int
    least: int
    broken: int
    read: float
    write: float
    embed: float
    launch: float

    def width(self, filters: int) -> int:
        """The output channels that `filters` cost as much as."""
        whole = -(-filters // self.block) * self.block
        return max(self.least, whole + self.broken * (filters % self.block > 0))


# Fitted with oneDNN on two cores to the time of some 400 plans of layers of
# 32 to 512 channels. Without masked vectors (AVX2) 9 filters take longer than
# 16 in the forward pass.
AVX2 = {
    "inference": Device(8, 8, 4, read=7, write=80, embed=115, launch=1.3e7),
    "training": Device(8, 16, 0, read=20, write=150, embed=77, launch=2.5e7),
}
# Those of an earlier fit, which agree with what was seen on such a processor.
AVX512 = {
    "inference": Device(16, 16, 0, read=45, write=150, embed=50, launch=5e6),
    "training": Device(16, 16, 0, read=110, write=150, embed=50, launch=5e6),
}
# A guess on the safe side.
GPU = {
    phase: Device(32, 32, 0, read=300, write=300, embed=100, launch=5e8)
    for phase in PHASES
}


def present_device(phase: str) -> Device:
    """The constants of the device that Keras runs on."""
    if not is_on_cpu():
        return GPU[phase]
    masks = "avx512f" in processor()[1]
    return (AVX512 if masks else AVX2)[phase]


@functools.cache
def processor() -> tuple[str, frozenset[str]]:
    """The processor's name, or that of its architecture, and its features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    pairs = (line.partition(":") for line in lines)
    values = {name.strip(): value.strip() for name, _, value in pairs}
    name = values.get("model name", platform.machine())
    return name, frozenset(values.get("flags", "").split())
