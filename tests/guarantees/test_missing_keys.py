"""JSON files and tables of ours that lack a key, and names nobody knows."""

import functools
import json
from types import SimpleNamespace

import keras
import numpy as np
import pytest

import keras_cakes as kc
from keras_cakes.cost.time.measurements import Measurements
from keras_cakes.data import Case
from keras_cakes.data import VolumeDataset
from keras_cakes.data import open_prepared
from keras_cakes.data import prepare
from keras_cakes.data import write_nifti
from keras_cakes.data.clips.packing.pack import pack
from keras_cakes.data.clips.packing.packed import open_packed
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips
from keras_cakes.data.fetching.partial_file import PartialFile
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.synthetic.phantom import write_msd
from keras_cakes.runs import folder as runs
from keras_cakes.runs import report
from keras_cakes.runs import resume as training
from keras_cakes.runs.clips import report as video_report
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from keras_cakes.runs.settings import read_settings


@functools.cache
def _dropout():
    return keras.Sequential([keras.Input((2,)), keras.layers.Dropout(0.5)])


def _prepared(folder):
    rng = np.random.default_rng(0)
    image = rng.integers(0, 9, (4, 5, 6)).astype("int16")
    write_nifti(image, np.eye(4), path=folder / "a.nii.gz")
    write_nifti(
        (image > 4).astype("uint8"), np.eye(4), path=folder / "l.nii.gz"
    )
    case = Case("a", folder / "a.nii.gz", folder / "l.nii.gz")
    dataset = VolumeDataset("one", (case,), ("background", "organ"))
    prepare(dataset, folder / "out", verbose=False)
    return dataset


def _manifest(folder):
    _prepared(folder)
    return folder / "out" / "manifest.json", lambda: _use(
        open_prepared(folder / "out")
    )


def _use(prepared):
    for case in prepared.cases:
        assert case.foreground_counts
        assert case.placement
        prepared.volume(case)
        case.verify()
    assert prepared.statistics["mean"]


def _case(folder):
    _manifest(folder)
    return folder / "out" / "cases" / "a" / "case.json", lambda: _use(
        open_prepared(folder / "out")
    )


def _case_again(folder):
    dataset = _prepared(folder)
    return folder / "out" / "cases" / "a" / "case.json", lambda: _use(
        prepare(dataset, folder / "out", verbose=False)
    )


def _pack(folder):
    source = phantom_clips(2, (4, 16, 16))
    return lambda: pack(source, folder / "out", verbose=False)


def _use_packed(packed):
    packed.verify()
    for clip in range(len(packed)):
        assert len(list(packed.frames_of(clip)))


def _packed_manifest(folder):
    _pack(folder)()
    return folder / "out" / "manifest.json", lambda: _use_packed(
        open_packed(folder / "out")
    )


def _note(folder):
    again = _pack(folder)
    again()
    (folder / "out" / "manifest.json").unlink()
    return folder / "out" / "shards" / "00000.json", lambda: _use_packed(
        again()
    )


def _configuration(folder):
    file = folder / "configuration.json"
    kc.Configuration({"a": {"1x1x1": 1}}).save(file)
    return file, lambda: kc.Configuration.load(file)


def _settings(folder):
    file = folder / "settings.json"
    settings = SegmentationSettings("phantom")
    with runs.RunFolder(folder, dict(vars(settings))).open():
        pass
    return file, lambda: read_settings(SegmentationSettings, file)


def _measurements(folder):
    file = folder / "latency.json"
    values = Measurements("latency", "one", file)
    values.values["a"] = 1.0
    values.save()
    return file, lambda: Measurements("latency", "one", file)


def _partial(folder):
    file = folder / "a.part.json"
    url = "https://example.org/a"
    file.write_text(json.dumps({"url": url, "validator": "x", "total": 3}))
    return file, lambda: PartialFile(folder / "a", url)


def _seeds(folder):
    file = folder / "seeds.json"
    training._save_seeds(_dropout(), file, 3)
    return file, lambda: training._load_seeds(_dropout(), file, 3)


def _cost(folder):
    inner = folder / "networks" / "3d"
    inner.mkdir(parents=True)
    keys = ("params", "macs", "replaced_params_share", "replaced_macs_share")
    keys += ("median_ms", "min_ms", "max_ms")
    runs.write_json(inner / "cost.json", dict.fromkeys(keys, 1.0))
    run = SimpleNamespace(folder=folder)
    return inner / "cost.json", lambda: report._cost_row(run, "3d")


def _msd(folder):
    write_msd(folder, 2, shape=(16, 16, 16))
    return folder / "dataset.json", lambda: read_msd(folder)


DOCUMENTS = {
    "manifest": _manifest,
    "case": _case,
    "case, prepared again": _case_again,
    "packed manifest": _packed_manifest,
    "note of a shard": _note,
    "configuration": _configuration,
    "settings": _settings,
    "measurements": _measurements,
    "partial download": _partial,
    "seeds": _seeds,
    "cost": _cost,
    "dataset.json": _msd,
}


def _keys(document, path=()):
    """The places of all keys of a document."""
    if isinstance(document, dict):
        for key, value in document.items():
            yield (*path, key)
            yield from _keys(value, (*path, key))
    elif isinstance(document, list) and document:
        yield from _keys(document[0], (*path, 0))


