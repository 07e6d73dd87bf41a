import subprocess
import sys

import keras
import numpy as np
import pytest

import keras_cakes as kc

LOAD = """
import sys
from pathlib import Path
import numpy as np
import keras
import keras_cakes

folder = Path(sys.argv[1])
clip = np.load(folder / "clip.npy")
for file in sorted(folder.glob("*.keras")):
    model = keras.saving.load_model(file)
    logits = np.load(file.with_suffix(".npy"))
    # Logits of untrained networks are in the hundreds, and another process
    # may add up in another order.
    atol = 1e-6 * np.abs(logits).max()
    np.testing.assert_allclose(model(clip), logits, rtol=1e-6, atol=atol)
    print(file.stem)
"""


def test_standard_resnet_in_two_dimensions():
    with keras.StatelessScope(initialize_variables=False):
        model = kc.models.resnet50_video(classes=1000, convolution="2d")
        cost = kc.count_cost(model)
    assert cost.params == 25_557_032
    # Sixteen mixed layers cost the same, tap for tap.
    mixed = [r.macs for r in cost.per_layer if r.name.endswith("_mixed")]
    assert mixed == [9 * 102_760_448] * 16


def test_presets_run_and_load_in_a_fresh_process(tmp_path):
    presets = kc.Configuration.presets()
    assert len(presets) == 6
    clip = np.random.default_rng(0).normal(size=(1, 8, 112, 112, 3))
    np.save(tmp_path / "clip.npy", clip)
    for preset in presets:
        configuration = kc.Configuration.preset(preset)
        assert sum(configuration.counts.values()) == 3776
        model = kc.models.resnet50_video(
            (8, 112, 112, 3), convolution=configuration
        )
        logits = model(clip)
        assert logits.shape == (1, 174)
        assert np.isfinite(logits).all()
        model.save(tmp_path / f"{preset}.keras")
        np.save(tmp_path / f"{preset}.npy", logits)
    result = subprocess.run(
        [sys.executable, "-c", LOAD, str(tmp_path)],
        capture_output=True,
        text=True,
    )
    assert tuple(result.stdout.split()) == presets, result.stderr[-2000:]


def test_frames_have_logits_of_their_own():
    model = kc.models.resnet50_video((None, 32, 32, 3), 5, convolution="2d")
    clip = np.random.default_rng(0).normal(size=(1, 3, 32, 32, 3))
    whole = model(clip)
    frames = [model(clip[:, i : i + 1]) for i in range(3)]
    np.testing.assert_allclose(whole, np.mean(frames, axis=0), atol=1e-6)


def test_no_preset_of_that_name():
    with pytest.raises(ValueError, match="one of.*1d2d3d_cost.*'mine'"):
        kc.Configuration.preset("mine")
