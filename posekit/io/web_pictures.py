"""A picture or a film at an http(s) address of the user's: fetched, and looked at before it is used.

Nobody published a checksum of it, so what came is told, with its size and SHA-256.
"""

from __future__ import annotations

import os
import re
import sys
import tempfile
import urllib.parse
from pathlib import Path

from posekit.errors import DataError
from posekit.io.files import environment_number, sha256
from posekit.io.images import PICTURES, cv2
from posekit.io.transfer import TransferError, has_scheme, transfer
from posekit.io.video import FILMS, VideoReader

_SCHEMES = ("http", "https")
_LARGEST_MB = 1024
_LONGEST_NAME = 100  # bytes of UTF-8; file systems allow 255
# The suffix that a file gets where its address has none: beginnings of files, "." for any byte.
_BEGINNINGS = {
    rb"\xff\xd8\xff": ".jpg",
    rb"\x89PNG": ".png",
    rb"GIF8": ".gif",
    rb"BM": ".bmp",
    rb"RIFF....WEBP": ".webp",
    rb"RIFF....AVI ": ".avi",
    rb"II\*\x00|MM\x00\*": ".tif",
    rb"....ftypavi[fs]": ".avif",
    rb"....ftyp": ".mp4",
    rb"\x1a\x45\xdf\xa3": ".mkv",
}


def is_url(name: str) -> bool:
    """Whether a name is an address, of which no file is there."""
    return re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", name) is not None and not os.path.lexists(name)


def fetch_picture(url: str, folder: str | os.PathLike[str]) -> Path:
    """Downloads a picture or a film into a new folder within ``folder``, and says on stderr what it is.

    Args:
        url: An http or https address.
        folder: An existing one; to remove it is the caller's part.

    Returns:
        The file. Its name is that of the address, with a suffix by its content where that has none.

    Raises:
        DataError: If it cannot be fetched, has more than 1 GiB (or ``POSEKIT_MAX_DOWNLOAD_MB``), or is
            neither a picture nor a film; the message says how to get it by hand.
    """
    if not has_scheme(url, _SCHEMES):
        raise DataError(f"{url}: expected an address of http or https, or a file; download it first")
    limit = environment_number("POSEKIT_MAX_DOWNLOAD_MB", _LARGEST_MB) << 20
    name = _name_of(url)
    try:
        part = Path(tempfile.mkdtemp(dir=folder)) / name
        print(f"downloading {url}", file=sys.stderr)
        transfer(_as_sent(url), part, _SCHEMES, limit)
    except TransferError as error:
        raise _fault(url, str(error), name) from error
    except OSError as error:
        raise DataError(f"{url}: cannot be written to {folder}: {error.strerror or error}") from error
    print(f"         {part.stat().st_size:,} bytes, sha256 {sha256(part)}", file=sys.stderr)
    return _as_picture(part, url)


def _as_sent(url: str) -> str:
    """An address as people copy it, with spaces and letters of any language, in the form that is sent."""
    parts = urllib.parse.urlsplit(url)
    user, at, place = parts.netloc.rpartition("@")
    host, colon, port = place.partition(":")
    try:
        if not host.isascii():
            host = host.encode("idna").decode("ascii")
        sent = parts._replace(netloc=f"{user}{at}{host}{colon}{port}").geturl()
        return urllib.parse.quote(sent, safe="!#$%&'()*+,/:;=?@[]~")
    except UnicodeError as error:
        raise TransferError(f"{url} is no address: {error}") from error


def _fault(url: str, why: str, name: str) -> DataError:
    return DataError(
        f"{url}: {why.removeprefix(url).lstrip()}.\n  by hand: save it from a browser, or with\n"
        f"           curl -L -o '{name}' '{url}'\n"
        f"           and give that file, {name}, in place of the address"
    )


def _name_of(url: str) -> str:
    """A file's name for what is at an address: the address's own last part."""
    parts = urllib.parse.urlsplit(url)
    name = urllib.parse.unquote(parts.path).rstrip("/").rpartition("/")[2] or parts.hostname or ""
    end = re.sub(r"[^\w.,+-]", "_", name).encode()[-_LONGEST_NAME:].decode(errors="ignore")
    return end.lstrip(".") or "picture"


def _as_picture(part: Path, url: str) -> Path:
    """The file under a name by which it is known for what it is; raises DataError if it is no such thing."""
    with part.open("rb") as file:
        start = file.read(64)
    kinds = (suffix for form, suffix in _BEGINNINGS.items() if re.match(form, start, re.DOTALL))
    suffix, own = next(kinds, ""), part.suffix.lower()
    if cv2.haveImageReader(str(part)):
        known = PICTURES if suffix != ".gif" else (".gif",)
        path = part if own in known else part.with_name(part.name + (suffix or ".png"))
    else:
        path = part if own in FILMS else part.with_name(part.name + (suffix or ".mp4"))
    part.rename(path)
    if path.suffix.lower() in FILMS:
        try:
            VideoReader(path).close()
        except DataError as error:
            raise _fault(url, _no_picture(start), part.name) from error
    return path


def _no_picture(start: bytes) -> str:
    if start.lstrip()[:1] == b"<":
        return "is a web page, and neither a picture nor a film; take the address of the picture itself"
    return f"what it sends is neither a picture nor a film that can be read; it begins with {start[:16]!r}"
