import fcntl
import hashlib
import io
import json
import resource
import shutil
import time
from urllib.request import Request

import numpy as np
import pytest
from hypothesis import given
from hypothesis import settings
from hypothesis import strategies as st

from keras_cakes.data import DataError
from keras_cakes.data.fetching.connection import _Redirects
from keras_cakes.data.fetching.download import download
from tests.data.fetching.loopback import Answer
from tests.data.fetching.loopback import serve

CONTENT = np.random.default_rng(0).bytes(200_000)
SHA256 = hashlib.sha256(CONTENT).hexdigest()
MD5 = hashlib.md5(CONTENT).hexdigest()
OTHER = CONTENT[::-1]


@pytest.fixture(autouse=True)
def no_proxy(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")


@pytest.fixture
def path(tmp_path):
    return tmp_path / "data" / "scan.tar"


def _get(server, path, **options):
    quick = {"timeout": 5.0, "wait": 0.0, "verbose": False}
    return download(server.url, path, **{**quick, **options})


def _left(path):
    """Files that a failed download may be taken up from, or taken for."""
    return sorted(
        one.name for one in path.parent.iterdir() if one.suffix != ".lock"
    )


def _broken(**options):
    return Answer(CONTENT, sends=60_000, **options)


def test_a_file_is_fetched_once(path, capsys):
    with serve(Answer(CONTENT)) as server:
        found = _get(server, path, sha256=SHA256, md5=MD5, size=200_000)
        assert found == SHA256
        assert path.read_bytes() == CONTENT
        assert _left(path) == ["scan.tar"]
        # Nobody answers any more.
        for known in ({}, {"sha256": SHA256.upper()}, {"md5": MD5}):
            assert _get(server, path, **known) == SHA256
    assert len(server.requests) == 1
    assert capsys.readouterr().out == ""


def test_progress_is_shown_and_the_checksum_logged(path, capsys, caplog):
    caplog.set_level("INFO", "keras_cakes")
    with serve(Answer(CONTENT)) as server:
        _get(server, path, verbose=True)
    assert "MiB" in capsys.readouterr().out
    assert f"scan.tar: 200000 bytes, sha256={SHA256}" in caplog.text


def test_a_file_that_is_not_right_is_replaced_by_one_that_is(path):
    path.parent.mkdir()
    path.write_bytes(OTHER)
    with serve(Answer(b"neither"), Answer(CONTENT)) as server:
        with pytest.raises(DataError, match="is expected. Received"):
            _get(server, path, sha256=SHA256)
        assert path.read_bytes() == OTHER
        _get(server, path, sha256=SHA256)
    assert path.read_bytes() == CONTENT
    with serve(Answer(CONTENT[:9])) as server:
        # Without a checksum the size may tell.
        _get(server, path, size=9)
    assert path.read_bytes() == CONTENT[:9]


def test_a_broken_connection_is_taken_up_where_it_broke(path):
    with serve(_broken(), _broken(), Answer(CONTENT)) as server:
        assert _get(server, path, sha256=SHA256) == SHA256
    asked = [(r["Range"], r["If-Range"]) for r in server.requests]
    assert asked == [
        (None, None),
        ("bytes=60000-", '"1"'),
        ("bytes=120000-", '"1"'),
    ]


def test_another_process_goes_on(path):
    when = {"Last-Modified": "Tue, 01 Sep 2020 10:00:00 GMT"}
    with serve(_broken(headers=when), Answer(CONTENT, headers=when)) as server:
        with pytest.raises(DataError, match="attempts=1. Received: 60000"):
            _get(server, path, attempts=1)
        assert _left(path) == ["scan.tar.part", "scan.tar.part.json"]
        _get(server, path, sha256=SHA256)
    assert server.requests[1]["Range"] == "bytes=60000-"
    assert server.requests[1]["If-Range"] == when["Last-Modified"]
    assert _left(path) == ["scan.tar"]


def test_a_process_killed_before_renaming_needs_no_server(path):
    with serve(_broken()) as server:
        with pytest.raises(DataError):
            _get(server, path, attempts=1)
    (path.parent / "scan.tar.part").write_bytes(CONTENT)
    assert _get(server, path, sha256=SHA256) == SHA256


@pytest.mark.parametrize(
    "record",
    [
        "{",
        "[]",
        '{"url": "http://other", "validator": "\\"1\\"", "total": 200000}',
        '{"url": "URL", "validator": null, "total": 200000}',
        '{"url": "URL", "validator": "a\\nb", "total": 200000}',
        '{"url": "URL", "validator": "\\u20ac", "total": 200000}',
        '{"url": "URL", "validator": "\\"1\\"", "total": "many"}',
    ],
)
def test_bytes_that_no_record_vouches_for_are_given_up(path, record):
    path.parent.mkdir()
    (path.parent / "scan.tar.part").write_bytes(OTHER[:5000])
    with serve(Answer(CONTENT)) as server:
        text = record.replace("URL", server.url)
        (path.parent / "scan.tar.part.json").write_text(text)
        _get(server, path, sha256=SHA256)
    assert server.requests[0]["Range"] is None


def test_more_bytes_than_the_server_has_are_given_up(path):
    path.parent.mkdir()
    (path.parent / "scan.tar.part").write_bytes(OTHER * 2)
    with serve(Answer(CONTENT), Answer(CONTENT)) as server:
        record = {"url": server.url, "validator": '"1"', "total": None}
        (path.parent / "scan.tar.part.json").write_text(json.dumps(record))
        _get(server, path, sha256=SHA256)
    assert [r["Range"] for r in server.requests] == ["bytes=400000-", None]


@pytest.mark.parametrize(
    "second",
    [
        # Ranges are ignored.
        Answer(CONTENT, ranges=False),
        # The file has changed, and the server says so.
        Answer(CONTENT, headers={"ETag": '"2"'}),
        Answer(CONTENT, headers={}),
    ],
)
def test_anew_where_the_server_sends_the_whole(path, second):
    first = Answer(OTHER + OTHER, sends=60_000)
    with serve(first, second) as server:
        _get(server, path, sha256=SHA256)
    assert server.requests[1]["Range"] == "bytes=60000-"


@pytest.mark.parametrize(
    "second",
    [
        # A part of another file, as a server does that ignores `If-Range`.
        Answer(CONTENT, headers={"ETag": '"2"'}, checks=False),
        Answer(CONTENT + b"more"),
        # Not the part that was asked for.
        Answer(CONTENT, moves="bytes 0-139999/200000"),
        Answer(CONTENT, moves="bytes 60000-1999999999999999999999999/*2"),
        Answer(CONTENT, moves="furlongs 60000-199999/200000"),
        # Nothing was asked for that would be answered so.
        Answer(CONTENT, status=204),
    ],
)
def test_anew_where_the_rest_is_not_of_the_same_file(path, second):
    first = Answer(OTHER, sends=60_000)
    with serve(first, second, Answer(CONTENT)) as server:
        _get(server, path, sha256=SHA256)
    asked = [request["Range"] for request in server.requests]
    assert asked == [None, "bytes=60000-", None]


def test_a_weak_validator_does_not_vouch_for_parts(path):
    weak = {"ETag": 'W/"1"'}
    with serve(_broken(headers=weak), Answer(CONTENT)) as server:
        _get(server, path, sha256=SHA256)
    assert server.requests[1]["Range"] is None


def test_a_part_of_a_file_of_unknown_length(path):
    first = _broken(length=None)
    second = Answer(CONTENT, moves="bytes 60000-199999/*")
    with serve(first, second) as server:
        _get(server, path, sha256=SHA256, size=200_000)
    first = _broken(chunked=True)
    with serve(first, Answer(CONTENT)) as server:
        _get(server, path.with_name("b"), sha256=SHA256)
    assert server.requests[1]["Range"] == "bytes=60000-"


@pytest.mark.parametrize("options", [{"chunked": True}, {"length": None}])
def test_a_file_of_unknown_length(path, options):
    with serve(Answer(CONTENT, **options)) as server:
        assert _get(server, path) == SHA256
    with serve(Answer(b"", **options)) as server:
        assert _get(server, path.with_name("empty"), size=0)
    assert path.with_name("empty").read_bytes() == b""


def test_wrong_bytes_are_refused_and_leave_nothing(path):
    with serve(Answer(OTHER)) as server:
        with pytest.raises(DataError) as info:
            _get(server, path, sha256=SHA256, md5=MD5)
    received = hashlib.sha256(OTHER).hexdigest()
    assert str(info.value) == (
        f"{server.url}: a file of sha256={SHA256}, md5={MD5} is expected. "
        f"Received: 200000 bytes of sha256={received}, "
        f"md5={hashlib.md5(OTHER).hexdigest()}"
    )
    assert _left(path) == []


def test_wrong_bytes_taken_up_are_refused_too(path):
    with serve(Answer(OTHER, sends=60_000), Answer(CONTENT)) as server:
        with pytest.raises(DataError, match="200000 bytes of md5="):
            _get(server, path, md5=MD5)
    assert _left(path) == []


@pytest.mark.parametrize(
    ("answer", "received"),
    [
        # Stated at the start.
        (Answer(CONTENT, hangs=True), 200_000),
        # Not stated: stopped as it comes.
        (Answer(CONTENT * 40, length=None), None),
        (Answer(CONTENT * 40, chunked=True), None),
        # Too little.
        (Answer(CONTENT[:99]), 99),
    ],
)
def test_a_size_that_is_not_the_expected_one(path, answer, received):
    with serve(answer) as server:
        with pytest.raises(DataError, match="of 1000 bytes is exp") as info:
            _get(server, path, size=1000)
    assert str(info.value).startswith(f"{server.url}: ")
    assert received is None or f"Received: {received} " in str(info.value)
    assert _left(path) == []


def test_a_part_that_is_longer_than_its_place(path):
    second = Answer(CONTENT + OTHER, moves="bytes 60000-199999/200000")
    with serve(_broken(), second) as server:
        with pytest.raises(DataError, match="of 200000 bytes is expected"):
            _get(server, path)
    assert _left(path) == []


@pytest.mark.parametrize("status", [408, 425, 429, 500, 502, 503, 504])
def test_troubles_that_pass(path, status):
    with serve(Answer(status=status), Answer(CONTENT)) as server:
        assert _get(server, path) == SHA256


@pytest.mark.parametrize("status", [301, 403, 404, 410, 501])
def test_refusals_are_final_until_asked_again(path, status):
    with serve(Answer(status=status), Answer(CONTENT)) as server:
        with pytest.raises(DataError, match=f"Received: status {status}, "):
            _get(server, path)
        assert len(server.requests) == 1
        assert _left(path) == []
        assert _get(server, path) == SHA256


def test_troubles_that_do_not_pass(path, monkeypatch):
    waits = []
    monkeypatch.setattr(time, "sleep", waits.append)
    with serve(*[Answer(status=503)] * 4) as server:
        with pytest.raises(DataError, match="0 bytes, then status 503"):
            _get(server, path, attempts=4, wait=20.0)
    assert len(server.requests) == 4
    assert waits == [20.0, 40.0, 60.0]
    with pytest.raises(DataError, match="ConnectionRefusedError|refused"):
        _get(server, path, attempts=2)


def test_progress_keeps_a_download_alive(path):
    content = np.random.default_rng(1).bytes(4 << 20)
    pieces = [
        Answer(content, sends=1_200_000),
        Answer(status=500),
        Answer(content, sends=1_200_000),
        Answer(status=500),
        Answer(content),
    ]
    with serve(*pieces) as server:
        _get(server, path, attempts=3, md5=hashlib.md5(content).hexdigest())
    # The same length over and over is no progress.
    with serve(*[Answer(content, sends=1_200_000, ranges=False)] * 3) as server:
        with pytest.raises(DataError, match="1200000 bytes, then the end of"):
            _get(server, path.with_name("b"), attempts=3)
    assert len(server.requests) == 3


def test_a_silent_server_is_left(path):
    silent = Answer(CONTENT, sends=60_000, hangs=True)
    with serve(silent, Answer(CONTENT)) as server:
        start = time.monotonic()
        _get(server, path, timeout=0.2)
    assert time.monotonic() - start < 5
    assert server.requests[1]["Range"] == "bytes=60000-"
    with serve(silent, silent) as server:
        with pytest.raises(DataError, match="60000 bytes, then TimeoutError"):
            _get(server, path.with_name("b"), timeout=0.2, attempts=1)


def test_redirections(path):
    with serve(Answer(CONTENT)) as target:
        there = {"Location": target.url}
        with serve(Answer(status=302, headers=there)) as server:
            assert _get(server, path) == SHA256
    for place, message in (
        ("ftp://127.0.0.1/scan.tar", "a redirection to http or https"),
        ("file:///etc/hostname", "Received: status 302"),
    ):
        there = {"Location": place}
        with serve(Answer(status=302, headers=there)) as server:
            with pytest.raises(DataError, match=message):
                _get(server, path.with_name("b"))
            assert len(server.requests) == 1


def test_https_does_not_become_http():
    answer = io.BytesIO()
    with pytest.raises(DataError, match="from https to http, is expected"):
        _Redirects().redirect_request(
            Request("https://a.org/b"), answer, 302, "", {}, "http://a.org"
        )
    assert answer.closed


def test_one_process_at_a_time(path):
    path.parent.mkdir()
    with open(path.parent / ".scan.tar.lock", "w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        with pytest.raises(DataError, match="scan.tar: one download at a"):
            download("http://127.0.0.1:9/scan.tar", path)


def test_room_on_the_disk(path, monkeypatch):
    usage = shutil.disk_usage(path.parent.parent)._replace(free=199_999)
    with serve(Answer(CONTENT)) as server:
        with monkeypatch.context() as patch:
            patch.setattr(shutil, "disk_usage", lambda _: usage)
            with pytest.raises(DataError, match="room for 200000 bytes of "):
                _get(server, path)


def test_a_disk_that_takes_no_more(path):
    limit, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    with serve(Answer(CONTENT)) as server:
        resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
        try:
            with pytest.raises(DataError, match="scan.tar.part: .*can be wri"):
                _get(server, path)
        finally:
            resource.setrlimit(resource.RLIMIT_FSIZE, (limit, hard))
    assert len(server.requests) == 1
    assert not path.exists()


@pytest.mark.parametrize(
    "url",
    [
        "ftp://a.org/b",
        "file:///etc/hostname",
        "a.org/b",
        "http://",
        "http://a.org/b c",
        "http://a.org/\r\nHost: b",
        "http://a.org:port/b",
        "http://[/b",
        "https://\u00e4.org",
    ],
)
def test_addresses_that_are_none(path, url):
    with pytest.raises(ValueError, match="`url` is expected.*Received: url="):
        download(url, path)
    assert not path.parent.exists()


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"sha256": MD5}, "`sha256` is expected to be 64 hexadecimal digits"),
        ({"md5": "x" * 32}, "`md5` is expected to be 32 .* Received: md5='xxx"),
        ({"md5": ""}, "`md5` is expected"),
        ({"size": -1}, "`size` is expected.*Received: size=-1"),
        ({"attempts": 0}, "`attempts` is expected.*Received: attempts=0"),
        (
            {"timeout": 0.0},
            "`timeout` is expected to be a finite number above 0.*timeout=0.0",
        ),
        (
            {"wait": -1.0},
            "`wait` is expected to be a finite number of at least 0.*wait=-1.0",
        ),
    ],
)
def test_arguments(path, options, message):
    with pytest.raises(ValueError, match=message):
        download("http://a.org/b", path, **options)


def test_a_folder_is_no_place_for_a_file(tmp_path):
    with pytest.raises(ValueError, match="`path` is expected.*a folder"):
        download("http://a.org/b", tmp_path)


@settings(max_examples=25, deadline=None)
@given(
    plan=st.lists(
        st.tuples(
            st.integers(0, 3000),
            st.sampled_from(
                [
                    {},
                    {"ranges": False},
                    {"length": None},
                    {"chunked": True},
                    {"headers": {"ETag": '"2"'}},
                    {"headers": {}},
                    {"status": 500},
                ]
            ),
        ),
        max_size=5,
    )
)
def test_whatever_breaks_the_end_is_right(tmp_path_factory, plan):
    content = CONTENT[:2000]
    path = tmp_path_factory.mktemp("any") / "scan.tar"
    broken = [Answer(content, sends=sends, **more) for sends, more in plan]
    with serve(*broken, Answer(content)) as server:
        known = hashlib.sha256(content).hexdigest()
        _get(server, path, sha256=known, size=2000, attempts=9)
    assert path.read_bytes() == content
    assert _left(path) == ["scan.tar"]
