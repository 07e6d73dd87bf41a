"""Requests a file, or its missing rest, from a server."""

import http.client
import urllib.error
import urllib.request
from collections.abc import Iterator
from typing import Any
from urllib.parse import urlsplit

from keras_cakes._errors import DataError
from keras_cakes.data.fetching.partial_file import PartialFile

_BLOCK = 1 << 20
# A server may recover from these; its other refusals are final.
_PASSING = (408, 425, 429, 500, 502, 503, 504)


class BrokenConnection(Exception):
    """Reports a connection that broke off; another one may succeed."""


def connect(part: PartialFile, timeout: float) -> Any:
    """Asks a server for the missing rest of a file.

    Args:
        part: The bytes that have come.
        timeout: Seconds that the server may stay silent.

    Returns:
        An `http.client.HTTPResponse` of the rest, or of the whole file where
        the server's file has changed.

    Raises:
        BrokenConnection: If another attempt may fare better.
        DataError: If the server does not have the file.
    """
    headers = {"User-Agent": "keras-cakes", "Accept-Encoding": "identity"}
    if part.held and part.validator:
        headers["Range"] = f"bytes={part.held}-"
        headers["If-Range"] = part.validator
    request = urllib.request.Request(part.url, headers=headers)
    try:
        opener = urllib.request.build_opener(_Redirects)
        response = opener.open(request, timeout=timeout)
    except urllib.error.HTTPError as error:
        error.close()
        if error.code == 416:
            # The server's file is shorter: it has changed.
            part.discard()
        elif error.code not in _PASSING:
            raise DataError(
                f"{part.url}: a file is expected. "
                f"Received: status {error.code}, {error.reason}"
            ) from None
        raise BrokenConnection(f"status {error.code}, {error.reason}") from None
    except (OSError, http.client.HTTPException) as error:
        raise BrokenConnection(f"{type(error).__name__}: {error}") from None
    if response.status == 200:
        part.begin(response)
    elif response.status != 206 or not part.continues(response):
        response.close()
        part.discard()
        raise BrokenConnection(
            "something else than the rest of the file: status "
            f"{response.status}, {response.headers['Content-Range']}"
        )
    return response


def blocks(response: Any) -> Iterator[bytes]:
    """Yields blocks as they arrive: a broken connection loses at most one."""
    try:
        while block := response.read1(_BLOCK):
            yield block
    except (OSError, http.client.HTTPException) as error:
        raise BrokenConnection(f"{type(error).__name__}: {error}") from None


class _Redirects(urllib.request.HTTPRedirectHandler):
    """Follows to http and https only, and never from https to http."""

    def redirect_request(self, req, fp, code, msg, headers, newurl):
        if urlsplit(newurl).scheme not in ("https", req.type):
            fp.close()
            raise DataError(
                f"{req.full_url}: a redirection to http or https, and not "
                f"from https to http, is expected. Received: {newurl}"
            )
        return super().redirect_request(req, fp, code, msg, headers, newurl)
