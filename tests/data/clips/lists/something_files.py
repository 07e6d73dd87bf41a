"""Made-up clips in the layouts of Something-Something."""

import json

from tests.data.clips.video_files import moving
from tests.data.clips.video_files import write_video

# Not in the order of the names.
LABELS = (
    "Pushing something from right to left",
    "Holding something",
    "Pushing something from left to right",
)
SORTED = (LABELS[1], LABELS[2], LABELS[0])
# Number, label and frames of each clip.
CLIPS = {
    "train": [("100218", 0, 5), ("7", 1, 3), ("24413", 2, 2)],
    "validation": [("31", 2, 4)],
}


def write_v1(folder, annotations="."):
    """Version 1: folders of frames, which nobody looks into here."""
    part = folder / annotations
    part.mkdir(parents=True, exist_ok=True)
    prefix = part / "something-something-v1"
    for split, clips in CLIPS.items():
        text = "".join(f"{name};{LABELS[label]}\n" for name, label, _ in clips)
        prefix.with_name(f"{prefix.name}-{split}.csv").write_text(text)
        for name, _, frames in clips:
            source = folder / "20bn-something-something-v1" / name
            source.mkdir(parents=True)
            for number in range(1, frames + 1):
                (source / f"{number:05d}.jpg").write_bytes(b"")
    prefix.with_name(f"{prefix.name}-test.csv").write_text("1\n2\n")
    labels = "".join(f"{label}\n" for label in LABELS)
    prefix.with_name(f"{prefix.name}-labels.csv").write_text(labels)


def write_v2(folder, annotations="labels", prefix=""):
    """Version 2: WebM files."""
    part = folder / annotations
    part.mkdir(parents=True, exist_ok=True)
    source = folder / "20bn-something-something-v2"
    source.mkdir()
    for split, clips in CLIPS.items():
        records = [
            {
                "id": name,
                "label": LABELS[label].replace("something", "a cup"),
                "template": LABELS[label].replace("something", "[something]"),
                "placeholders": ["a cup"],
            }
            for name, label, _ in clips
        ]
        (part / f"{prefix}{split}.json").write_text(json.dumps(records))
        for name, _, frames in clips:
            write_video(source / f"{name}.webm", moving(frames), "vp9.webm")
    numbers = {name: str(number) for number, name in enumerate(SORTED)}
    (part / f"{prefix}labels.json").write_text(json.dumps(numbers))
