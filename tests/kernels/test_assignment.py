import pytest

from keras_cakes.kernels.assignment import Assignment


def test_counts_are_sorted_and_zeros_dropped():
    assignment = Assignment({"1x1x3": 1, "3x3x3": 2, "1x3x3": 0})
    assert assignment.channels == ("3x3x3", "3x3x3", "1x1x3")
    assert assignment.counts == {"3x3x3": 2, "1x1x3": 1}
    assert assignment.filters == 3
    assert assignment.is_sorted


def test_sequence_keeps_its_order_and_is_stored_run_length():
    assignment = Assignment(["1x3x3", "1x3x3", "3x3x3", "1x3x3"])
    assert assignment.to_list() == [["1x3x3", 2], ["3x3x3", 1], ["1x3x3", 1]]
    assert not assignment.is_sorted
    assert assignment.counts == {"3x3x3": 1, "1x3x3": 3}


def test_every_form_is_the_same_value():
    forms = [
        {"3x3x3": 1, "1x3x3": 2},
        ["3x3x3", "1x3x3", "1x3x3"],
        [("3x3x3", 1), ("1x3x3", 1), ("1x3x3", 1)],
        [["3x3x3", 1], [(1, 3, 3), 2]],
    ]
    values = {Assignment(form) for form in forms}
    assert len(values) == 1
    assert "1x3x3" in repr(values)


def test_resolve_reads_names():
    assert Assignment.resolve("1x3x3", 4, kernel_size=(3, 3, 3)).counts == {
        "1x3x3": 4
    }
    assert Assignment.resolve("1d", 4, kernel_size=(3, 3, 3)).counts == {
        "3x1x1": 2,
        "1x3x1": 1,
        "1x1x3": 1,
    }
    given = Assignment({"1x3x3": 4})
    assert Assignment.resolve(given, 4, kernel_size=(3, 3, 3)) is given


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ([], "between 1 and 1048576 channels"),
        ({"1x3x3": 0}, "between 1 and 1048576 channels"),
        ([["1x3x3", 1 << 20], ["3x3x3", 1]], "between 1 and 1048576"),
        ({"1x3x3": -1}, "an integer from 0 to 1048576.*'1x3x3': -1"),
        ({"1x3x3": True}, "an integer from 0"),
        ({"1x3x3": 1.5}, "an integer from 0"),
        ({"1x3x3": 10**30}, "an integer from 0"),
        ("1d", "Named sets are .* where `filters` is known"),
        (7, "`sub_kernels` is expected to be counts"),
        (["9"], "three sizes from 1 to 99"),
    ],
)
def test_channels_that_cannot_be_assigned_are_refused(value, message):
    with pytest.raises(ValueError, match=message):
        Assignment(value)


def test_channels_that_do_not_fit_a_layer_are_refused():
    with pytest.raises(ValueError, match="add up to `filters`.*filters=4"):
        Assignment.resolve({"1x3x3": 3}, 4, kernel_size=(3, 3, 3))
    with pytest.raises(ValueError, match="no larger than the full kernel"):
        Assignment.resolve("5x1x1", 4, kernel_size=(3, 3, 3))


def test_long_values_are_shortened_in_messages():
    with pytest.raises(ValueError) as info:
        Assignment.resolve(["1x3x3"] * 500, 4, kernel_size=(3, 3, 3))
    assert len(str(info.value)) < 400
