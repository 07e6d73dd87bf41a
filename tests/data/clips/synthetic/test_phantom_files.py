import numpy as np
import pytest

from keras_cakes.data import VideoClips
from keras_cakes.data import read_clip_list
from keras_cakes.data import read_video
from keras_cakes.data.clips.synthetic.clip_phantom import phantom_clips
from keras_cakes.data.clips.synthetic.phantom_files import write_phantom_clips


@pytest.mark.parametrize(("events", "classes"), [("motion", 2), ("both", 4)])
def test_files_hold_the_clips(tmp_path, events, classes):
    write_phantom_clips(tmp_path, 16, shape=(6, 24, 32), seed=5, events=events)
    source = phantom_clips(16, (6, 24, 32), seed=5, events=events)
    parts = {
        split: read_clip_list(
            tmp_path / "videos.csv", classes=source.classes, split=split
        )
        for split in ("train", "val")
    }
    assert len(parts["train"].clips) == 12 and len(parts["val"].clips) == 4
    for part in parts.values():
        labels = [clip.label for clip in part.clips]
        assert np.ptp(np.bincount(labels, minlength=classes)) == 0
        for clip in part.clips:
            number = source.names.index(clip.source.stem)
            assert clip.label == source.labels[number]
            assert clip.source.parent.name == source.classes[clip.label]
            found = read_video(clip.source, channels=1).astype(int)
            frames = source.read(number, range(6)).numpy()
            # One step of the noise of a sensor is twelve times as much.
            assert np.abs(found - frames).mean() < 2
            assert clip.frames == len(found) == 6
    assert VideoClips(parts["train"], channels=1).frame_counts.sum() == 72


def test_clips_of_odd_size_cannot_be_written(tmp_path):
    with pytest.raises(ValueError, match="height and width even"):
        write_phantom_clips(tmp_path, 2, shape=(6, 24, 33))
    assert not (tmp_path / "videos.csv").exists()
