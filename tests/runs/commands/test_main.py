"""Flags, messages and exit codes of the command."""

import dataclasses
import logging

import pytest
import tensorflow as tf

from keras_cakes import __version__
from keras_cakes._errors import DataError
from keras_cakes._errors import RunError
from keras_cakes.runs.commands import demo as demo_command
from keras_cakes.runs.commands import main as cli
from keras_cakes.runs.commands import steps as run_command
from keras_cakes.runs.derivations import searches_behind
from keras_cakes.runs.segmentation.settings import SegmentationSettings


def test_quick_demo_settings_are_sound():
    for name, data in (("VOLUMES", "lines_depth"), ("CLIPS", "phantom")):
        for kind in (f"_{name}", f"_QUICK_{name}"):
            assert getattr(demo_command, kind).data == data
    assert searches_behind("random") == ("performance",)
    assert searches_behind("cost") == ("cost",)
    assert searches_behind("3d") == ()


def test_a_wrong_flag_ends_with_a_sentence(tmp_path, capsys, monkeypatch):
    output = ["--output", str(tmp_path / "run")]
    assert cli.main(["segment", "compare", *output]) == 2
    assert "`--data` is expected to start a run" in capsys.readouterr().err
    flags = [*output, "--data", "phantom"]
    assert cli.main(["segment", "compare", *flags, "--steps", "75"]) == 2
    assert "`steps` is expected to be a multiple" in capsys.readouterr().err
    with pytest.raises(ValueError, match="`batch_size` is expected"):
        cli.main(["segment", "compare", *flags, "--batch-size", "0", "--debug"])
    with pytest.raises(SystemExit) as info:
        cli.main(["--version"])
    assert info.value.code == 0
    assert capsys.readouterr().out == f"keras-cakes {__version__}\n"
    assert not (tmp_path / "run").exists()

    def interrupt(options, run, write_report):
        raise KeyboardInterrupt

    monkeypatch.setattr(run_command, "take_step", interrupt)
    assert cli.main(["segment", "compare", *flags]) == 130
    assert "the same command goes on" in capsys.readouterr().err


def test_every_setting_is_described_in_help(capsys):
    with pytest.raises(SystemExit):
        cli.main(["segment", "search", "--help"])
    text = " ".join(capsys.readouterr().out.split())
    for field in dataclasses.fields(SegmentationSettings):
        assert "--" + field.name.replace("_", "-") in text
    assert "Strength of the cost-priority lasso" in text
    assert run_command._pair("0,2") == (0, 2)


@pytest.mark.parametrize(
    "flags",
    [
        ["segment", "train", "--output", "x"],
        ["segment", "search", "--output", "x", "--priority", "speed"],
        ["segment", "search"],
        ["segment", "search", "--output", "x", "--rotate", "0-1"],
        ["paint"],
        [],
    ],
)
def test_unknown_flags_exit_with_2(capsys, flags):
    with pytest.raises(SystemExit) as info:
        cli.main(flags)
    assert info.value.code == 2
    assert "error: " in capsys.readouterr().err


def _in_a_graph(error):
    """Raises what TensorFlow makes of an error in a function of a data set."""

    def fail(_):
        raise error

    data = tf.data.Dataset.range(2).map(
        lambda i: tf.py_function(fail, [i], tf.int64)
    )
    list(data)


def _raise(error):
    raise error


@pytest.fixture
def fails(monkeypatch):
    """Makes `keras-cakes tables` call a function; returns its exit code."""

    def run(function, *flags):
        monkeypatch.setattr(cli, "_run_tables", lambda options: function())
        return cli.main(["tables", *flags])

    return run


SENTENCE = "`x` is expected to be 1.\nReceived: x=2"
LINE = "keras-cakes: error: `x` is expected to be 1. Received: x=2\n"
FORESEEN = [
    DataError,
    RunError,
    ValueError,
    MemoryError,
    ImportError,
    ModuleNotFoundError,
    FileNotFoundError,
    BlockingIOError,
    PermissionError,
    NotImplementedError,
    # Of no foreseen type, but with the sentence of the house.
    RuntimeError,
    AttributeError,
]


@pytest.mark.parametrize("kind", FORESEEN)
def test_foreseen_errors_are_one_line(fails, capsys, kind):
    assert fails(lambda: _raise(kind(SENTENCE))) == 2
    assert capsys.readouterr().err == LINE
    with pytest.raises(kind):
        fails(lambda: _raise(kind(SENTENCE)), "--debug")


@pytest.mark.parametrize("kind", [DataError, ValueError, MemoryError, KeyError])
def test_foreseen_errors_in_a_graph_are_one_line(fails, capsys, kind):
    message = "a.mp4: a clip is expected. Received: nothing"
    assert fails(lambda: _in_a_graph(kind(message))) == 2
    error = capsys.readouterr().err.splitlines()[-1].replace("'", "")
    assert error == f"keras-cakes: error: {message}"
    with pytest.raises(tf.errors.OpError):
        fails(lambda: _in_a_graph(kind(message)), "--debug")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (KeyError("steps"), "the key 'steps' is expected. Received: no such"),
        (MemoryError(), "MemoryError"),
        (FileNotFoundError(2, "No such file", "a.csv"), "a.csv"),
        (
            tf.errors.ResourceExhaustedError(None, None, "OOM of [9,9]"),
            "more memory is expected. Received: OOM of [9,9]",
        ),
    ],
)
def test_errors_without_a_sentence_are_one_line(fails, capsys, error, message):
    assert fails(lambda: _raise(error)) == 2
    shown = capsys.readouterr().err
    assert message in shown
    assert shown.count("\n") == 1


@pytest.mark.parametrize(
    "error",
    [
        TypeError("no"),
        ZeroDivisionError("no"),
        tf.errors.InternalError(None, None, "no"),
    ],
)
def test_unforeseen_errors_keep_their_traceback(fails, error):
    with pytest.raises(type(error)):
        fails(lambda: _raise(error))


def test_what_the_package_logs_is_shown_by_the_command_only(fails, capsys):
    logger = logging.getLogger("keras_cakes.data.needs")
    before = logging.getLogger("keras_cakes").handlers[:]
    assert fails(lambda: logger.info("2 cases to prepare")) == 0
    captured = capsys.readouterr()
    assert (captured.out, captured.err) == ("2 cases to prepare\n", "")
    logger.info("2 cases to prepare")
    assert capsys.readouterr() == ("", "")
    assert logging.getLogger("keras_cakes").handlers == before
