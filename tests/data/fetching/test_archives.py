import fcntl
import gzip
import io
import os
import shutil
import stat
import tarfile
import tracemalloc
import zipfile

import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import DataError
from keras_cakes.data.fetching.archives import unpack

FILES = {
    "set/dataset.json": b"{}",
    "set/imagesTr/a.nii.gz": bytes(range(256)) * 8,
    "set/labelsTr/a.nii.gz": b"",
    "._set": b"something else",
}


def _tar(path, *members, files=FILES, mode="w"):
    with tarfile.open(path, mode) as archive:
        for name, content in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(content)
            archive.addfile(info, io.BytesIO(content))
        for member in members:
            archive.addfile(member)
    return path


def _member(name, kind=tarfile.REGTYPE, target=""):
    info = tarfile.TarInfo(name)
    info.type, info.linkname = kind, target
    return info


def _zip(path, *members, files=FILES):
    with zipfile.ZipFile(path, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, content in {**files, **dict(members)}.items():
            archive.writestr(name, content)
    return path


def _make(folder, ending):
    path = folder / f"set{ending}"
    if ending == ".zip":
        return _zip(path)
    return _tar(path, mode="w:gz" if ending == ".tar.gz" else "w")


def _held(folder):
    return {
        path.relative_to(folder).as_posix(): path.read_bytes()
        for path in folder.rglob("*")
        if path.is_file()
    }


def _refuse(archive, message, **options):
    folder = archive.parent / "new"
    with pytest.raises(DataError, match=message) as info:
        unpack(archive, folder, **options)
    assert str(info.value).startswith(str(archive))
    assert "expected" in str(info.value) and "Received: " in str(info.value)
    left = {path.name for path in archive.parent.iterdir()}
    assert left <= {archive.name, ".new.lock"}


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_all_of_an_archive_or_one_folder_of_it(tmp_path, ending):
    archive = _make(tmp_path, ending)
    # The content tells, not the name.
    archive = archive.rename(tmp_path / "download")
    assert unpack(archive, tmp_path / "all") == tmp_path / "all"
    assert _held(tmp_path / "all") == FILES
    unpack(archive, tmp_path / "deep" / "new", root="set")
    assert sorted(_held(tmp_path / "deep" / "new")) == [
        "dataset.json",
        "imagesTr/a.nii.gz",
        "labelsTr/a.nii.gz",
    ]
    assert not list(tmp_path.rglob("*.part"))
    assert "labelsTr" not in {p.name for p in tmp_path.iterdir()}
    for root in ("absent", "set/dataset.json"):
        with pytest.raises(DataError, match=f"{root} is .*'._set', 'set'"):
            unpack(archive, tmp_path / "new", root=root)


def test_what_is_there_is_not_touched(tmp_path):
    archive = _make(tmp_path, ".tar")
    folder = tmp_path / "new"
    folder.mkdir()
    with pytest.raises(DataError, match="new: a new folder is expected"):
        unpack(archive, folder)
    folder.rmdir()
    folder.symlink_to(tmp_path / "nowhere")
    with pytest.raises(DataError, match="new: a new folder is expected"):
        unpack(archive, folder)
    with pytest.raises(DataError, match="absent.tar: an archive is expected"):
        unpack(tmp_path / "absent.tar", tmp_path / "other")


def test_what_a_killed_process_left_is_cleared_away(tmp_path):
    (tmp_path / ".new.part" / "set").mkdir(parents=True)
    (tmp_path / ".new.part" / "set" / "old").write_text("half")
    unpack(_make(tmp_path, ".zip"), tmp_path / "new")
    assert _held(tmp_path / "new") == FILES


def test_one_process_at_a_time(tmp_path):
    with open(tmp_path / ".new.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="new: one process at a time"):
            unpack(_make(tmp_path, ".zip"), tmp_path / "new")


@pytest.mark.parametrize(
    "name", ["/etc/a", "../a", "set/../../a", "set/..", "..\\a", "a\\b"]
)
def test_paths_out_of_the_folder(tmp_path, name):
    message = "paths inside the folder are expected. Received: "
    _refuse(_tar(tmp_path / "a.tar", _member(name)), message)
    (tmp_path / "a.tar").unlink()
    (tmp_path / ".new.lock").unlink()
    _refuse(_zip(tmp_path / "a.zip", (name, b"x")), message)


@pytest.mark.parametrize(
    ("kind", "target"),
    [
        (tarfile.SYMTYPE, "/etc"),
        (tarfile.SYMTYPE, "../.."),
        (tarfile.SYMTYPE, "set"),
        (tarfile.LNKTYPE, "/etc/hostname"),
        (tarfile.LNKTYPE, "set/dataset.json"),
        (tarfile.CHRTYPE, ""),
        (tarfile.BLKTYPE, ""),
        (tarfile.FIFOTYPE, ""),
        (tarfile.GNUTYPE_SPARSE, ""),
        # Nobody knows this type.
        (b"Z", ""),
    ],
)
def test_links_and_devices(tmp_path, kind, target):
    archive = _tar(tmp_path / "a.tar", _member("set/odd", kind, target))
    _refuse(archive, "plain files and folders.* a link, a device.*'set/odd'")


def test_links_in_zip(tmp_path):
    link = zipfile.ZipInfo("set/odd")
    link.create_system = 3
    link.external_attr = (stat.S_IFLNK | 0o777) << 16
    _refuse(_zip(tmp_path / "a.zip", (link, "/etc")), "a link.*'set/odd'")


def test_an_encrypted_zip(tmp_path):
    archive = _zip(tmp_path / "a.zip")
    content = bytearray(archive.read_bytes())
    content[content.index(b"PK\1\2") + 8] |= 1
    archive.write_bytes(content)
    _refuse(archive, "something sparse or encrypted, 'set/dataset.json'")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_bounds(tmp_path, ending, monkeypatch):
    archive = _make(tmp_path, ending)
    size = sum(map(len, FILES.values()))
    _refuse(archive, f"most_bytes={size - 1},", most_bytes=size - 1)
    _refuse(archive, "at most most_members=3 are", most_members=3)
    unpack(archive, tmp_path / "b", most_bytes=size, most_members=4)
    shutil.rmtree(tmp_path / "b")
    (tmp_path / ".b.lock").unlink()
    usage = shutil.disk_usage(tmp_path)._replace(free=size - 1)
    monkeypatch.setattr(shutil, "disk_usage", lambda _: usage)
    _refuse(archive, f"room for them on the disk, {size - 1} bytes being")


def test_a_bomb_is_refused_before_it_goes_off(tmp_path):
    zeros = {"a": bytes(1 << 20)}
    for archive in (
        _zip(tmp_path / "a.zip", files=zeros),
        _tar(tmp_path / "a.tar.gz", files=zeros, mode="w:gz"),
    ):
        assert archive.stat().st_size < 5000
        alone = tmp_path / archive.suffix[1:]
        alone.mkdir()
        archive = archive.rename(alone / archive.name)
        _refuse(archive, "1048576 bytes or more", most_bytes=1 << 19)


def test_a_zip_that_understates_a_size(tmp_path):
    archive = _zip(tmp_path / "a.zip", files={"a": bytes(1 << 20)})
    content = bytearray(archive.read_bytes())
    place = content.index(b"PK\1\2") + 24
    content[place : place + 4] = (1000).to_bytes(4, "little")
    archive.write_bytes(content)
    _refuse(archive, "complete archive.*Bad CRC", most_bytes=1000)


@pytest.mark.parametrize("kind", [tarfile.XHDTYPE, tarfile.GNUTYPE_LONGNAME])
def test_memory_does_not_follow_a_header(tmp_path, kind):
    header = _member("a", kind)
    header.size = 200 << 20
    with gzip.open(tmp_path / "a.tar.gz", "wb", compresslevel=1) as file:
        file.write(header.tobuf())
        for _ in range(64):
            file.write(bytes(1 << 20))
    tracemalloc.start()
    _refuse(tmp_path / "a.tar.gz", "Received: ValueError: a header of 2097")
    assert tracemalloc.get_traced_memory()[1] < 16 << 20
    tracemalloc.stop()


@pytest.mark.parametrize("kind", [tarfile.REGTYPE, tarfile.XHDTYPE])
def test_a_negative_size_ends_the_reading(tmp_path, kind):
    first, header = _member("a"), _member("b", kind)
    header.size = -1024
    with open(tmp_path / "a.tar", "wb") as file:
        file.write(first.tobuf() + header.tobuf(tarfile.GNU_FORMAT))
        file.write(bytes(10240))
    _refuse(tmp_path / "a.tar", "plain files.*'b'|a header of -1024 bytes")


@pytest.mark.parametrize("ending", [".tar", ".tar.gz", ".zip"])
def test_an_archive_that_breaks_off(tmp_path, ending):
    archive = _make(tmp_path, ending)
    content = archive.read_bytes()
    data = len(content)
    if ending == ".tar":
        with tarfile.open(archive) as file:
            data = file.getmembers()[-1].offset_data + 512
    for size in sorted({*range(0, data, 97), data - 1, data - 512, 1536}):
        if 0 <= size < data:
            archive.write_bytes(content[:size])
            _refuse(archive, "complete archive of tar, tar.gz or zip")


@settings(max_examples=60, deadline=None)
@given(
    ending=st.sampled_from([".tar", ".tar.gz", ".zip"]),
    place=st.floats(0, 0.999),
    value=st.integers(1, 255),
)
def test_a_damaged_byte_does_no_harm(tmp_path_factory, ending, place, value):
    folder = tmp_path_factory.mktemp("any")
    archive = _make(folder, ending)
    content = bytearray(archive.read_bytes())
    content[int(place * len(content))] ^= value
    archive.write_bytes(content)
    try:
        unpack(archive, folder / "inner" / "new")
    except DataError as error:
        assert str(error).startswith(str(archive))
        assert not (folder / "inner" / "new").exists()
    held = {path.name for path in folder.iterdir()}
    assert held <= {archive.name, "inner"}
    inside = {path.name for path in (folder / "inner").iterdir()}
    assert inside <= {"new", ".new.lock"}


def test_something_after_the_end(tmp_path):
    archive = _make(tmp_path, ".tar")
    with open(archive, "ab") as file:
        file.write(b"x" * (2 << 20))
    _refuse(archive, "something follows the end of the archive")


def test_the_checksum_of_gzip_is_met(tmp_path):
    archive = _make(tmp_path, ".tar.gz")
    content = bytearray(archive.read_bytes())
    content[-8] ^= 1
    archive.write_bytes(content)
    _refuse(archive, "complete archive.*CRC")


def test_what_is_no_archive(tmp_path):
    for content in (b"", b"P", b"PK", b"\x1f\x8b", b"<html>" * 500):
        (tmp_path / "a.tar").write_bytes(content)
        _refuse(tmp_path / "a.tar", "complete archive of tar, tar.gz or zip")


def test_a_file_in_place_of_a_folder(tmp_path):
    names = {"set": b"a file", "set/a": b"b"}
    _refuse(_tar(tmp_path / "a.tar", files=names), "can be unpacked")


def test_rights_and_owners_are_not_taken_over(tmp_path):
    odd = _member("set/run")
    odd.mode, odd.uid, odd.gid = 0o6777, 12345, 12345
    unpack(_tar(tmp_path / "a.tar", odd), tmp_path / "new")
    found = os.stat(tmp_path / "new" / "set" / "run")
    assert found.st_uid == os.getuid()
    assert stat.S_IMODE(found.st_mode) & 0o7022 == 0
