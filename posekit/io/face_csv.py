"""Landmarks of faces as csv: a row for each face, ``image,x0,y0,...,xK-1,yK-1`` and further columns by name.

Points are 0-based pixels, an integer being a pixel's centre. An empty cell is a point that is not labelled.
"""

from __future__ import annotations

import csv
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posekit.errors import ConfigError, DataError, shown

IMAGE = "image"


@dataclass(frozen=True, eq=False)
class FaceRows:
    """The rows of a file.

    Attributes:
        file: Where they were read from.
        images: N image names.
        points: float64 (N, K, 2), 0-based pixels; NaN where not labelled.
        lines: N line numbers in the file, from 1.
        labelled: bool (N, K).
        columns: The further columns' cells, by name, N each.
    """

    file: str
    images: list[str]
    points: np.ndarray
    lines: list[int]
    columns: Mapping[str, list[str]]

    @property
    def labelled(self) -> np.ndarray:
        return ~np.isnan(self.points).any(axis=2)

    def where(self, row: int) -> str:
        """A row's place in the file, for messages."""
        return f"{self.file}, line {self.lines[row]} ({self.images[row]})"


def read_face_csv(path: str | os.PathLike[str]) -> FaceRows:
    """Reads a file of faces.

    Raises:
        DataError: If it is missing or no such csv, a row has other columns than the header, a cell is no
            number, or a point has one coordinate alone, naming line and column.
    """
    header, rows, lines = _table(path)
    points = [name for name in header if name[:1] in "xy" and name[1:].isdecimal()]
    count = len(points) // 2
    wanted = [f"{axis}{k}" for k in range(count) for axis in "xy"]
    if header[:1] != [IMAGE] or not count or header[1 : 1 + 2 * count] != wanted:
        raise DataError(
            f"{path}, line 1: expected the columns image, x0, y0, x1, y1, ... and then others, found "
            f"{shown(header)}"
        )
    numbers = _numbers(path, [row[1 : 1 + 2 * count] for row in rows], wanted, lines)
    numbers = numbers.reshape(len(rows), count, 2)
    half = np.isnan(numbers[..., 0]) != np.isnan(numbers[..., 1])
    if half.any():
        row, k = np.argwhere(half)[0]
        raise DataError(f"{path}, line {lines[row]}: point {k}: expected both x{k} and y{k}, or neither")
    columns = {name: [row[i] for row in rows] for i, name in enumerate(header) if i > 2 * count}
    return FaceRows(os.fspath(path), [row[0] for row in rows], numbers, lines, columns)


def number_column(rows: FaceRows, name: str, missing: float | None) -> np.ndarray:
    """A further column's numbers, (N,): int64 where all are whole, else float64.

    Args:
        rows: The file's.
        name: The column.
        missing: What stands for an empty cell, or everywhere where there is no such column; None: both are
            refused.

    Raises:
        DataError: On a cell that is no finite number, or a whole one beyond 64 bits, naming its line.
        ConfigError: If there is no such column, and nothing to stand for it.
    """
    if name not in rows.columns:
        if missing is None:
            raise ConfigError(
                f"{rows.file}: there is no column '{name}'; expected some of {list(rows.columns)}"
            )
        return np.full(len(rows.images), missing)
    values = _numbers(rows.file, [[cell] for cell in rows.columns[name]], [name], rows.lines)[:, 0]
    empty = np.isnan(values)
    if empty.any() and missing is None:
        line = rows.lines[int(np.argmax(empty))]
        raise DataError(f"{rows.file}, line {line}, column '{name}': expected a number, found an empty cell")
    values = np.where(empty, np.nan if missing is None else missing, values)
    if not (values == np.round(values)).all():
        return values
    large = np.abs(values) >= 2**63
    if large.any():
        row = int(np.argmax(large))
        raise DataError(
            f"{rows.file}, line {rows.lines[row]}, column '{name}': expected whole numbers of 64 bits, found "
            f"{shown(rows.columns[name][row])}"
        )
    return values.astype(np.int64)


def image_numbers(rows: FaceRows) -> np.ndarray:
    """The images' ids, int64 (N,), as ``load_face_csv`` numbers them: of each its first row, from 1."""
    first = {image: row for row, image in reversed(list(enumerate(rows.images, 1)))}
    return np.array([first[image] for image in rows.images], np.int64)


def _table(path: str | os.PathLike[str]) -> tuple[list[str], list[list[str]], list[int]]:
    """Header, rows and their lines."""
    try:
        with Path(path).open(encoding="utf-8-sig", newline="") as file:
            reader = csv.reader(file, strict=True)  # else a quote left open swallows rows
            header = [name.strip() for name in next(reader, [])]
            rows, lines = [], []
            for row in reader:
                if row:
                    rows.append(row)
                    lines.append(reader.line_num)
    except (OSError, UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: cannot be read as csv: {error}") from error
    wrong = next((i for i, row in enumerate(rows) if len(row) != len(header)), None)
    if wrong is not None:
        raise DataError(
            f"{path}, line {lines[wrong]}: expected {len(header)} cells as the header has, found "
            f"{len(rows[wrong])}"
        )
    if len(set(header)) != len(header):
        raise DataError(f"{path}, line 1: a column stands there twice: {shown(header)}")
    return header, rows, lines


def _numbers(
    path: str | os.PathLike[str], cells: list[list[str]], names: Sequence[str], lines: Sequence[int]
) -> np.ndarray:
    """Cells as float64 (N, C), NaN where empty; what else is not finite is refused."""
    try:
        values = np.array(cells, dtype=np.float64).reshape(-1, len(names))
    except ValueError:
        values = np.array([[_number(cell) for cell in row] for row in cells]).reshape(-1, len(names))
    bad = np.argwhere(~np.isfinite(values))
    for row, column in bad.tolist():
        if cells[row][column].strip():
            raise DataError(
                f"{path}, line {lines[row]}, column '{names[column]}': expected a finite number, found "
                f"{shown(cells[row][column])}"
            )
    return values


def _number(cell: str) -> float:
    try:
        return float(cell)
    except ValueError:
        return float("nan")
