"""What a command tells programs: one JSON object on stdout, written image by image."""

from __future__ import annotations

import contextlib
import json
from collections.abc import Iterator
from typing import Any, TextIO


class JsonDocument:
    """``{"images": [...], "left_out": [...], "error": null}``, of any length: nothing is kept of an image.

    In ASCII: a file's name need not be UTF-8, nor the terminal.

    Attributes:
        left_out: What could not be used, in words; written at the end.
    """

    def __init__(self, file: TextIO) -> None:
        self._file = file
        self._separator = ""
        self.left_out: list[str] = []

    def add(self, image: dict[str, Any]) -> None:
        """Writes one image's object."""
        self._file.write(self._separator + json.dumps(image, allow_nan=False))
        self._file.flush()
        self._separator = ",\n"

    def end(self, error: str | None) -> None:
        """Writes what follows the images."""
        rest = json.dumps({"left_out": self.left_out, "error": error})
        self._file.write(f"\n], {rest.removeprefix('{')}\n")
        self._file.flush()


@contextlib.contextmanager
def json_document(file: TextIO) -> Iterator[JsonDocument]:
    """A document that is whole however the block ends; an error is told in it, and raised."""
    document, error = JsonDocument(file), None
    try:
        file.write('{"images": [\n')  # now: at the first image Ctrl-C might have it written twice
        yield document
    except BaseException as raised:
        name = "interrupted" if isinstance(raised, KeyboardInterrupt) else type(raised).__name__
        error = str(raised) or name
        raise
    finally:
        document.end(error)
