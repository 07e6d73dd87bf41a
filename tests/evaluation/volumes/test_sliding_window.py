import itertools
import tracemalloc

import keras
import numpy as np
import pytest

from keras_cakes import evaluation
from tests.evaluation.networks import Constant
from tests.evaluation.networks import lopsided
from tests.evaluation.networks import placed
from tests.evaluation.networks import pointwise


@pytest.mark.parametrize(
    "shape", [(9, 11, 7), (4, 4, 4), (3, 12, 5), (1, 1, 1), (8, 4, 6)]
)
@pytest.mark.parametrize("overlap", [0.0, 0.5, 0.75])
@pytest.mark.parametrize("batch_size", [1, 3])
def test_pointwise_network_gives_the_direct_pass(shape, overlap, batch_size):
    model = pointwise()
    image = np.random.default_rng(0).normal(size=(*shape, 1))
    labels = evaluation.predict_volume(
        model,
        image,
        patch_shape=(4, 4, 4),
        overlap=overlap,
        batch_size=batch_size,
    )
    direct = np.array(model(image[None]))[0].argmax(-1)
    assert labels.dtype == np.uint8
    np.testing.assert_array_equal(labels, direct)


def test_one_window_is_the_direct_pass():
    image = keras.Input((6, 6, 6, 2))
    x = keras.layers.Conv3D(3, 3, padding="same")(image)
    model = keras.Model(image, x)
    volume = np.random.default_rng(0).normal(size=(6, 6, 6, 2))
    np.testing.assert_array_equal(
        evaluation.predict_volume(model, volume, patch_shape=(6, 6, 6)),
        np.array(model(volume[None]))[0].argmax(-1),
    )


def test_small_volumes_are_centred_as_in_training():
    # A network that labels by place: 1 in the first half of the window.
    place = np.zeros((8, 4, 4, 2))
    place[:4, ..., 1] = 1.0
    place[4:, ..., 0] = 1.0
    image = np.ones((4, 4, 4, 1))
    labels = evaluation.predict_volume(
        placed(place), image, patch_shape=(8, 4, 4)
    )
    np.testing.assert_array_equal(labels[:, 0, 0], [1, 1, 0, 0])


def test_probabilities_of_overlapping_windows_are_averaged():
    # Logits of class 1 by place in the window: weak but twice, strong once.
    place = np.zeros((4, 1, 1, 2))
    place[:, 0, 0, 1] = [9.0, -1.0, 0.5, -9.0]
    model, image = placed(place), np.ones((6, 1, 1, 1))
    labels = evaluation.predict_volume(model, image, patch_shape=(4, 1, 1))
    share = 1.0 / (1.0 + np.exp(-place[:, 0, 0, 1]))
    mean = [*share[:2], *(share[:2] + share[2:]) / 2, *share[2:]]
    np.testing.assert_array_equal(labels[:, 0, 0], np.array(mean) > 0.5)
    probabilities = evaluation.predict_probabilities(
        model, image, patch_shape=(4, 1, 1)
    )
    np.testing.assert_allclose(probabilities[:, 0, 0, 1], mean, rtol=1e-6)


def _softmax(logits):
    exponents = np.exp(logits - logits.max(-1, keepdims=True))
    return exponents / exponents.sum(-1, keepdims=True)


