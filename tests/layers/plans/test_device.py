import platform

import keras
import pytest

from keras_cakes.layers.plans import device as devices
from keras_cakes.layers.plans.device import AVX2
from keras_cakes.layers.plans.device import AVX512
from keras_cakes.layers.plans.device import GPU
from keras_cakes.layers.plans.device import present_device
from keras_cakes.layers.plans.device import processor


@pytest.mark.parametrize("phase", devices.PHASES)
def test_the_device_is_the_one_that_keras_has(monkeypatch, phase):
    flags = frozenset({"avx2"})
    monkeypatch.setattr(devices, "processor", lambda: ("name", flags))
    assert present_device(phase) == AVX2[phase]
    flags |= {"avx512f"}
    assert present_device(phase) == AVX512[phase]
    monkeypatch.setattr(devices, "is_on_cpu", lambda: False)
    assert present_device(phase) == GPU[phase]


def test_what_channels_cost_as_much_as():
    widths = [AVX2["inference"].width(n) for n in (1, 8, 9, 16, 24, 30)]
    assert widths == [12, 8, 20, 16, 24, 36]
    assert [AVX2["training"].width(n) for n in (1, 16, 18)] == [16, 16, 24]
    assert [AVX512["training"].width(n) for n in (1, 16, 18)] == [16, 16, 32]


@pytest.fixture
def anew():
    processor.cache_clear()
    yield
    processor.cache_clear()


def test_processor(monkeypatch, tmp_path, anew):
    file = tmp_path / "cpuinfo"
    file.write_text(
        "model name\t: Some CPU\nflags\t\t: sse avx2\n", encoding="utf-8"
    )
    monkeypatch.setattr(devices, "Path", lambda name: file)
    assert processor() == ("Some CPU", frozenset({"sse", "avx2"}))
    processor.cache_clear()
    file.unlink()
    name, flags = processor()
    assert name == (platform.processor() or platform.machine())
    assert not flags


@pytest.mark.tensorflow
def test_a_gpu_is_seen(monkeypatch):
    assert devices.is_on_cpu()
    monkeypatch.setattr(keras.distribution, "list_devices", lambda: ["gpu:0"])
    assert not devices.is_on_cpu()
