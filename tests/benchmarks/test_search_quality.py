import dataclasses
import json

import numpy as np
import pytest

from keras_cakes.data import prepare
from keras_cakes.data.volumes.lists.msd import read_msd
from keras_cakes.data.volumes.synthetic.phantom import write_msd
from keras_cakes.runs.clips.run import VideoTask
from keras_cakes.runs.clips.settings import VideoSettings
from keras_cakes.runs.segmentation.run import SegmentationRun
from keras_cakes.runs.segmentation.run import SegmentationTask
from keras_cakes.runs.segmentation.settings import SegmentationSettings
from search_quality_study.measure import SearchQuality
from search_quality_study.methods import METHODS
from search_quality_study.methods import Method

SETTINGS = SegmentationSettings(
    data="planted_height",
    patch_shape=(16, 16, 16),
    width=4,
    depth=1,
    batch_size=2,
    steps=4,
    search_steps=4,
    steps_per_epoch=2,
    flip=(),
    kernel_set="video_2d3d",
)


def _quality(folder, **arguments):
    return SearchQuality(
        folder,
        lambda path, seed: SegmentationRun(path, SETTINGS, verbose=0),
        methods=(
            Method("all", "sampled", "layer", weights="shared"),
            Method("held", "sampled", "layer", weights="shared", holdout=4),
            Method("none", "importance", weights="shared"),
            Method("kernels", "energy"),
        ),
        budgets=(0.6,),
        seeds=1,
        randoms=1,
        plain=("2d",),
        samples=10,
        batches=1,
        **arguments,
    )


def test_repeated_configurations_are_the_same_with_every_seed(tmp_path):
    quality = dataclasses.replace(
        _quality(tmp_path, repeated=1), methods=(), plain=(), seeds=2
    )
    quality.complete()
    found = {
        (network["name"], network["seed"]): network["configuration"]
        for network in quality.networks()
    }
    assert found["repeated0", 0] == found["repeated0", 1]
    assert found["random0", 0] != found["random0", 1]
    assert found["random0", 0] != found["repeated0", 0]


def test_everything_of_a_seed_is_measured_once(tmp_path):
    quality = _quality(tmp_path)
    quality.complete()
    networks = {network["name"]: network for network in quality.networks()}
    assert sorted(networks) == [
        "2d",
        "all",
        "even",
        "held",
        "kernels",
        "none",
        "random0",
    ]
    for name, network in networks.items():
        assert len(network["scores"]) == 8
        if name != "2d":
            assert network["budget"] == 0.6
            assert sum(network["configuration"]["bottom_conv1"].values()) == 4
    # Only what is found keeps the budget; chance is near it.
    assert max(networks[n]["macs_share"] for n in ("all", "none")) <= 0.6
    assert networks["2d"]["configuration"] is None
    searches = {search["supernet"]: search for search in quality.searches()}
    assert sorted(searches) == [
        "energy",
        "performance_shared_balanced",
        "performance_shared_balanced_holdout4",
    ]
    shared = searches["performance_shared_balanced"]
    assert {"correlation", "best_path_loss", "spread"} <= set(shared)
    assert sorted(shared["scores"]) == ["importance", "path_weights", "sampled"]
    assert shared["least_draws"] in range(5)
    files = sorted(tmp_path.rglob("*.json"))
    times = [file.stat().st_mtime_ns for file in files]
    quality.complete()
    assert [file.stat().st_mtime_ns for file in files] == times
    # What was lost is made again as it was.
    file = tmp_path / "seed0" / "networks" / "all@0.6.json"
    before = json.loads(file.read_text())
    file.unlink()
    quality.complete()
    after = json.loads(file.read_text())
    assert after["configuration"] == before["configuration"]
    np.testing.assert_allclose(after["scores"], before["scores"], atol=1e-4)
    # A score that a supernet was not asked for yet is read from a new one.
    more = dataclasses.replace(
        quality,
        methods=(Method("other", "importance", weights="shared", holdout=4),),
        budgets=(),
    )
    more.complete()
    (held,) = [s for s in more.searches() if "holdout4" in s["supernet"]]
    assert "importance" in held["scores"]


def test_only_the_kept_cases_are_trained_on(tmp_path):
    write_msd(tmp_path / "msd", 5, shape=(16, 16, 16))
    prepare(read_msd(tmp_path / "msd"), tmp_path / "prepared", workers=1)
    tasks = [
        SegmentationTask(SETTINGS),
        SegmentationTask(
            dataclasses.replace(SETTINGS, data=str(tmp_path / "prepared")),
        ),
        VideoTask(
            VideoSettings(
                data="planted_time",
                size=(16, 16),
                frames=4,
                channels=1,
                crop="none",
                width=2,
                stages=1,
                batch_size=2,
            )
        ),
    ]
    for task in tasks:
        names = task.data.training_names
        kept = task.data.training_data(names[1::2])
        assert len(kept) == len(names[1::2])
        whole, half = (
            list(task.batches(training, 0, 1))[0][0]
            for training in (task.data.training_data(), kept)
        )
        assert not np.array_equal(whole, half)
        # The data of the task are as they were.
        assert task.data.training_names == names
        assert task.data.training_data() is task.data.training


def test_methods_share_supernets():
    names = [method.name for method in METHODS]
    assert len(set(names)) == len(names)
    supernets = {method.name: method.supernet for method in METHODS}
    assert supernets["sampled paths"] == supernets["shared path weights"]
    assert supernets["path weights"] != supernets["lasso"]


@pytest.mark.parametrize(("data", "lag"), [("planted", 1), ("lines", 2)])
def test_synthetic_volumes_are_named_by_layout_and_axis(data, lag):
    settings = dataclasses.replace(SETTINGS, data=f"{data}_height")
    task = SegmentationTask(settings)
    for axis, is_related in ((0, False), (1, True), (2, False)):
        pairs = []
        for volume in task.data.training:
            image = np.moveaxis(volume.image[..., 0], axis, 0)
            rough = np.moveaxis(volume.label == 2, axis, 0)
            both = rough[:-lag] & rough[lag:]
            pairs.append(np.stack([image[:-lag][both], image[lag:][both]]))
        found = np.corrcoef(np.concatenate(pairs, axis=1))[0, 1]
        assert (found < -0.4) == is_related
        assert is_related or abs(found) < 0.1


def test_axes_of_the_other_kind_are_refused():
    with pytest.raises(ValueError, match="'planted_depth'.*planted_time"):
        SegmentationSettings(data="synthetic:planted_time")
