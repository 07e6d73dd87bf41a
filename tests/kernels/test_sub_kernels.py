import pytest
from hypothesis import given
from hypothesis import strategies as st

from keras_cakes.kernels.sub_kernels import NAMED_SETS
from keras_cakes.kernels.sub_kernels import SubKernel
from keras_cakes.kernels.sub_kernels import canonical_order
from keras_cakes.kernels.sub_kernels import kernel_set
from keras_cakes.kernels.sub_kernels import relative_costs
from keras_cakes.kernels.sub_kernels import uniform_counts

SEVEN = ["3x3x3", "1x3x3", "3x1x3", "3x3x1", "3x1x1", "1x3x1", "1x1x3"]
SIZES = st.tuples(*[st.sampled_from([1, 3, 5])] * 3)


def test_name_and_sizes_agree():
    kernel = SubKernel.parse("1x3x5")
    assert kernel == SubKernel.parse((1, 3, 5)) == (1, 3, 5)
    assert (str(kernel), kernel.taps, kernel.dimensions) == ("1x3x5", 15, 2)


@pytest.mark.parametrize(
    "value",
    ["3x3", "0x3x3", "3x3x3x3", "", "3X3X3", "100x1x1", (3, 3), (3, 3, True)]
    + [(3, 3, 0), (3.0, 3, 3), 3, None, "03x3x3"],
)
def test_what_is_no_three_sizes_is_refused(value):
    with pytest.raises(ValueError, match="three sizes from 1 to 99") as info:
        SubKernel.parse(value)
    assert f"Received: {value!r}" in str(info.value)


def test_canonical_order_is_that_of_the_paper():
    assert [str(k) for k in canonical_order(reversed(SEVEN))] == SEVEN


@given(st.lists(SIZES, min_size=1, max_size=8))
def test_canonical_order_is_total_and_by_volume(kernels):
    ordered = canonical_order(kernels)
    assert ordered == canonical_order(reversed(kernels))
    assert set(ordered) == set(kernels)
    taps = [kernel.taps for kernel in ordered]
    assert taps == sorted(taps, reverse=True)


@pytest.mark.parametrize(
    ("name", "members"),
    [
        ("1d", SEVEN[4:]),
        ("2d", SEVEN[1:4]),
        ("1d2d3d", SEVEN),
        ("0d1d2d3d", [*SEVEN, "1x1x1"]),
        ("video_1d2d", ["1x3x3", "3x1x1"]),
        ("video_2d3d", ["3x3x3", "1x3x3"]),
        ("video_1d2d3d", ["3x3x3", "1x3x3", "3x1x1"]),
        ("1x3x3", ["1x3x3"]),
    ],
)
def test_kernel_sets(name, members):
    assert [str(k) for k in kernel_set(name)] == members


def test_named_sets_follow_the_full_kernel():
    assert [str(k) for k in kernel_set("1d", (5, 3, 1))] == [
        "5x1x1",
        "1x3x1",
        "1x1x1",
    ]
    # Members that coincide are kept once.
    assert [str(k) for k in kernel_set("1d2d3d", (1, 3, 3))] == [
        "1x3x3",
        "1x3x1",
        "1x1x3",
        "1x1x1",
    ]


def test_an_unknown_or_empty_kernel_set_is_refused():
    with pytest.raises(ValueError, match="`kernel_set` is expected.*'4d'"):
        kernel_set("4d")
    with pytest.raises(ValueError, match="at least one sub-kernel"):
        kernel_set([])
    with pytest.raises(ValueError, match="no larger than the full kernel"):
        kernel_set(["5x1x1"])
    with pytest.raises(ValueError, match="odd or of full size"):
        kernel_set(["2x3x3"])


@pytest.mark.parametrize(
    ("filters", "candidates", "expected"),
    [
        (64, 2, [32, 32]),
        (64, 3, [22, 21, 21]),
        (64, 7, [10] + [9] * 6),
        (128, 3, [44, 42, 42]),
        (128, 7, [20] + [18] * 6),
        (256, 3, [86, 85, 85]),
        (256, 7, [40] + [36] * 6),
        (512, 3, [172, 170, 170]),
        (512, 7, [74] + [73] * 6),
    ],
)
def test_manual_splits_of_the_paper(filters, candidates, expected):
    counts = uniform_counts(filters, kernel_set(SEVEN[:candidates]))
    assert list(counts.values()) == expected


@pytest.mark.parametrize(
    ("name", "expected"),
    [
        ("1d2d3d", [9 / 13] + [3 / 13] * 3 + [1 / 13] * 3),
        ("video_1d2d3d", [9 / 13, 3 / 13, 1 / 13]),
        ("video_2d3d", [3 / 4, 1 / 4]),
        ("video_1d2d", [3 / 4, 1 / 4]),
        ("2d", [1.0] * 3),
    ],
)
def test_relative_costs_of_the_paper(name, expected):
    taps = [kernel.taps for kernel in kernel_set(name)]
    assert relative_costs(taps) == pytest.approx(expected)


@given(SIZES, st.tuples(*[st.integers(1, 7)] * 3))
def test_offset_keeps_the_centre(size, full):
    kernel = SubKernel(*size)
    fits = all(
        s <= f and (s % 2 or s == f) for s, f in zip(size, full, strict=True)
    )
    if not fits:
        with pytest.raises(ValueError, match="no larger than the full"):
            kernel.offset_in(full)
        return
    offset = kernel.offset_in(full)
    centre = [o + (s - 1) // 2 for o, s in zip(offset, size, strict=True)]
    assert centre == [(f - 1) // 2 for f in full]
    assert all(
        0 <= o and o + s <= f
        for o, s, f in zip(offset, size, full, strict=True)
    )


def test_named_sets_are_written_in_canonical_order():
    for name, members in NAMED_SETS.items():
        written = [m.replace("k", "3") for m in members]
        assert [str(k) for k in kernel_set(name)] == written
