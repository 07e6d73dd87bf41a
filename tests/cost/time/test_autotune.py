import json

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.layers.plans.plan import Plan


def _model():
    image = keras.Input((5, 6, 7, 2))
    arguments = {"padding": "same", "sub_kernels": "video_1d2d3d"}
    x = kc.CakesConv3D(6, 3, name="first", **arguments)(image)
    x = kc.CakesConv3D(6, 3, name="second", **arguments)(x)
    x = kc.CakesConv3D(6, 3, name="third", **arguments)(x)
    return keras.Model(image, x)


def test_plans_are_measured_once_and_kept(tmp_path, capsys):
    model = _model()
    model.compile("sgd", "mse")
    inputs = np.random.default_rng(0).normal(size=(2, 5, 6, 7, 2))
    before = model.predict(inputs, verbose=0)
    weights = model.get_weights()
    file = tmp_path / "plans.json"
    chosen = kc.autotune(model, (2, 5, 6, 7, 2), file=file, repeats=2)
    assert "4/4" in capsys.readouterr().out
    assert set(chosen) == {"first", "second", "third"}
    # The second and the third layer are of one shape.
    assert chosen["second"] == chosen["third"]
    assert model.predict_function is None
    for name, phases in chosen.items():
        layer = model.get_layer(name)
        assert layer.plan == {p: v["plan"] for p, v in phases.items()}
        for phase, value in phases.items():
            assert 0 < value["ms"]
            assert layer.plans[phase] == Plan.from_config(
                value["plan"], layer.channel_counts
            )
    for one, other in zip(weights, model.get_weights(), strict=True):
        np.testing.assert_array_equal(one, other)
    np.testing.assert_allclose(
        model.predict(inputs, verbose=0), before, atol=1e-5
    )
    (device,) = json.loads(file.read_text())["devices"].values()
    assert len(device) == 4

    again = _model()
    text = file.read_text()
    known = kc.autotune(again, (2, 5, 6, 7, 2), file=file, verbose=False)
    assert known == chosen
    assert file.read_text() == text
    again.save(tmp_path / "model.keras")
    loaded = keras.saving.load_model(tmp_path / "model.keras")
    for name in chosen:
        assert loaded.get_layer(name).plan == again.get_layer(name).plan


def test_one_phase_leaves_the_other_as_it_is():
    model = _model()
    model.get_layer("first").plan = {"inference": None, "training": "dense"}
    kc.autotune(
        model,
        (1, 5, 6, 7, 2),
        phases=["inference"],
        repeats=1,
        verbose=False,
    )
    assert model.get_layer("first").plan["training"] == "dense"
    assert model.get_layer("second").plan["training"] is None


def test_models_and_files_without_plans_are_refused(tmp_path):
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    with pytest.raises(ValueError, match="to have `CakesConv3D` layers"):
        kc.autotune(model, (1, 8, 8, 8, 1))
    file = tmp_path / "other.json"
    file.write_text('{"format": "keras_cakes.latency", "version": 1}')
    with pytest.raises(ValueError, match="other.json: expected.*cakes.plans"):
        kc.autotune(_model(), (1, 5, 6, 7, 2), file=file)
    assert "latency" in file.read_text()
