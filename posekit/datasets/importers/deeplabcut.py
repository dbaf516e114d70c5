"""DeepLabCut: ``CollectedData_<scorer>.csv`` (or .h5), one per folder of frames, or a whole project.

The header has the rows scorer, individuals (only with several animals), bodyparts and coords; an empty cell
is not labelled, and what is labelled is visible, as DeepLabCut knows nothing else. Its figures put pixel
centres at integers, as posekit does: coordinates are taken as they stand.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

from posekit.datasets.importers.labels import (
    VISIBLE,
    Category,
    Labels,
    Person,
    Picture,
    number,
    points_by_name,
)
from posekit.errors import DataError, shown

FORM = "DeepLabCut"
_LEVELS = ("scorer", "individuals", "bodyparts", "coords")
ANIMAL, SINGLE = "animal", "single"

Column = tuple[str, str]  # individual, bodypart


def read_deeplabcut(paths: Sequence[Path], project: Mapping[str, Any] | None = None) -> Labels:
    """The labels in DeepLabCut's files.

    Args:
        paths: .csv or .h5 files.
        project: The project's config.yaml, for its ``skeleton``.

    Raises:
        DataError: On anything malformed, naming file, row and column; on .h5 without pandas and tables.
    """
    pictures: list[Picture] = []
    found: list[tuple[int, str, dict[str, tuple[float, float, int]]]] = []
    names: dict[str, dict[str, None]] = {}
    for path in sorted(paths):
        columns, rows = _columns(_table(path), path)
        for individual, bodypart in columns:
            names.setdefault(_category(individual), {})[bodypart] = None
        for line, picture, cells in rows:
            pictures.append(Picture(picture))
            labelled = _people(columns, cells, f"{path}, line {line}")
            found += [(len(pictures) - 1, _category(who), points) for who, points in labelled.items()]
    limbs = (project or {}).get("skeleton") or []
    categories = {
        name: Category(tuple(own), _limbs(limbs, tuple(own), "config.yaml")) for name, own in names.items()
    }
    people = [
        Person(row, name, points_by_name(named, categories[name].keypoints)) for row, name, named in found
    ]
    return Labels(FORM, categories, pictures, people)


def _category(individual: str) -> str:
    """DeepLabCut's parts that belong to no animal are those of an individual named "single"."""
    return SINGLE if individual == SINGLE else ANIMAL


def _table(path: Path) -> list[list[str]]:
    if path.suffix.lower() in (".h5", ".hdf5"):
        return _hdf(path)
    try:
        with path.open(encoding="utf-8-sig", newline="") as file:
            return [row for row in csv.reader(file, strict=True) if row]
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as csv: {error}") from error


def _hdf(path: Path) -> list[list[str]]:
    """The rows that the csv of the same name has; of that itself, if it lies beside the file."""
    beside = path.with_suffix(".csv")
    if beside.is_file():
        return _table(beside)
    advice = f"give {beside.name}, which DeepLabCut writes beside it"
    if os.environ.get("POSEKIT_TRUST_H5") != "allow":
        raise DataError(
            f"{path}: pandas may run what is in an .h5; {advice}, or, if you made the file yourself, set "
            "POSEKIT_TRUST_H5=allow"
        )
    try:
        import pandas as pd
        import tables  # noqa: F401 - pandas reads with it
    except ImportError as error:
        raise DataError(
            f"{path}: reading .h5 needs pandas and tables ({error}); {advice}, or: pip install pandas tables"
        ) from error
    try:
        frame = pd.read_hdf(path)
    except Exception as error:  # pandas raises whatever it meets in a file
        reason = str(error).strip().splitlines()[-1:] or [type(error).__name__]
        raise DataError(f"{path}: cannot be read as DeepLabCut's .h5 ({reason[0]}); {advice}") from error
    wide = frame.index.nlevels
    blank = [""] * (wide - 1)
    head = [
        [str(name), *blank, *map(str, frame.columns.get_level_values(level))]
        for level, name in enumerate(frame.columns.names)
    ]
    index = [[str(part) for part in (key if wide > 1 else (key,))] for key in frame.index]
    cells = [["" if value != value else repr(float(value)) for value in row] for row in frame.to_numpy()]
    return head + [key + row for key, row in zip(index, cells, strict=True)]


def _columns(table: list[list[str]], path: Path) -> tuple[list[Column], list[tuple[int, str, list[str]]]]:
    """The header's columns, two each (x, y), and the rows: line, picture, cells."""
    head = {row[0].strip().lower(): row for row in table[:4] if row[0].strip().lower() in _LEVELS}
    missing = [name for name in _LEVELS if name not in head and name != "individuals"]
    if missing:
        raise DataError(
            f"{path}: expected header rows {', '.join(_LEVELS)} as in CollectedData_<scorer>.csv, found no "
            f"'{missing[0]}' but {shown([row[0] for row in table[:4]])}"
        )
    coords = [cell.strip() for cell in head["coords"]]
    first = next((k for k, cell in enumerate(coords) if k and cell), len(coords))
    kinds = coords[first:]
    if "likelihood" in kinds:
        raise DataError(
            f"{path}: found 'likelihood': predictions, expected labels (CollectedData_<scorer>.csv)"
        )
    if not kinds or len(kinds) % 2 or kinds != ["x", "y"] * (len(kinds) // 2):
        raise DataError(f"{path}, row 'coords': expected x, y, x, y, ..., found {shown(kinds)}")
    wrong = next((n for n, row in enumerate(table, 1) if len(row) != len(coords)), None)
    if wrong is not None:
        raise DataError(f"{path}, line {wrong}: expected {len(coords)} cells, found {len(table[wrong - 1])}")
    individuals = head.get("individuals", ["animal"] * len(coords))
    columns = [(individuals[k], head["bodyparts"][k]) for k in range(first, len(coords), 2)]
    if len(set(columns)) < len(columns):
        raise DataError(
            f"{path}, row 'bodyparts': expected different names, found {shown(head['bodyparts'])}"
        )
    rows = list(enumerate(table, 1))[len(head) :]
    return columns, [(line, "/".join(row[:first]), row[first:]) for line, row in rows]


def _people(
    columns: Sequence[Column], cells: Sequence[str], where: str
) -> dict[str, dict[str, tuple[float, float, int]]]:
    """The labelled points of each individual on a picture."""
    people: dict[str, dict[str, tuple[float, float, int]]] = {}
    for k, (individual, bodypart) in enumerate(columns):
        pair = [cell.strip() for cell in cells[2 * k : 2 * k + 2]]
        empty = [cell.lower() in ("", "nan") for cell in pair]
        if all(empty):
            continue
        at = f"{where}, '{bodypart:.40}' of {individual:.40}"
        if any(empty):
            raise DataError(f"{at}: expected x and y, or neither, found {shown(pair)}")
        x, y = (number(cell, at) for cell in pair)
        people.setdefault(individual, {})[bodypart] = (x, y, VISIBLE)
    return people


def _limbs(pairs: Any, names: tuple[str, ...], where: str) -> tuple[tuple[int, int], ...]:
    """The skeleton of a project, as far as it joins these points."""
    if not isinstance(pairs, list) or not all(isinstance(p, list) and len(p) == 2 for p in pairs):
        raise DataError(f"{where}, field 'skeleton': expected pairs of bodyparts, found {shown(pairs)}")
    known = [tuple(map(str, pair)) for pair in pairs if all(str(name) in names for name in pair)]
    return tuple((names.index(a), names.index(b)) for a, b in known if a != b)
