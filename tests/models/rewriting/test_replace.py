import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.models.rewriting.graph import Graph


def _chain(*between, normalization="batch", axis=-1):
    """Stem, one replaceable convolution, some layers, a last convolution."""
    image = keras.Input((8, 8, 8, 2), name="image")
    x = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(
        6, 3, padding="same", use_bias=False, name="middle"
    )(x)
    if normalization == "batch":
        x = keras.layers.BatchNormalization(
            axis=axis, momentum=0.8, epsilon=1e-4, name="norm"
        )(x)
    elif normalization == "instance":
        x = keras.layers.GroupNormalization(-1, epsilon=1e-4, name="norm")(x)
    for layer in between:
        x = layer(x)
    return keras.Model(
        image, keras.layers.Conv3D(3, 3, padding="same", name="head")(x)
    )


def _search(model, **arguments):
    return kc.models.to_search_network(
        model, kc.models.SearchSpecification(**arguments)
    )


def test_stem_and_head_stay():
    model = _chain(keras.layers.ReLU())
    assert kc.replaceable_layers(model) == ("middle",)
    network = _search(model)
    assert type(network.get_layer("stem")) is keras.layers.Conv3D
    assert type(network.get_layer("head")) is keras.layers.Conv3D
    assert isinstance(network.get_layer("middle"), kc.layers.CakesSearchConv3D)
    assert type(model.get_layer("middle")) is keras.layers.Conv3D


def test_chosen_layers():
    model = _chain(keras.layers.ReLU())
    assert kc.replaceable_layers(model, ["head", "stem"]) == ("stem", "head")
    assert kc.replaceable_layers(model, lambda x: x.filters == 3) == ("head",)
    with pytest.raises(ValueError, match="to be a `Conv3D` of the model"):
        kc.replaceable_layers(model, ["norm"])
    with pytest.raises(ValueError, match="to have a `Conv3D` to replace"):
        kc.replaceable_layers(model, lambda layer: False)


@pytest.mark.parametrize("axis", [-1, 4])
def test_batch_normalization_becomes_part_of_the_search_layer(axis):
    network = _search(_chain(keras.layers.ReLU(), axis=axis))
    layer = network.get_layer("middle")
    assert (layer.normalization, layer.momentum) == ("batch", 0.8)
    assert layer.epsilon == 1e-4
    assert "norm" not in [each.name for each in network.layers]


def test_instance_normalization_becomes_part_of_the_search_layer():
    model = _chain(keras.layers.ReLU(), normalization="instance")
    layer = _search(model).get_layer("middle")
    assert (layer.normalization, layer.epsilon) == ("instance", 1e-4)


def test_a_normalization_is_put_where_there_is_none():
    model = _chain(keras.layers.ReLU(), normalization=None)
    layer = _search(model, normalization="instance").get_layer("middle")
    assert layer.normalization == "instance"


def test_normalization_that_serves_others_stays():
    image = keras.Input((8, 8, 8, 2))
    stem = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    middle = keras.layers.Conv3D(4, 3, padding="same", name="middle")
    shared = keras.layers.BatchNormalization(name="norm")
    x = keras.layers.Add()([shared(middle(stem)), shared(stem)])
    model = keras.Model(image, keras.layers.Conv3D(2, 3, name="head")(x))
    network = _search(model)
    assert network.get_layer("norm") is not None
    assert isinstance(network.get_layer("middle"), kc.layers.CakesSearchConv3D)


@pytest.mark.parametrize(
    "between",
    [
        [keras.layers.ReLU],
        [keras.layers.MaxPooling3D, keras.layers.LeakyReLU],
        [keras.layers.UpSampling3D],
        [lambda: keras.layers.ZeroPadding3D(1)],
        [lambda: keras.layers.SpatialDropout3D(0.5)],
    ],
)
def test_cost_priority_widens_up_to_the_next_convolution(between):
    model = _chain(*[make() for make in between])
    network = _search(model, priority="cost")
    assert network.get_layer("middle").aggregation == "concat"
    assert network.get_layer("head").kernel.shape[3] == 7 * 6
    assert network.output_shape == model.output_shape


def test_cost_priority_sums_where_the_consumer_adds():
    image = keras.Input((8, 8, 8, 2))
    stem = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(4, 3, padding="same", name="middle")(stem)
    x = keras.layers.Add()([x, stem])
    model = keras.Model(image, keras.layers.Conv3D(2, 3, name="head")(x))
    network = _search(model, priority="cost")
    assert network.get_layer("middle").aggregation == "sum"
    with pytest.raises(ValueError, match="'auto' sums elsewhere.*'middle'"):
        _search(model, priority="cost", aggregation="concat")
    chain = _search(
        _chain(keras.layers.ReLU()), priority="cost", aggregation="sum"
    )
    assert chain.get_layer("middle").aggregation == "sum"


def test_cost_priority_passes_concatenations_but_not_groups():
    image = keras.Input((8, 8, 8, 2))
    stem = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    x = keras.layers.Conv3D(4, 3, padding="same", name="middle")(stem)
    x = keras.layers.Concatenate()([x, stem])
    plain = keras.Model(image, keras.layers.Conv3D(2, 3, name="head")(x))
    grouped = keras.Model(
        image, keras.layers.Conv3D(2, 3, groups=2, name="head")(x)
    )
    network = _search(plain, priority="cost")
    assert network.get_layer("head").kernel.shape[3] == 7 * 4 + 4
    network = _search(grouped, priority="cost")
    assert network.get_layer("middle").aggregation == "sum"


