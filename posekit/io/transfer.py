"""One file over http: resumed where it broke off, no larger than allowed, with its progress.

What may be fetched, and what becomes of it, is for the callers to say: weights in ``posekit.io.downloads``,
a user's pictures in ``posekit.io.web_pictures``. Importing this imports nothing heavy.
"""

from __future__ import annotations

import http.client
import urllib.error
import urllib.parse
import urllib.request
from pathlib import Path
from typing import Any, BinaryIO
from urllib.error import HTTPError

_BLOCK = 1 << 18
_ATTEMPTS = 3
_TIMEOUT_S = 30
_RANGE_NOT_SATISFIABLE = 416


class TransferError(Exception):
    """Why a file did not arrive, in words that follow the file's name."""


class _BrokenOffError(Exception):
    """The connection ended before the file did."""


class _TooLargeError(Exception):
    """The server sends more than a download may have."""


def has_scheme(url: str, schemes: tuple[str, ...]) -> bool:
    """Whether an address is of one of these schemes; what is no address is of none."""
    try:
        return urllib.parse.urlsplit(url).scheme.lower() in schemes
    except ValueError:  # no address at all, such as https://[
        return False


def transfer(url: str, part: Path, schemes: tuple[str, ...], limit: int) -> None:
    """Fetches ``url`` into ``part``; of a file that is partly there, what it lacks.

    Args:
        url: Of one of the schemes.
        part: What a transfer that breaks off leaves stays there, for the next one.
        schemes: "https", "http": also of whatever a server redirects to.
        limit: Bytes, at most.

    Raises:
        TransferError: If it is no address, the server cannot be reached, answers with no file, redirects
            elsewhere, sends more than the limit (then nothing is left of it), or breaks off three times.
        OSError: If the file cannot be written.
    """
    for attempt in range(1, _ATTEMPTS + 1):
        try:
            _transfer(url, part, schemes, limit)
            return
        except _TooLargeError as error:
            part.unlink(missing_ok=True)
            raise TransferError(f"{url} {error}") from error
        except http.client.InvalidURL as error:
            raise TransferError(f"{url} is no address, or redirects to what is none: {error}") from error
        except (_BrokenOffError, http.client.HTTPException, ConnectionError, TimeoutError) as error:
            if attempt == _ATTEMPTS:
                size = part.stat().st_size if part.exists() else 0
                why = f"the transfer broke off {attempt} times, now after {size:,} bytes ({error})"
                raise TransferError(f"{why}. The next attempt goes on from there") from error
        except urllib.error.URLError as error:
            how = f"answers {error.code}" if isinstance(error, HTTPError) else "cannot be reached"
            raise TransferError(f"{url} {how} ({error.reason})") from error


class Redirects(urllib.request.HTTPRedirectHandler):
    """Follows a redirection to one of the schemes alone."""

    def __init__(self, schemes: tuple[str, ...]) -> None:
        self.schemes = schemes

    def redirect_request(
        self, req: urllib.request.Request, fp: Any, code: int, msg: str, headers: Any, newurl: str
    ) -> urllib.request.Request | None:
        if not has_scheme(newurl, self.schemes):
            only = " and ".join(self.schemes)
            raise urllib.error.URLError(f"it redirects to {newurl}, and only {only} is downloaded")
        return super().redirect_request(req, fp, code, msg, headers, newurl)


def _transfer(url: str, part: Path, schemes: tuple[str, ...], limit: int) -> None:
    """Appends to ``part`` what it lacks of ``url``.

    Raises:
        _BrokenOffError: If the server stopped before the end.
        http.client.InvalidURL: If the address, or one that a server redirects to, is none.
        urllib.error.URLError: On any answer but the file.
    """
    offset = part.stat().st_size if part.exists() else 0
    request = urllib.request.Request(url, headers={"User-Agent": "posekit"})
    if offset:
        request.add_header("Range", f"bytes={offset}-")
    try:
        response = urllib.request.build_opener(Redirects(schemes)).open(request, timeout=_TIMEOUT_S)
    except ValueError as error:  # what urllib raises of hosts such as a..b and [::1, UnicodeError among it
        raise http.client.InvalidURL(str(error)) from error
    except HTTPError as error:
        if error.code != _RANGE_NOT_SATISFIABLE or not offset:
            raise
        error.close()
        # Nothing lies beyond the part: it is the whole file, or the beginning of another one.
        if error.headers.get("Content-Range", "").rpartition("/")[2] == str(offset):
            return
    else:
        with response:
            # A server that knows no ranges answers 200 and sends the whole file again.
            resumed = response.status == http.HTTPStatus.PARTIAL_CONTENT
            if not resumed or response.headers.get("Content-Range", "").startswith(f"bytes {offset}-"):
                with part.open("ab" if resumed else "wb") as out:
                    _copy(response, out, offset if resumed else 0, limit)
                return
    part.unlink()
    _transfer(url, part, schemes, limit)


def _copy(response: http.client.HTTPResponse, out: BinaryIO, offset: int, limit: int) -> None:
    from tqdm import tqdm

    total = _stated_size(response, offset)
    if total is not None and total > limit:
        raise _too_large(total, limit)
    done = offset
    # None: no bar where nobody watches, such as in a log file.
    with tqdm(total=total, initial=offset, unit="B", unit_scale=True, disable=None) as bar:
        while block := response.read(_BLOCK):
            done += len(block)
            if done > limit:  # a server need not state a size, or the right one
                raise _too_large(done, limit)
            out.write(block)
            bar.update(len(block))
    if total is not None and done < total:
        raise _BrokenOffError(f"{done:,} of {total:,} bytes arrived")


def _stated_size(response: http.client.HTTPResponse, offset: int) -> int | None:
    """The bytes of the whole file, if the server states a number of them."""
    length = response.headers.get("Content-Length") or ""
    return offset + int(length) if length.isascii() and length.isdecimal() and len(length) < 16 else None


def _too_large(size: int, limit: int) -> _TooLargeError:
    return _TooLargeError(
        f"sends {size:,} bytes or more; expected at most {limit:,} (POSEKIT_MAX_DOWNLOAD_MB sets another "
        "limit)"
    )
