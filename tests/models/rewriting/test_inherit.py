import keras
import numpy as np
import pytest

import keras_cakes as kc

SHAPE = (8, 8, 8, 2)


def _model(normalization="batch", use_bias=False, groups=1):
    image = keras.Input(SHAPE, name="scan")
    x = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(
        6,
        3,
        padding="same",
        use_bias=use_bias,
        groups=groups,
        bias_initializer="random_normal",
        name="middle",
    )(x)
    if normalization == "batch":
        x = keras.layers.BatchNormalization(name="norm")(x)
    elif normalization == "instance":
        x = keras.layers.GroupNormalization(-1, name="norm")(x)
    x = keras.layers.ReLU(name="relu")(x)
    outputs = keras.layers.Conv3D(3, 1, name="head")(x)
    model = keras.Model({"scan": image}, {"label": outputs}, name="mine")
    for variable in model.weights:
        if "moving_variance" not in variable.path:
            variable.assign(keras.random.normal(variable.shape))
    return model


def _scans():
    return np.random.default_rng(0).normal(size=(2, *SHAPE)).astype("float32")


def _mixed(model):
    return kc.uniform_configuration(model, ["3x3x3", "1x3x3", "3x1x1"])


@pytest.mark.parametrize("groups", [1, 2])
@pytest.mark.parametrize("use_bias", [False, True])
@pytest.mark.parametrize("normalization", ["batch", "instance", None])
def test_full_kernels_compute_what_the_model_does(
    normalization, use_bias, groups
):
    model = _model(normalization, use_bias, groups)
    full = kc.Configuration({"middle": {"3x3x3": 6}})
    network = kc.replace(model, full, weights="inherit")
    inputs = {"scan": _scans()}
    np.testing.assert_allclose(
        network(inputs)["label"], model(inputs)["label"], rtol=1e-4, atol=1e-4
    )


def test_a_replaced_layer_keeps_the_taps_of_its_sub_kernels():
    model = _model()
    configuration = kc.Configuration(
        {"middle": ["1x3x3", "3x3x3", "3x1x1", "1x3x3", "3x3x3", "3x1x1"]}
    )
    network = kc.replace(model, configuration, weights="inherit")
    kernel = np.array(model.get_layer("middle").kernel)
    kernel[:, [0, 2], :, :, 2] = kernel[:, :, [0, 2], :, 2] = 0
    kernel[:, [0, 2], :, :, 5] = kernel[:, :, [0, 2], :, 5] = 0
    kernel[[0, 2], ..., [0, 0]] = kernel[[0, 2], ..., [3, 3]] = 0
    np.testing.assert_array_equal(network.get_layer("middle").kernel, kernel)


def test_layers_that_stay_keep_weights_names_and_frozenness():
    model = _model()
    model.get_layer("stem").trainable = False
    network = kc.replace(model, _mixed(model), weights="inherit")
    assert [x.name for x in network.layers] == [x.name for x in model.layers]
    assert network.input.keys() == {"scan"} and network.name == "mine"
    assert not network.get_layer("stem").trainable
    for name in ("stem", "norm", "head"):
        for ours, theirs in zip(
            network.get_layer(name).get_weights(),
            model.get_layer(name).get_weights(),
            strict=True,
        ):
            np.testing.assert_array_equal(ours, theirs)
    assert not network.compiled


@pytest.mark.tensorflow
@pytest.mark.parametrize("kernels", ["shared", "separate"])
@pytest.mark.parametrize("normalization", ["batch", "instance", None])
def test_the_arg_max_path_of_a_supernet_is_taken_over(normalization, kernels):
    model = _model(normalization, use_bias=normalization is None)
    supernet = kc.to_supernet(model, candidate_kernels=kernels)
    supernet.compile("adam", {"label": "mse"})
    inputs = {"scan": _scans()}
    target = {"label": np.ones((2, 8, 8, 8, 3), "float32")}
    supernet.fit(inputs, target, epochs=4, verbose=0)
    layer = supernet.search_layers[0].path_normalization
    for variable in (layer.gamma, layer.beta):
        variable.assign(variable + keras.random.normal(variable.shape))
    network = kc.replace(model, kc.derive(supernet), weights=supernet)
    np.testing.assert_allclose(
        network.predict(inputs, verbose=0)["label"],
        supernet.predict(inputs, verbose=0)["label"],
        rtol=1e-4,
        atol=1e-4,
    )


