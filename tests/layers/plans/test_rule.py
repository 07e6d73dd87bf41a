import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import kernel_set
from keras_cakes.kernels.sub_kernels import uniform_counts
from keras_cakes.layers.plans.device import AVX2
from keras_cakes.layers.plans.device import AVX512
from keras_cakes.layers.plans.device import GPU
from keras_cakes.layers.plans.plan import Plan
from keras_cakes.layers.plans.rule import candidate_plans
from keras_cakes.layers.plans.rule import default_plan


def _channels(filters, name):
    counts = uniform_counts(filters, kernel_set(name))
    return [kernel for kernel, n in counts.items() for _ in range(n)]


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(0, 40), min_size=7, max_size=7).filter(any),
    st.sampled_from([8, 16]),
)
def test_every_candidate_holds_each_channel_once_where_it_fits(counts, block):
    kernels = kernel_set("1d2d3d")
    counts = {k: n for k, n in zip(kernels, counts, strict=True) if n}
    plans = candidate_plans(counts, block)
    assert len(set(plans)) == len(plans)
    assert Plan.dense(counts) in plans and Plan.separate(counts) in plans
    for plan in plans:
        assert Plan.from_config(plan.to_config(), counts) == plan
        assert plan.counts == counts


def test_what_fills_no_block_of_its_own_moves_into_a_larger_box():
    channels = _channels(128, "1d2d3d")
    for devices in (AVX2, AVX512):
        device = devices["inference"]
        plan = default_plan(
            channels, 128, positions=4096, phase="inference", device=device
        )
        filters = {str(box.size): box.filters for box in plan.boxes}
        assert filters["3x3x3"] < 64
        assert all(number % 16 == 0 for number in filters.values())


@settings(max_examples=60, deadline=None, derandomize=True)
@given(
    st.lists(st.integers(16, 60), min_size=7, max_size=7),
    st.sampled_from([8, 16]),
)
def test_some_candidate_leaves_one_broken_block_at_most(counts, block):
    counts = dict(zip(kernel_set("1d2d3d"), counts, strict=True))
    broken = [
        sum(box.filters % block > 0 for box in plan.boxes)
        for plan in candidate_plans(counts, block)
        if len(plan.boxes) > 1
    ]
    assert min(broken) <= 1


@pytest.mark.parametrize("device", [AVX2, AVX512, GPU])
@pytest.mark.parametrize("phase", ["inference", "training"])
def test_wide_layers_run_separately_and_narrow_ones_densely(device, phase):
    def plan(filters, name, positions):
        return default_plan(
            _channels(filters, name),
            filters,
            positions=positions,
            phase=phase,
            device=device[phase],
        )

    assert len(plan(512, "2d", 10**6).boxes) == 3
    assert len(plan(16, "1d2d3d", 10**5).boxes) == 1
    # Nothing is larger than it has to be.
    assert str(plan(16, "1x3x3", None).boxes[0].size) == "1x3x3"


def test_too_many_sizes_leave_dense_and_separate():
    sizes = [(d, h, w) for d in (1, 3, 5) for h in (1, 3, 5) for w in (1, 5)]
    counts = {SubKernel(*size): 4 for size in sizes}
    assert len(candidate_plans(counts, 16)) == 2


@pytest.mark.parametrize(
    "plan",
    [
        "sparse",
        3,
        [{"size": "1x3x3"}],
        [{"size": "1x3x3", "channels": {"3x3x3": 2}}],
        [{"size": "3x3x3", "channels": {"3x3x3": -2}}],
        [{"size": "3x3x3", "channels": {"3x3x3": True}}],
        [{"size": "3x3x3", "channels": {"3x3x3": 2}, "form": "conv2d"}],
        [{"size": "3x3x3", "channels": {"3x3x3": 2}, "form": "fft"}],
        [{"size": "3x3x3", "channels": {}}],
    ],
)
def test_a_plan_that_does_not_fit_names_what_is_expected(plan):
    with pytest.raises(ValueError, match="`plan` is expected to be.*Received"):
        Plan.from_config(plan, {SubKernel(3, 3, 3): 2})
