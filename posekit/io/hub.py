"""Files of Hugging Face's hub: what the hub states of one, and the file itself, both by huggingface_hub.

The hub keeps a large file under its SHA-256 and states that, with the commit, before the file is sent.
huggingface_hub shows the progress, goes on where a transfer broke off, takes what it has in its own cache,
and heeds ``HF_HUB_OFFLINE`` and ``HF_ENDPOINT``; whether what arrived has the stated SHA-256 is for
``posekit.io.downloads`` to see. Importing this imports nothing heavy.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from posekit.io.transfer import TransferError, has_scheme

COMMIT, SHA256 = r"[0-9a-f]{40}", r"[0-9a-f]{64}"  # as the hub writes them


@dataclass(frozen=True)
class HubPlace:
    """Where on the hub a file lies.

    Attributes:
        repo: The repository, ``owner/name``.
        file: The file's name there.
        revision: A branch, a tag or a commit.
    """

    repo: str
    file: str = "model.safetensors"
    revision: str = "main"

    @property
    def page(self) -> str:
        """The address of the repository's page."""
        return f"https://huggingface.co/{self.repo}"

    @property
    def url(self) -> str:
        """The address of the file."""
        return f"{self.page}/resolve/{self.revision}/{self.file}"


class HubStatement(NamedTuple):
    """What the hub states of a file: the commit (40 hexadecimal digits), the SHA-256 (64) and the bytes."""

    commit: str
    sha256: str
    size: int


def ask_hub(place: HubPlace) -> HubStatement:
    """Asks the hub for a file's commit, SHA-256 and size.

    Raises:
        TransferError: If the hub cannot be asked, has no such file, states no SHA-256 of it (it does of large
            files alone), or is set to an address other than https.
    """
    with _explained(f"the hub cannot be asked for {place.url}"):
        import huggingface_hub

        url = huggingface_hub.hf_hub_url(place.repo, place.file, revision=place.revision)
        if not has_scheme(url, ("https",)):
            raise TransferError(f"{url}: only https is downloaded")
        found = huggingface_hub.get_hf_file_metadata(url)
    commit, digest = found.commit_hash or "", found.etag or ""
    known = re.fullmatch(COMMIT, commit) and re.fullmatch(SHA256, digest)
    if not known or found.size is None:
        raise TransferError(f"the hub states no commit, size and SHA-256 of {url}")
    return HubStatement(commit, digest, found.size)


def fetch_from_hub(place: HubPlace, commit: str, folder: Path) -> Path:
    """Fetches a file as it is at a commit; the path of it, below ``folder``.

    Args:
        place: The file.
        commit: In place of its revision.
        folder: What a transfer that breaks off leaves stays there, for the next one.

    Raises:
        TransferError: If it does not arrive.
    """
    with _explained(f"{place.url} did not arrive"):
        import huggingface_hub

        path = huggingface_hub.hf_hub_download(place.repo, place.file, revision=commit, local_dir=folder)
    return Path(path)


@contextmanager
def _explained(what: str) -> Iterator[None]:
    """Turns what goes wrong within into a TransferError."""
    try:
        yield
    except TransferError:
        raise
    # Its faults have no common class: those of requests or httpx, by its version, OSError, ValueError.
    except Exception as error:
        why = str(error).strip().partition("\n")[0]
        raise TransferError(f"{what} ({type(error).__name__}: {why})") from error