def test_weights_that_cannot_be_taken_over_are_refused():
    model = _model(None)
    configuration = _mixed(model)
    with pytest.raises(ValueError, match="`weights` is expected to be one of"):
        kc.replace(model, configuration, weights="inherited")
    with pytest.raises(ValueError, match="a model without 'middle'"):
        kc.replace(
            model,
            configuration,
            weights=kc.models.unet3d((8, 8, 8, 1), width=2, depth=1),
        )
    wide = kc.to_supernet(model, priority="cost")
    with pytest.raises(ValueError, match="'middle' with priority='cost', agg"):
        kc.replace(model, configuration, weights=wide)
    supernet = kc.to_supernet(model, kernel_set="2d")
    with pytest.raises(ValueError, match="'middle' with .*'3x1x1', '3x3x3'"):
        kc.replace(model, configuration, weights=supernet)
    supernet = kc.to_supernet(model)
    supernet.search_layers[0].path_normalization.beta.assign(np.ones((7, 6)))
    with pytest.raises(ValueError, match="'middle' with use_bias=False"):
        kc.replace(model, configuration, weights=supernet)


@pytest.mark.parametrize("candidate_kernels", ["shared", "separate"])
@pytest.mark.parametrize("priority", ["performance", "cost"])
@pytest.mark.parametrize(
    ("normalization", "use_bias", "groups"),
    [("batch", True, 1), ("instance", False, 1), (None, True, 2)],
)
def test_the_full_path_of_a_supernet_computes_what_its_trained_model_does(
    candidate_kernels, priority, normalization, use_bias, groups
):
    model = _model(normalization, use_bias, groups)
    supernet = kc.to_supernet(
        model,
        ["1x3x3", "3x1x1", "3x3x3"],
        priority=priority,
        candidate_kernels=candidate_kernels,
        aggregation="sum",
        weights="inherit",
    )
    inputs = {"scan": _scans()}
    layer = supernet.search_layers[0]
    own = layer.path_normalization
    full = np.array([kernel.taps == 27 for kernel in layer.kernel_set])
    if priority == "cost":
        # Of the mean over three candidates only the full kernels are left.
        own.gamma.assign(3 * own.gamma * full[:, None])
        own.beta.assign(3 * own.beta * full[:, None])
    else:
        own.gamma.assign(own.gamma * np.where(full, 1.0, 0.5)[:, None])
    np.testing.assert_allclose(
        supernet(inputs)["label"], model(inputs)["label"], rtol=1e-4, atol=1e-3
    )
    first = layer.candidates[0]
    kernel = np.array(model.get_layer("middle").kernel)
    shape = tuple(first.shape)[:3]
    starts = [(3 - size) // 2 for size in shape]
    taps = tuple(slice(s, s + n) for s, n in zip(starts, shape, strict=True))
    np.testing.assert_array_equal(first, kernel[taps])


@pytest.mark.parametrize("aggregation", ["sum", "concat"])
def test_layers_behind_all_candidates_start_with_their_mean(aggregation):
    model = _two()
    supernet = kc.to_supernet(
        model,
        ["1x3x3", "3x3x3"],
        priority="cost",
        aggregation=aggregation,
        weights="inherit",
    )
    network = kc.replace(
        model,
        kc.Configuration({"middle": {"1x3x3": 4}}),
        weights="inherit",
    )
    scans = _scans()
    # Linear in the candidates of "middle".
    mean = (network(scans) + model(scans)) / 2
    np.testing.assert_allclose(supernet(scans), mean, rtol=1e-4, atol=1e-4)
    with pytest.raises(ValueError, match="`weights` is expected to be one of"):
        kc.to_supernet(model, weights="old")


def _two():
    image = keras.Input(SHAPE)
    x = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(4, 3, padding="same", name="middle")(x)
    outputs = keras.layers.Conv3D(3, 1, name="head")(x)
    return keras.Model(image, outputs)
