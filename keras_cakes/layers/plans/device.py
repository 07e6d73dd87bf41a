"""What the device is and what several convolutions cost on it."""

import functools
import platform
from pathlib import Path
from typing import NamedTuple

import keras

PHASES = ("inference", "training")


class Device(NamedTuple):
    """What several convolutions cost, in multiply-adds.

    Args:
        block: Output channels are computed in blocks of this size.
        least: Fewer output channels than this cost as much as these.
        broken: What a broken last block costs beyond a whole one, in output
            channels.
        read: What reading its input adds to a convolution, in output channels.
        write: Putting one output element where it belongs.
        embed: Putting one weight into a larger or reordered kernel.
        load: Bringing one weight into the order that a convolution reads.
        load_broken: The same where the last block is broken.
        launch: Starting one more convolution; putting a sub-kernel into a
            larger kernel takes a fifth of that.
    """

    block: int
    least: int
    broken: int
    read: float
    write: float
    embed: float
    load: float
    load_broken: float
    launch: float

    def width(self, filters: int) -> int:
        """The output channels that `filters` cost as much as."""
        whole = -(-filters // self.block) * self.block
        return max(self.least, whole + self.broken * self._is_broken(filters))

    def loading(self, filters: int) -> float:
        """What it costs to load a weight of a kernel with so many filters."""
        return self.load_broken if self._is_broken(filters) else self.load

    def _is_broken(self, filters: int) -> bool:
        return filters % self.block > 0


# All fitted with oneDNN on two cores, to the time of 400 (AVX2) and 4800
# (AVX-512) plans of layers of 16 to 512 channels. Without masked vectors
# (AVX2) 9 filters take longer than 16 in the forward pass.
AVX2 = {
    "inference": Device(
        block=8,
        least=8,
        broken=4,
        read=1,
        write=80,
        embed=115,
        load=0,
        load_broken=0,
        launch=1.3e7,
    ),
    "training": Device(
        block=8,
        least=16,
        broken=0,
        read=2,
        write=150,
        embed=77,
        load=0,
        load_broken=0,
        launch=2.5e7,
    ),
}
AVX512 = {
    "inference": Device(
        block=16,
        least=16,
        broken=0,
        read=7,
        write=125,
        embed=100,
        load=150,
        load_broken=280,
        launch=4.5e7,
    ),
    "training": Device(
        block=16,
        least=16,
        broken=0,
        read=3,
        write=135,
        embed=80,
        load=170,
        load_broken=170,
        launch=3e7,
    ),
}
# A guess on the safe side.
GPU = {
    phase: Device(
        block=32,
        least=32,
        broken=0,
        read=32,
        write=300,
        embed=100,
        load=0,
        load_broken=0,
        launch=5e8,
    )
    for phase in PHASES
}


def present_device(phase: str) -> Device:
    """The constants of the device that Keras runs on."""
    if not is_on_cpu():
        return GPU[phase]
    masks = "avx512f" in processor()[1]
    return (AVX512 if masks else AVX2)[phase]


def is_on_cpu() -> bool:
    """Whether Keras has no other device to run on."""
    if keras.backend.backend() == "torch":
        # Keras lists no devices of PyTorch.
        import torch

        return not (
            torch.cuda.is_available() or torch.backends.mps.is_available()
        )
    # Named one by one: JAX refuses to look for a kind that is not there.
    devices = keras.distribution.list_devices()
    return all(device.startswith("cpu") for device in devices)


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