def test_an_output_is_not_widened():
    image = keras.Input((8, 8, 8, 2))
    stem = keras.layers.Conv3D(4, 3, padding="same", name="stem")(image)
    middle = keras.layers.Conv3D(4, 3, padding="same", name="middle")(stem)
    head = keras.layers.Conv3D(2, 3, name="head")(middle)
    model = keras.Model(image, {"features": middle, "logits": head})
    network = _search(model, priority="cost")
    assert network.get_layer("middle").aggregation == "sum"
    assert Graph(model).outputs == {"middle", "head"}


def test_lasso_has_the_relative_costs():
    layer = _search(_chain(keras.layers.ReLU()), priority="cost", lasso=0.1)
    lasso = layer.get_layer("middle").gamma_regularizer
    assert lasso.strength == 0.1
    assert lasso.relative_costs == pytest.approx(
        [9 / 13] + [3 / 13] * 3 + [1 / 13] * 3
    )
    own = kc.models.SearchSpecification(
        priority="cost", kernel_set="video_2d3d", cost={"3x3x3": 3, "1x3x3": 2}
    )
    assert own.lasso_of((3, 3, 3)).relative_costs == [0.6, 0.4]
    assert kc.models.SearchSpecification().lasso_of((3, 3, 3)) is None


def test_a_cost_that_does_not_fit_is_refused():
    message = "'params', 'macs', a mapping.*cost='latency'"
    with pytest.raises(ValueError, match=message):
        kc.models.SearchSpecification(priority="cost", cost="latency")
    specification = kc.models.SearchSpecification(
        priority="cost", cost={"3x3x3": 1}
    )
    message = "each sub-kernel a positive number.*1x3x3"
    with pytest.raises(ValueError, match=message):
        specification.lasso_of((3, 3, 3))


def test_replace_keeps_the_arguments_of_the_layer():
    image = keras.Input((8, 8, 8, 2))
    x = keras.layers.Conv3D(4, 3, name="stem")(image)
    x = keras.layers.Conv3D(
        5,
        3,
        strides=2,
        padding="same",
        activation="relu",
        bias_initializer="ones",
        kernel_regularizer="l2",
        name="middle",
        dtype="mixed_bfloat16",
    )(x)
    model = keras.Model(image, keras.layers.Conv3D(2, 1, name="head")(x))
    configuration = kc.Configuration({"middle": {"1x3x3": 2, "3x1x1": 3}})
    network = kc.replace(model, configuration)
    before = model.get_layer("middle").get_config()
    after = network.get_layer("middle").get_config()
    assert after.pop("sub_kernels") == [["1x3x3", 2], ["3x1x1", 3]]
    for name in before:
        assert after[name] == before[name], name
    assert network.get_layer("middle").compute_dtype == "bfloat16"


def test_replaced_network_computes_the_embedded_one(tmp_path):
    model = _chain(keras.layers.ReLU())
    configuration = kc.Configuration({"middle": ["1x3x3", "3x3x3"] * 3})
    network = kc.replace(model, configuration)
    for layer in network.layers:
        if layer.name != "middle":
            model.get_layer(layer.name).set_weights(layer.get_weights())
    model.get_layer("middle").set_weights([network.get_layer("middle").kernel])
    image = np.random.default_rng(0).normal(size=(1, 8, 8, 8, 2))
    np.testing.assert_allclose(network(image), model(image), atol=1e-5)
    network.save(tmp_path / "network.keras")
    loaded = keras.saving.load_model(tmp_path / "network.keras")
    np.testing.assert_array_equal(loaded(image), network(image))


def test_a_configuration_of_another_network_is_refused():
    model = _chain(keras.layers.ReLU())
    for name in ("absent", "norm"):
        with pytest.raises(ValueError, match=f"of the model.*{name}"):
            kc.replace(model, kc.Configuration({name: ["3x3x3"]}))
    with pytest.raises(ValueError, match="Layer 'middle': .*filters=6"):
        kc.replace(model, kc.Configuration({"middle": ["3x3x3"]}))
    with pytest.raises(ValueError, match="Layer 'middle': .*no larger"):
        kc.replace(model, kc.Configuration({"middle": {"5x1x1": 6}}))


def test_uniform_configuration():
    configuration = kc.uniform_configuration(_chain(), "1d")
    assert configuration["middle"].counts == {
        "3x1x1": 2,
        "1x3x1": 2,
        "1x1x3": 2,
    }
    # Fewer channels than candidates: all of them are the remainder.
    configuration = kc.uniform_configuration(_chain(), "1d2d3d")
    assert configuration["middle"].counts == {"3x3x3": 6}


def test_sequential_models_and_models_without_a_graph():
    model = keras.Sequential(
        [
            keras.Input((8, 8, 8, 1)),
            keras.layers.Conv3D(2, 3),
            keras.layers.Conv3D(2, 3, name="middle"),
            keras.layers.Conv3D(2, 3),
        ]
    )
    network = kc.replace(model, kc.Configuration({"middle": ["1x3x3"] * 2}))
    assert network.output_shape == model.output_shape
    for other in (keras.Sequential([keras.layers.Conv3D(2, 3)]), keras.Model):
        other = other() if isinstance(other, type) else other
        with pytest.raises(ValueError, match="functional"):
            kc.replaceable_layers(other)


def test_compiled_models_are_rewritten_uncompiled():
    model = _chain(keras.layers.ReLU())
    model.compile("adam", "mse")
    assert not _search(model).compiled
