"""The public names: the method and the rooms, and the names of before."""

import importlib

import pytest

import keras_cakes as kc

ROOMS = (
    "kernels",
    "layers",
    "models",
    "cost",
    "search",
    "data",
    "training",
    "evaluation",
    "runs",
)


def test_the_package_shows_the_method_and_the_rooms_and_nothing_else():
    assert len(dir(kc)) == 16 + len(ROOMS)
    assert set(ROOMS) < set(dir(kc))
    assert dir(kc) == sorted(kc.__all__)


@pytest.mark.parametrize("room", ROOMS)
def test_every_name_of_a_room_is_there(room):
    module = getattr(kc, room)
    assert len(set(module.__all__)) == len(module.__all__)
    for name in module.__all__:
        assert getattr(module, name) is not None


@pytest.mark.parametrize(("name", "room"), kc._MOVED.items())
def test_an_earlier_name_names_its_new_place(name, room):
    with pytest.warns(DeprecationWarning, match=f"keras_cakes.{room}.{name}"):
        value = getattr(kc, name)
    assert value is getattr(getattr(kc, room), name)


@pytest.mark.parametrize(("name", "room"), kc._MOVED_MODULES.items())
def test_an_earlier_module_answers_with_the_names_of_a_room(name, room):
    module = importlib.import_module(f"keras_cakes.{name}")
    known = getattr(kc, room).__all__[0]
    with pytest.warns(DeprecationWarning, match=f"keras_cakes.{room}.{known}"):
        assert getattr(module, known) is getattr(getattr(kc, room), known)
    with pytest.raises(AttributeError, match="nothing_of_the_kind"):
        module.nothing_of_the_kind  # noqa: B018


def test_imports_of_before_still_work():
    with pytest.warns(DeprecationWarning, match="keras_cakes.data.clips"):
        from keras_cakes.data.video import clips
    with pytest.warns(DeprecationWarning, match="training.DiceScore"):
        from keras_cakes.metrics import DiceScore
    with pytest.warns(DeprecationWarning, match="training.DiceScore"):
        assert kc.metrics.DiceScore is DiceScore
    assert clips is kc.data.clips


def test_a_name_that_never_was_is_refused():
    with pytest.raises(AttributeError, match="no attribute 'unknown'"):
        kc.unknown  # noqa: B018