@pytest.mark.parametrize("kind", DOCUMENTS)
def test_a_key_that_is_missing_is_told_or_done_without(kind, tmp_path):
    file, read = DOCUMENTS[kind](tmp_path)
    whole = file.read_text(encoding="utf-8")
    read()
    for place in list(_keys(json.loads(whole))):
        document = json.loads(whole)
        part = document
        for key in place[:-1]:
            part = part[key]
        del part[place[-1]]
        file.write_text(json.dumps(document), encoding="utf-8")
        try:
            read()
        except (runs.RunError, ValueError) as error:
            assert "expected" in str(error), place
            assert "Received: " in str(error), place
            assert str(tmp_path) in str(error), place


@pytest.mark.parametrize(
    ("name", "columns", "read"),
    [
        (
            "networks/3d/scores.csv",
            ("label", "predicted", "mean"),
            lambda run: video_report._read_clips(run, "3d"),
        ),
        (
            "networks/3d/history.csv",
            ("step", "loss"),
            lambda run: report._histories(run),
        ),
    ],
)
@pytest.mark.parametrize("text", ["", "a,b\n1,2\n", None])
def test_a_table_without_a_column_is_told(name, columns, read, text, tmp_path):
    run = SimpleNamespace(folder=tmp_path, variants=("3d",))
    file = tmp_path / name
    file.parent.mkdir(parents=True)
    file.write_text(",".join(columns) + "\n" + ",".join("1" * len(columns)))
    read(run)
    # A line that breaks off.
    file.write_text(",".join(columns) + "\n1\n" if text is None else text)
    with pytest.raises(
        runs.RunError, match="a table of a run is expected"
    ) as e:
        read(run)
    assert str(file) in str(e.value)


@pytest.fixture(scope="module")
def table():
    model = kc.models.unet3d((8, 8, 8, 1), width=4, depth=1)
    names = kc.replaceable_layers(model)
    return kc.cost.LatencyTable(
        model, names, kernel_set="2d", repeats=2, verbose=0
    )


@pytest.mark.parametrize(
    "ask",
    [
        lambda table: table.sizes("none"),
        lambda table: table.channel_ms("none"),
        lambda table: table.layer_ms("none", "1x3x3"),
        lambda table: kc.models.SearchSpecification(
            "2d", priority="cost", cost=table
        ).lasso_of((3, 3, 3), "none"),
    ],
)
def test_a_layer_that_a_latency_table_lacks_is_told(table, ask):
    with pytest.raises(
        ValueError, match="`name` is expected to be one of .*'none'"
    ):
        ask(table)


def test_a_path_that_lacks_a_layer_is_told():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    supernet = kc.to_supernet(model, kernel_set="1d")
    path = supernet.path
    left_out = list(path)[-1]
    del path[left_out]
    before = supernet.path
    with pytest.raises(ValueError, match=f"`path` .* without '{left_out}'"):
        supernet.assign_path(path)
    for name, kept in before.items():
        np.testing.assert_array_equal(supernet.path[name], kept)


# Messages that named an empty list in place of a reason.


def test_costs_that_are_not_positive_are_told_without_a_missing_kernel():
    costs = {"1x3x3": 1.0, "3x1x3": -1.0, "3x3x1": 1.0}
    with pytest.raises(ValueError, match="Received: cost\\['3x1x3'\\]=-1.0$"):
        kc.models.SearchSpecification("2d", priority="cost", cost=costs)
    del costs["3x1x3"]
    specification = kc.models.SearchSpecification(
        "2d", priority="cost", cost=costs
    )
    with pytest.raises(ValueError, match=r"without \['3x1x3'\]$"):
        specification.lasso_of((3, 3, 3))


def test_a_path_that_is_no_mapping_is_told_without_a_missing_layer():
    model = kc.models.unet3d((8, 8, 8, 1), width=2, depth=1)
    supernet = kc.to_supernet(model, kernel_set="1d")
    with pytest.raises(ValueError, match="Received: path=3$"):
        kc.count_cost(supernet, path=3)
    with pytest.raises(ValueError, match="Received: path={}, without '"):
        kc.count_cost(supernet, path={})


def test_no_volumes_are_told_without_a_missing_label():
    from keras_cakes.data.volumes.patches.crops import memory_sources

    with pytest.raises(ValueError, match="Received: 0 volumes$"):
        memory_sources([])


@pytest.mark.parametrize(
    ("splits", "found"),
    [
        ({"1": ["phantom_000"]}, "fold=0, no such fold"),
        ({"0": []}, "fold=0, 0 of 2 cases for validation"),
        ({"0": ["x"]}, r"fold=0, unknown cases \['x'\]"),
    ],
)
def test_a_fold_that_will_not_do_is_told(tmp_path, splits, found):
    from keras_cakes.data.volumes.lists.msd import read_fold

    cases = tuple(Case(n, tmp_path, None) for n in ("phantom_000", "b"))
    (tmp_path / "splits.json").write_text(json.dumps({"folds": splits}))
    with pytest.raises(ValueError, match=f"Received: {found}$"):
        read_fold(tmp_path, VolumeDataset("two", cases, ("a", "b")), fold=0)
