import keras
import numpy as np
import pytest

import keras_cakes as kc


@pytest.fixture
def clip():
    generator = np.random.default_rng(0)
    return generator.normal(size=(2, 6, 16, 16, 1)).astype("float32")


def _network(convolution, **options):
    return kc.models.residual_video(
        (6, 16, 16, 1), 5, convolution=convolution, width=8, **options
    )


def test_replaced_layers_and_their_sizes(clip):
    model = _network("3d", stages=2, blocks=2)
    assert kc.replaceable_layers(model) == (
        *("stage1_block0_conv1", "stage1_block0_conv2"),
        *("stage1_block1_conv1", "stage1_block1_conv2"),
        *("stage2_block0_conv1", "stage2_block0_conv2"),
        *("stage2_block1_conv1", "stage2_block1_conv2"),
    )
    outputs = {
        name: model.get_layer(name).output.shape[1:]
        for name in ("stage1_block1_conv2", "stage2_block1_conv2")
    }
    assert outputs == {
        "stage1_block1_conv2": (6, 16, 16, 8),
        "stage2_block1_conv2": (6, 8, 8, 16),
    }


@pytest.mark.parametrize("convolution", ["2d", "3d", "p3d", "video_1d2d3d"])
def test_only_time_kernels_see_the_order_of_frames(clip, convolution):
    keras.utils.set_random_seed(0)
    network = _network(convolution)
    for layer in network.layers:
        if layer.name == "frame_logits":
            layer.kernel.assign(np.random.normal(size=layer.kernel.shape))
    forwards, backwards = network(clip), network(clip[:, ::-1])
    same = np.allclose(forwards, backwards, atol=1e-4)
    assert same == (convolution == "2d")


def test_costs_by_hand():
    model = kc.models.residual_video((4, 8, 8, 1), 3, width=4, stages=1)
    # Stem, two convolutions of a block, head for each frame.
    voxels = 4 * 8 * 8
    macs = voxels * (9 * 1 * 4 + 2 * 27 * 4 * 4) + 4 * 4 * 3
    assert kc.count_cost(model).macs == macs
    params = 9 * 4 + 2 * 27 * 16 + 3 * 2 * 4 + 4 * 3 + 3
    assert kc.count_cost(model).params == params


@pytest.mark.parametrize("name", ["classes", "width", "stages", "blocks"])
def test_numbers_are_positive(name):
    with pytest.raises(ValueError, match=f"`{name}` is expected.*{name}=0"):
        kc.models.residual_video(**{name: 0})


def test_sizes_of_the_stem():
    stem = _network("3d").get_layer("stem_conv")
    assert stem.kernel.shape == (1, 3, 3, 1, 8)
    stem = _network("3d", stem_kernel_size=1).get_layer("stem_conv")
    assert stem.kernel.shape == (1, 1, 1, 1, 8)


@pytest.mark.parametrize("size", [0, 1.5, None, (3, 3), (3, 0, 3), "333"])
@pytest.mark.parametrize("build", [kc.models.residual_video, kc.models.unet3d])
def test_a_stem_of_another_size_is_refused(build, size):
    with pytest.raises(
        ValueError, match="`stem_kernel_size` is expected to be.*stem_kernel"
    ):
        build(stem_kernel_size=size)
