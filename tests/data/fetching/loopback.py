"""A server on this machine that answers as badly as it is told to."""

import contextlib
import dataclasses
import email.message
import http.server
import re
import threading
from collections.abc import Iterator


@dataclasses.dataclass
class Answer:
    """What the server does with one request.

    Args:
        content: The file that it has at that moment.
        status: Another status than 200 is sent without content.
        headers: Headers besides the length; `ETag` and `Last-Modified` are
            what `If-Range` is compared with.
        ranges: Whether ranges are served.
        checks: Whether `If-Range` is looked at.
        sends: Bytes after which the connection ends.
        length: Another length than that of what is sent; `None` states none.
        chunked: Whether what is sent comes in chunks.
        hangs: Whether, after what is sent, nothing happens until the client
            goes.
        moves: A `Content-Range` other than the one that is served.
    """

    content: bytes = b""
    status: int = 200
    headers: dict[str, str] = dataclasses.field(
        default_factory=lambda: {"ETag": '"1"'}
    )
    ranges: bool = True
    checks: bool = True
    sends: int | None = None
    length: int | str | None = "true"
    chunked: bool = False
    hangs: bool = False
    moves: str | None = None


@dataclasses.dataclass
class Loopback:
    """The running server and what it was asked."""

    url: str
    requests: list[email.message.Message]


@contextlib.contextmanager
def serve(*answers: Answer, within: float = 10.0) -> Iterator[Loopback]:
    """Gives each answer once, in turn, and is gone after the last.

    Args:
        answers: One for each request; a later request is refused.
        within: Seconds after which it stops waiting for a request.
    """
    waiting = list(answers)
    requests: list[email.message.Message] = []

    class Handler(http.server.BaseHTTPRequestHandler):
        timeout = within

        def do_GET(self):
            requests.append(self.headers)
            # A client that has read enough goes away.
            with contextlib.suppress(ConnectionError):
                _reply(self, waiting.pop(0))

        def log_message(self, *_):
            pass

    server = http.server.HTTPServer(("127.0.0.1", 0), Handler)
    server.timeout = 0.05

    def work():
        for _ in range(int(within / server.timeout)):
            if not waiting or stopped.is_set():
                break
            server.handle_request()
        server.server_close()

    stopped = threading.Event()
    thread = threading.Thread(target=work)
    thread.start()
    try:
        port = server.server_address[1]
        yield Loopback(f"http://127.0.0.1:{port}/scan.tar", requests)
    finally:
        stopped.set()
        thread.join()


def _reply(handler: http.server.BaseHTTPRequestHandler, answer: Answer):
    content, status = answer.content, answer.status
    headers = dict(answer.headers)
    asked = re.fullmatch(r"bytes=(\d+)-", handler.headers["Range"] or "")
    known = (headers.get("ETag"), headers.get("Last-Modified"), None)
    same = not answer.checks or handler.headers["If-Range"] in known
    if status == 200 and asked and answer.ranges and same:
        start, total = int(asked[1]), len(content)
        if start >= total:
            status, content = 416, b""
            headers["Content-Range"] = f"bytes */{total}"
        else:
            status, content = 206, content[start:]
            headers["Content-Range"] = (
                answer.moves or f"bytes {start}-{total - 1}/{total}"
            )
    if answer.chunked:
        headers["Transfer-Encoding"] = "chunked"
        handler.protocol_version = "HTTP/1.1"
        handler.close_connection = True
    elif answer.length is not None:
        true = len(content)
        length = true if answer.length == "true" else answer.length
        headers["Content-Length"] = str(length)
    handler.send_response(status)
    for name, value in headers.items():
        handler.send_header(name, value)
    handler.end_headers()
    body = content[: answer.sends]
    if answer.chunked:
        end = b"0\r\n\r\n" if answer.sends is None else b""
        body = b"%x\r\n%s\r\n" % (len(body), body) + end
    handler.wfile.write(body)
    if answer.hangs:
        handler.connection.recv(1)
