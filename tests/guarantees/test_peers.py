"""Networks of other packages, unchanged, through the whole mechanism."""

import warnings

import keras
import numpy as np
import pytest

import keras_cakes as kc


@pytest.fixture
def build(monkeypatch):
    # What these packages do at import is theirs.
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        monkeypatch.setenv("SM_FRAMEWORK", "tf.keras")
        import segmentation_models_3D
        from classification_models_3D.kkeras import Classifiers

        def resnet18():
            make, _ = Classifiers.get("resnet18")
            return make(input_shape=(32, 32, 32, 1), classes=3, weights=None)

        def unet():
            return segmentation_models_3D.Unet(
                "resnet18",
                input_shape=(32, 32, 32, 1),
                encoder_weights=None,
                classes=3,
                decoder_filters=(16, 8, 8, 4, 4),
            )

        yield {"resnet18": resnet18, "unet": unet}


@pytest.mark.filterwarnings("default")
@pytest.mark.parametrize("name", ["resnet18", "unet"])
def test_search_derive_replace_save_load(build, name, tmp_path):
    model = build[name]()
    image = np.random.default_rng(0).normal(size=(2, 32, 32, 32, 1))
    target = np.zeros((2, *model.output_shape[1:]), "float32")
    for priority in ("performance", "cost"):
        supernet = kc.to_supernet(
            model, kernel_set="video_1d2d3d", priority=priority
        )
        supernet.compile("sgd", "mse")
        logs = supernet.train_on_batch(image, target, return_dict=True)
        assert np.isfinite(float(logs["loss"]))
        configuration = kc.derive(supernet)
        assert len(configuration) >= 15
        network = kc.replace(model, configuration)
        cost = kc.count_cost(network)
        assert cost.macs < kc.count_cost(model).macs
        assert float(logs["expected_macs"]) > 0
        np.testing.assert_allclose(
            kc.fold(network).predict(image, verbose=0),
            network.predict(image, verbose=0),
            rtol=1e-4,
            atol=1e-4,
        )
        network.save(tmp_path / "network.keras")
        loaded = keras.saving.load_model(tmp_path / "network.keras")
        np.testing.assert_array_equal(
            loaded.predict(image, verbose=0), network.predict(image, verbose=0)
        )
