"""What a check has found."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

NOBODY = np.zeros(0, dtype=np.int64)


@dataclass(frozen=True, eq=False)
class Finding:
    """One kind of fault in one file.

    Attributes:
        kind: A short name for scripts, e.g. ``"boxes_as_corners"``.
        found: What was found: a phrase that goes on after the count.
        meaning: What it does to a training or a score.
        remedy: What to do.
        count: How many people, images or keypoints have it.
        of: Of how many.
        unit: "people", "images" or "keypoints".
        people: int64: rows of people to look at, the worst first.
        images: int64: rows of images to look at; for findings that are not about people.
        mended: Whether a mended copy of the file can be made with certainty.
        part: Which part of a config it is in, e.g. "training"; empty for a file alone.
        file: The annotation.
    """

    kind: str
    found: str
    meaning: str
    remedy: str
    count: int
    of: int
    unit: str = "people"
    people: np.ndarray = field(default_factory=lambda: NOBODY)
    images: np.ndarray = field(default_factory=lambda: NOBODY)
    mended: bool = False
    part: str = ""
    file: str = ""

    def at(self, part: str, file: str) -> Finding:
        """The finding with its place."""
        return replace(self, part=part, file=file)

    @property
    def sentence(self) -> str:
        """Count, finding, meaning and remedy."""
        return f"{self.count:,} of {self.of:,} {self.unit}: {self.found}. {self.meaning} {self.remedy}"

    def as_json(self) -> dict[str, Any]:
        """Plain values."""
        return {
            name: getattr(self, name)
            for name in ("kind", "part", "file", "count", "of", "unit", "found", "meaning", "remedy")
        } | {"mendable": self.mended}


def of_people(kind: str, rows: np.ndarray, of: int, *words: str, mended: bool = False) -> list[Finding]:
    """The finding that some people have a fault; none, if nobody has.

    Args:
        kind: See :class:`Finding`.
        rows: Rows of people, the worst first; or a mask.
        of: How many people there are.
        words: What was found, what it means, the remedy.
        mended: See :class:`Finding`.
    """
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    found, meaning, remedy = words
    return [Finding(kind, found, meaning, remedy, len(rows), of, people=rows, mended=mended)] * bool(
        len(rows)
    )


def of_images(kind: str, rows: np.ndarray, of: int, *words: str, mended: bool = False) -> list[Finding]:
    """As :func:`of_people`, of images."""
    rows = np.flatnonzero(rows) if rows.dtype == bool else rows
    found, meaning, remedy = words
    finding = Finding(kind, found, meaning, remedy, len(rows), of, "images", images=rows, mended=mended)
    return [finding] * bool(len(rows))