def _reference(models, image, window, stride, gaussian, flip):
    """The definition, in float64, voxel by voxel of every window."""
    padding = [max(w - n, 0) for w, n in zip(window, image.shape, strict=False)]
    image = np.pad(
        image, [*((p // 2, p - p // 2) for p in padding), (0, 0)]
    ).astype("float64")
    weights = np.ones(window)
    for place in np.ndindex(*window) if gaussian else ():
        away = [
            (p - (w - 1) / 2) / (w / 8)
            for p, w in zip(place, window, strict=True)
        ]
        weights[place] = max(np.exp(-0.5 * np.dot(away, away)), 1e-3)
    starts = [
        sorted({min(s, n - w) for s in range(0, n, step) if s < n - w + step})
        for n, w, step in zip(image.shape, window, stride, strict=False)
    ]
    total, weight = 0.0, np.zeros(image.shape[:3])
    for start in itertools.product(*starts):
        place = tuple(
            slice(s, s + w) for s, w in zip(start, window, strict=True)
        )
        weight[place] += weights
        for model in models:
            for turns in itertools.product((False, True), repeat=len(flip)):
                axes = tuple(np.array(flip, int)[list(turns)])
                batch = np.flip(image[place], axes)[None]
                answer = _softmax(np.array(model(batch), "float64")[0])
                one = np.zeros((*image.shape[:3], answer.shape[-1]))
                one[place] = np.flip(answer, axes) * weights[..., None]
                total = total + one / len(models) / 2 ** len(flip)
    mean = total / weight[..., None]
    return mean[
        tuple(
            slice(p // 2, n - (p - p // 2))
            for p, n in zip(padding, mean.shape, strict=False)
        )
    ]


@pytest.mark.parametrize("online", [False, True])
@pytest.mark.parametrize("batch_size", [1, 3])
@pytest.mark.parametrize(
    "shape, stride, weighting, flip, networks",
    [
        ((9, 7, 6), (2, 3, 2), "gaussian", (), 1),
        ((9, 7, 6), (4, 1, 3), "constant", (1,), 1),
        ((7, 4, 9), (1, 4, 5), "gaussian", (0, 2), 1),
        ((3, 6, 5), (3, 3, 3), "gaussian", (0, 1, 2), 2),
        ((12, 4, 5), (4, 4, 5), "constant", (), 3),
        ((2, 3, 1), (1, 1, 1), "gaussian", (2,), 1),
    ],
)
def test_the_definition(
    shape, stride, weighting, flip, networks, batch_size, online
):
    window = (4, 4, 5)
    models = [lopsided(window, channels=2) for _ in range(networks)]
    image = np.random.default_rng(3).normal(size=(*shape, 2))
    arguments = {
        "batch_size": batch_size,
        "weighting": weighting,
        "stride": stride,
        "flip": flip,
        "online": online,
    }
    model = models if networks > 1 else models[0]
    found = evaluation.predict_probabilities(
        model, image, patch_shape=window, **arguments
    )
    expected = _reference(
        models, image, window, stride, weighting == "gaussian", flip
    )
    assert found.dtype == np.float32
    np.testing.assert_allclose(found, expected, atol=1e-6)
    labels = evaluation.predict_volume(
        model, image, patch_shape=window, **arguments
    )
    assert labels.dtype == np.uint8
    first, second = np.sort(expected, axis=-1)[..., :-3:-1].transpose(
        3, 0, 1, 2
    )
    clear = first - second > 1e-5
    assert clear.mean() > 0.99
    np.testing.assert_array_equal(labels[clear], expected.argmax(-1)[clear])


def test_stride_replaces_overlap():
    model, image = lopsided((4, 4, 4)), np.ones((9, 9, 9, 1))
    np.testing.assert_array_equal(
        evaluation.predict_probabilities(
            model, image, patch_shape=(4, 4, 4), overlap=0.75
        ),
        evaluation.predict_probabilities(
            model, image, patch_shape=(4, 4, 4), stride=1
        ),
    )


@pytest.mark.parametrize("eager", [True, False])
def test_networks_that_are_not_compiled_answer_the_same(eager):
    window = (4, 4, 4)
    model = lopsided(window)
    image = np.random.default_rng(0).normal(size=(7, 5, 6, 1))
    arguments = {"flip": (0, 2), "weighting": "gaussian", "batch_size": 4}
    compiled = evaluation.predict_probabilities(
        model, image, patch_shape=window, **arguments
    )
    if eager:
        model.compile(run_eagerly=True)
        other = model
    else:

        class Other:
            predict_on_batch = model.predict_on_batch

        other = Other()
    found = evaluation.predict_probabilities(
        other, image, patch_shape=window, **arguments
    )
    np.testing.assert_allclose(found, compiled, atol=1e-6)
    both = evaluation.predict_probabilities(
        [model, other], image, patch_shape=window, **arguments
    )
    np.testing.assert_allclose(both, compiled, atol=1e-6)


def test_half_precision_is_summed_in_full():
    image = keras.Input((4, 4, 4, 1), dtype="float32")
    x = keras.layers.Conv3D(3, 3, padding="same", dtype="mixed_bfloat16")(image)
    model = keras.Model(image, x)
    volume = np.random.default_rng(0).normal(size=(4, 4, 4, 1))
    found = evaluation.predict_probabilities(
        model, volume, patch_shape=(4, 4, 4)
    )
    logits = np.array(keras.ops.cast(model(volume[None])[0], "float32"))
    np.testing.assert_allclose(found, _softmax(logits), atol=1e-6)


def test_progress(capsys):
    image = np.ones((9, 4, 4, 1))
    evaluation.predict_volume(
        Constant(), image, patch_shape=(4, 4, 4), progress=True
    )
    assert "4/4" in capsys.readouterr().out
    evaluation.predict_volume(Constant(), image, patch_shape=(4, 4, 4))
    assert not capsys.readouterr().out


def test_images_and_windows_that_do_not_fit_are_refused():
    image = np.zeros((4, 4, 4, 1))
    with pytest.raises(ValueError, match="`image` is expected"):
        evaluation.predict_volume(
            None, np.zeros((4, 4, 4)), patch_shape=(4, 4, 4)
        )
    with pytest.raises(ValueError, match="`overlap` is expected.*1.0"):
        evaluation.predict_volume(
            None, image, patch_shape=(4,) * 3, overlap=1.0
        )
    for patch in ((4, 4), (4, 4, 0)):
        with pytest.raises(ValueError, match="`patch_shape` is expected"):
            evaluation.predict_volume(None, image, patch_shape=patch)
    with pytest.raises(ValueError, match="`batch_size` is expected"):
        evaluation.predict_volume(
            None, image, patch_shape=(4, 4, 4), batch_size=0
        )
    with pytest.raises(ValueError, match="`image` is expected to be finite"):
        evaluation.predict_volume(None, image * np.nan, patch_shape=(4, 4, 4))
    with pytest.raises(ValueError, match="list of at least one. Received: .*"):
        evaluation.predict_probabilities([], image, patch_shape=(4, 4, 4))


def test_a_network_that_diverged_is_not_background():
    model = pointwise()
    model.layers[-1].bias.assign([np.nan] * 3)
    with pytest.raises(ValueError, match="finite logits. Received: NaN"):
        evaluation.predict_volume(
            model, np.zeros((4, 4, 4, 1)), patch_shape=(4, 4, 4)
        )


def test_memory_is_bounded_by_the_volume_not_by_the_windows():
    image, model = np.zeros((40, 40, 40, 1), np.float32), Constant()
    tracemalloc.start()
    evaluation.predict_volume(model, image, patch_shape=(8, 8, 8), overlap=0.75)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert model.windows == 17**3
    # All windows at once would take 8 bytes * 8**3 * 17**3, 20 MB.
    assert peak < 10 * image.nbytes


def _peak(depth, classes, online):
    image, model = np.zeros((depth, 16, 16, 1), np.float32), Constant(classes)
    tracemalloc.start()
    evaluation.predict_volume(
        model, image, patch_shape=(8, 8, 8), online=online
    )
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    return peak - image.nbytes


def test_online_memory_does_not_grow_with_depth_times_classes():
    more = 128 * 16 * 16
    # Less than three bytes a voxel, for the labels and the check of the image;
    # the sums of all have about four a voxel and class.
    assert _peak(192, 20, True) - _peak(64, 20, True) < 3 * more
    assert _peak(192, 20, False) - _peak(64, 20, False) > 3.8 * 20 * more
