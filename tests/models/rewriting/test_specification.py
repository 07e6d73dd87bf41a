import warnings

import pytest

import keras_cakes as kc


def test_the_old_name_of_candidate_kernels_warns_and_works():
    message = "`weights` is `candidate_kernels` now"
    with pytest.warns(DeprecationWarning, match=message) as warned:
        specification = kc.models.SearchSpecification(weights="separate")
    assert warned[0].filename == __file__
    assert specification.candidate_kernels == "separate"
    with pytest.warns(DeprecationWarning) as warned:
        supernet = kc.to_supernet(
            kc.models.unet3d((8, 8, 8, 1), width=2, depth=1),
            weights="separate",
        )
    assert warned[0].filename == __file__
    layer = supernet.network.get_layer("bottom_conv1")
    assert layer.candidate_kernels == "separate"


def test_the_new_name_of_candidate_kernels_does_not_warn():
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        kc.models.SearchSpecification(candidate_kernels="shared")
