"""Weight files, downloaded or put there by hand: checked every time, resumed when interrupted.

Files live in ``$POSEKIT_HOME/weights``, by default ``$XDG_CACHE_HOME/posekit/weights`` or
``~/.cache/posekit/weights``. A transfer goes into ``<name>.part`` and is renamed when it is whole and its
SHA-256 fits, so that a file under its own name is always a good one. A file put there by hand is taken as it
is, without any network. Only https is spoken, wherever a server redirects to, nothing is fetched whose
SHA-256 is not known, and no more than :func:`size_limit`. Of a file on Hugging Face's hub the hub states the
SHA-256; it is kept beside the file, as ``<name>.json`` with the commit, and compared from then on. Importing
this imports nothing heavy.
"""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import sys
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path

from posekit.errors import CheckpointError, DataError
from posekit.io.files import environment_number, read_json, sha256, write_json
from posekit.io.hub import COMMIT, SHA256, HubPlace, ask_hub, fetch_from_hub
from posekit.io.transfer import TransferError, has_scheme, transfer

try:
    import fcntl
except ImportError:  # Windows
    fcntl = None  # type: ignore[assignment]

_SCHEMES: tuple[str, ...] = ("https",)
_LARGEST_MB = 4096  # of the zoo the largest, ViTPose++ h, has 3.6 GB
_LEAST_DIGITS = 8  # publishers state so many in a file's name


@dataclass(frozen=True)
class WeightFile:
    """A published weight file.

    Attributes:
        name: The file's name.
        page: Where a person finds it.
        url: Where a program finds it; None if it must be fetched by hand (shared folders of cloud drives).
        sha256: The SHA-256's first hexadecimal digits, as many as the publisher states, at least 8; None:
            none stated, which will do for a file put there by hand or of the hub alone.
        hub: Where on Hugging Face's hub it lies, whose SHA-256 is taken where none is stated.
    """

    name: str
    page: str
    url: str | None = None
    sha256: str | None = None
    hub: HubPlace | None = None

    @property
    def checksum(self) -> str:
        """The checksum in words."""
        if self.hub and not self.sha256:
            return "sha256 of the hub"
        return f"sha256 {self.sha256}..." if self.sha256 else "unverified, by hand"


def weights_folder() -> Path:
    """The folder of weight files; it need not exist yet."""
    if home := os.environ.get("POSEKIT_HOME"):
        return Path(home).expanduser() / "weights"
    cache = os.environ.get("XDG_CACHE_HOME") or "~/.cache"
    return Path(cache).expanduser() / "posekit" / "weights"


def size_limit() -> int:
    """The bytes that a download may have: 4 GiB, or ``POSEKIT_MAX_DOWNLOAD_MB``."""
    return environment_number("POSEKIT_MAX_DOWNLOAD_MB", _LARGEST_MB) << 20


def obtain(file: WeightFile, folder: str | Path | None = None) -> Path:
    """The path of a weight file, which is downloaded if it is not there yet.

    Args:
        file: What is wanted.
        folder: Where it lies or shall lie; None: :func:`weights_folder`.

    Raises:
        CheckpointError: If it has to be fetched by hand, cannot be downloaded, is not at an https address, is
            larger than a download may be, or has another checksum or none; the message says where to get it
            and where to put it.
    """
    if Path(file.name).name != file.name or file.name in ("", ".", ".."):
        raise CheckpointError(f"weights {file.name!r}: expected the name of a file without a folder")
    path = Path(folder or weights_folder()) / file.name
    if not path.is_file():
        if file.url is None:
            raise _fault(file, path, "not there, and to be fetched by hand")
        _check_source(file, file.url, path)
        with _locked(path):
            # Another process may have fetched it while this one waited.
            if not path.is_file():
                if file.hub is not None:
                    _download_from_hub(_as_recorded(file, path), path)
                else:
                    _download(file, file.url, path)
                return path
    _check(_as_recorded(file, path), path, path)
    return path


def _check_source(file: WeightFile, url: str, path: Path) -> None:
    """Raises CheckpointError unless the file can be fetched over https and compared with a checksum."""
    if not has_scheme(url, _SCHEMES):
        raise _fault(file, path, f"{url}: only https is downloaded")
    if file.hub is not None and file.sha256 is None:
        return
    if not re.fullmatch(rf"[0-9a-fA-F]{{{_LEAST_DIGITS},64}}", file.sha256 or ""):
        raise _fault(
            file,
            path,
            f"nothing is downloaded without a checksum; expected at least {_LEAST_DIGITS} digits of its "
            f"SHA-256, found {file.sha256!r}",
        )


