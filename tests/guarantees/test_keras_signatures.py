"""What overrides a method of Keras takes its positional arguments."""

import importlib
import inspect
import pkgutil

import keras
import pytest

import keras_cakes as kc


def _own_classes():
    for info in pkgutil.walk_packages(kc.__path__, "keras_cakes."):
        module = importlib.import_module(info.name)
        for value in vars(module).values():
            if inspect.isclass(value) and value.__module__ == module.__name__:
                yield value


def _overrides():
    for own in _own_classes():
        for name, method in vars(own).items():
            # Constructors say what is made; `call` is anyone's own.
            if not inspect.isfunction(method) or name in ("__init__", "call"):
                continue
            for base in own.__mro__[1:]:
                known = vars(base).get(name)
                if base.__module__.split(".")[0] == "keras" and (
                    inspect.isfunction(known)
                ):
                    yield pytest.param(
                        method, known, id=f"{own.__name__}.{name}"
                    )
                    break


def _parameters(method):
    """Names and defaults; `*args` and `**kwargs` promise nothing."""
    return [
        (each.name, each.default)
        for each in inspect.signature(method).parameters.values()
        if each.kind is each.POSITIONAL_OR_KEYWORD
    ]


def _takes_anything(method):
    kinds = {p.kind for p in inspect.signature(method).parameters.values()}
    return {inspect.Parameter.VAR_POSITIONAL} <= kinds


@pytest.mark.parametrize(("method", "known"), list(_overrides()))
def test_an_override_takes_the_arguments_of_keras(method, known):
    expected = _parameters(known)
    assert (
        _takes_anything(method)
        or _parameters(method)[: len(expected)] == expected
    )


def test_the_overrides_are_found():
    names = {param.id for param in _overrides()}
    assert {"Supernet.fit", "CakesConv3D.build"} <= names
    assert issubclass(kc.Supernet, keras.Model)


@pytest.mark.parametrize(
    "function",
    [
        getattr(room, name)
        for room in (kc.kernels, kc.layers, kc.models)
        for name in room.__all__
        if inspect.isfunction(getattr(room, name))
    ],
    ids=lambda function: function.__name__,
)
def test_a_function_takes_no_third_argument_by_position(function):
    assert len(_parameters(function)) <= 2
