"""Holds the costs of several convolutions on the present device."""

import functools
import platform
from pathlib import Path
from typing import NamedTuple

import keras

PHASES = ("inference", "training")


class Device(NamedTuple):
    """Holds the costs of several convolutions, in multiply-adds.

    Args:
        block: Number of output channels that are computed together.
        least: Fewer output channels than this cost as much as this number.
        read: Cost of reading the input, in output channels.
        write: Cost of putting one output element in its place.
        embed: Cost of putting one weight into a larger or reordered kernel.
        launch: Cost of one more convolution; putting a sub-kernel into a
            larger kernel takes a fifth of it.
        broken: Extra cost of a last block that is not full, in output
            channels.
        load: Cost of bringing one weight into the order of a convolution.
        load_broken: As `load`, where the last block is not full.
    """

    block: int
    least: int
    read: float
    write: float
    embed: float
    launch: float
    broken: int = 0
    load: float = 0
    load_broken: float = 0

    def width(self, filters: int) -> int:
        """Returns the number of channels that is paid for `filters`."""
        whole = -(-filters // self.block) * self.block
        return max(self.least, whole + self.broken * self._is_broken(filters))

    def loading(self, filters: int) -> float:
        """Returns the cost of loading a weight of a kernel of `filters`."""
        return self.load_broken if self._is_broken(filters) else self.load

    def _is_broken(self, filters: int) -> bool:
        return filters % self.block > 0


# Fitted with oneDNN on two cores, to the time of 400 (AVX2) and 4800 (AVX-512)
# plans of layers of 16 to 512 channels. Without masked vectors (AVX2) 9
# filters take longer than 16 in the forward pass.
AVX2 = {
    "inference": Device(
        block=8, least=8, broken=4, read=1, write=80, embed=115, launch=1.3e7
    ),
    "training": Device(
        block=8, least=16, read=2, write=150, embed=77, launch=2.5e7
    ),
}
AVX512 = {
    "inference": Device(
        block=16,
        least=16,
        read=7,
        write=125,
        embed=100,
        launch=4.5e7,
        load=150,
        load_broken=280,
    ),
    "training": Device(
        block=16,
        least=16,
        read=3,
        write=135,
        embed=80,
        launch=3e7,
        load=170,
        load_broken=170,
    ),
}
# A guess on the safe side.
_GPU = Device(block=32, least=32, read=32, write=300, embed=100, launch=5e8)
GPU = dict.fromkeys(PHASES, _GPU)


def present_device(phase: str) -> Device:
    """Returns the constants of the device that Keras runs on."""
    if not is_on_cpu():
        return GPU[phase]
    masks = "avx512f" in processor()[1]
    return (AVX512 if masks else AVX2)[phase]


def is_on_cpu() -> bool:
    """Tells whether Keras has no device but the CPU."""
    if keras.backend.backend() == "torch":
        # Keras lists no devices of PyTorch.
        import torch

        return not (
            torch.cuda.is_available() or torch.backends.mps.is_available()
        )
    # All kinds are listed: JAX raises when asked for a kind that is absent.
    devices = keras.distribution.list_devices()
    return all(device.startswith("cpu") for device in devices)


@functools.cache
def processor() -> tuple[str, frozenset[str]]:
    """Reads the name of the processor or architecture, and its features."""
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor() or platform.machine(), frozenset()
    pairs = (line.partition(":") for line in lines)
    values = {name.strip(): value.strip() for name, _, value in pairs}
    name = values.get("model name", platform.machine())
    return name, frozenset(values.get("flags", "").split())
