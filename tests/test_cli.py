"""Flags, messages and exit codes of the command."""

import dataclasses

import pytest

from keras_cakes import __version__
from keras_cakes import cli
from keras_cakes import demo_command
from keras_cakes import run_command
from keras_cakes import segment_command
from keras_cakes.derivation_records import searches_behind
from keras_cakes.segmentation_settings import SegmentationSettings


def test_quick_demo_settings_are_sound():
    for name, data in (("VOLUMES", "lines_depth"), ("CLIPS", "phantom")):
        for kind in (f"_{name}", f"_QUICK_{name}"):
            assert getattr(demo_command, kind).data == data
    assert searches_behind("random") == ("performance",)
    assert searches_behind("cost") == ("cost",)
    assert searches_behind("3d") == ()


def test_command_line_messages(tmp_path, capsys, monkeypatch):
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

    def interrupt(options, settings):
        raise KeyboardInterrupt

    monkeypatch.setattr(segment_command, "start_segmentation", interrupt)
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