def _fault(file: WeightFile, path: Path, why: str) -> CheckpointError:
    """Why a file cannot be had, and how to get it by hand."""
    source = f"{file.url}\n  see also:    {file.page}" if file.url else file.page
    text = f"weights {file.name}: {why}.\n  get it from: {source}\n  put it here: {path}"
    if file.hub is not None and _record(path).is_file() and re.fullmatch(COMMIT, file.hub.revision):
        text += f"\n  pinned by:   {_record(path)}; remove that to take another"
    return CheckpointError(text)


def _check(file: WeightFile, found: Path, path: Path) -> None:
    """Compares the checksum of a file, if one is published; a wrong file is moved aside."""
    if file.sha256 is None:
        return
    digest = sha256(found)
    if digest.startswith(file.sha256.lower()):
        return
    aside = path.with_name(f"{path.name}.wrong")
    found.replace(aside)
    raise _fault(
        file,
        path,
        f"expected a SHA-256 beginning with {file.sha256}, found {digest}; damaged, or not the published "
        f"file. It is not used and was moved to {aside}",
    )


@contextlib.contextmanager
def _locked(path: Path) -> Iterator[None]:
    """Keeps other processes, such as those of a training on several GPUs, from fetching the same file."""
    with contextlib.ExitStack() as held:
        try:
            path.parent.mkdir(parents=True, exist_ok=True)
            if fcntl is None:
                from filelock import FileLock

                held.enter_context(FileLock(path.parent / ".lock"))
            else:
                # The folder itself: a lock file could only be removed by racing with those who wait for it.
                handle = os.open(path.parent, os.O_RDONLY)
                held.callback(os.close, handle)
        except OSError as error:
            raise CheckpointError(f"weights {path}: no folder can be made there: {error.strerror}") from error
        if fcntl is not None:
            fcntl.flock(handle, fcntl.LOCK_EX)
        yield


def _download(file: WeightFile, url: str, path: Path) -> None:
    part = path.with_name(f"{path.name}.part")
    print(f"downloading {url}\n         to {path}", file=sys.stderr)
    try:
        transfer(url, part, _SCHEMES, size_limit())
    except TransferError as error:
        raise _fault(file, path, str(error)) from error
    except OSError as error:
        raise CheckpointError(f"weights {part}: cannot be written: {error.strerror or error}") from error
    _check(file, part, path)
    part.replace(path)


# --- Hugging Face's hub ------------------------------------------------------------------------------------


def _download_from_hub(file: WeightFile, path: Path) -> None:
    """Fetches a file whose SHA-256 is the stated one, or else the hub's for the commit that is fetched."""
    assert file.hub is not None
    part = path.with_name(f"{path.name}.part")
    try:
        stated = ask_hub(file.hub)
        if stated.size > size_limit():
            raise TransferError(
                f"{file.hub.url} has {stated.size:,} bytes; expected at most {size_limit():,} "
                "(POSEKIT_MAX_DOWNLOAD_MB sets another limit)"
            )
        print(f"downloading {file.hub.url}\n         to {path}", file=sys.stderr)
        found = fetch_from_hub(file.hub, stated.commit, part)
    except TransferError as error:
        raise _fault(file, path, str(error)) from error
    known = replace(file, sha256=file.sha256 or stated.sha256)
    try:
        _check(known, found, path)
        digest = stated.sha256 if file.sha256 is None else sha256(found)  # in full
        record = {"url": file.hub.url, "commit": stated.commit, "sha256": digest}
        # First, so that a file never lies there without; alone it pins what is fetched next.
        write_json(_record(path), record)
        found.replace(path)
    finally:
        shutil.rmtree(part, ignore_errors=True)
    print(f"commit {stated.commit}, sha256 {digest}, kept in {_record(path)}", file=sys.stderr)


def _record(path: Path) -> Path:
    """Where a file's commit and SHA-256 are kept."""
    return path.with_name(f"{path.name}.json")


def _as_recorded(file: WeightFile, path: Path) -> WeightFile:
    """A file of the hub at the commit, and with the SHA-256, that are kept of it; a stated SHA-256 wins.

    Raises:
        CheckpointError: If what is kept is not readable.
    """
    if file.hub is None or file.sha256 is not None or not _record(path).is_file():
        return file
    try:
        kept = read_json(_record(path))
        commit, digest = str(kept["commit"]), str(kept["sha256"])
    except (DataError, KeyError, TypeError) as error:
        raise CheckpointError(f"{_record(path)}: is no record of a download ({error}); remove it") from error
    if not (re.fullmatch(COMMIT, commit) and re.fullmatch(SHA256, digest)):
        raise CheckpointError(f"{_record(path)}: holds no commit and SHA-256; remove it")
    return replace(file, sha256=digest, hub=replace(file.hub, revision=commit))
