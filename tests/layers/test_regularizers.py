import keras
import numpy as np
import pytest

from keras_cakes.kernels.sub_kernels import kernel_set
from keras_cakes.kernels.sub_kernels import relative_costs
from keras_cakes.layers.regularizers import CostLasso


@pytest.mark.tensorflow
def test_known_answer_of_two_candidates():
    lasso = CostLasso([3 / 4, 1 / 4], strength=1e-4)
    gamma = keras.Variable(np.array([[1.0, -2.0], [0.5, 0.0]]))
    import tensorflow as tf

    with tf.GradientTape() as tape:
        penalty = lasso(gamma)
    assert float(penalty) == pytest.approx(2.375e-4)
    np.testing.assert_allclose(
        tape.gradient(penalty, gamma.value),
        [[7.5e-5, -7.5e-5], [2.5e-5, 0.0]],
        rtol=1e-6,
    )


def test_known_weights_of_three_candidates():
    taps = [kernel.taps for kernel in kernel_set("video_1d2d3d")]
    lasso = CostLasso(relative_costs(taps), strength=1e-4)
    per_sign = [1e-4 * cost for cost in lasso.relative_costs]
    assert per_sign == pytest.approx([6.923e-5, 2.308e-5, 7.692e-6], rel=1e-3)


def test_configuration_round_trip():
    lasso = CostLasso((0.5, 0.5), strength=0.1)
    config = keras.regularizers.serialize(lasso)
    again = keras.regularizers.deserialize(config)
    assert again.get_config() == lasso.get_config()


def test_a_negative_strength_is_refused():
    with pytest.raises(ValueError, match="`strength` is expected.*-1"):
        CostLasso([1.0], strength=-1)
