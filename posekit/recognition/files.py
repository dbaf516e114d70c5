"""The files of recognition: tables as csv, pairs to verify, embeddings by image.

=================  ======================================================================================
``labels.csv``     ``image,identity`` and, where the faces have points, ``x0,y0 .. x4,y4``
``pairs.csv``      ``image_a,image_b,same`` (1 or 0) and, where there are folds, ``fold``
embeddings         an ``.npz`` with ``image``, the names (N,), and ``embedding``, numbers (N, D)
=================  ======================================================================================

Further columns are let be. Nothing heavy is imported.
"""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.io.files import atomic_file, read_bytes
from posekit.io.npz import read_npz


@dataclass(frozen=True, eq=False)
class Pairs:
    """P pairs of images.

    Attributes:
        first: The P names of the first images.
        second: The P names of the second ones.
        same: bool (P,): whether they show the same one.
        folds: int64 (P,); None where the file has no folds.
        path: The file, for messages.
    """

    first: list[str]
    second: list[str]
    same: np.ndarray
    folds: np.ndarray | None = None
    path: str = "pairs"

    def rows(self, images: Sequence[str], where: str) -> np.ndarray:
        """Which rows of a list of images the pairs are of, int64 (P, 2).

        Args:
            images: Names, each once.
            where: What has them, for messages.

        Raises:
            DataError: If an image is not among them.
        """
        return rows_of([*self.first, *self.second], images, self.path, where).reshape(2, -1).T


def rows_of(wanted: Sequence[str], images: Sequence[str], source: str, where: str) -> np.ndarray:
    """Where names stand in a list of images, int64 (N,).

    Args:
        wanted: N names.
        images: Names, each once.
        source: What the wanted ones are of, for messages.
        where: What has the images, for messages.

    Raises:
        DataError: If an image comes twice, or a wanted one is not among them.
    """
    places = {name: row for row, name in enumerate(images)}
    if len(places) != len(images):
        raise DataError(f"{where}: {len(images) - len(places)} images come more than once")
    missing = sorted({name for name in wanted if name not in places})
    if missing:
        raise DataError(
            f"{where}: expected all images of {source}, found {len(missing)} missing: "
            f"{shown(missing[:3])}; there are names like {shown(list(images[:1]))}"
        )
    return np.array([places[name] for name in wanted], np.int64)


def read_table(path: str | Path, columns: Sequence[str]) -> dict[str, list[str]]:
    """The columns of a csv file with a header, as texts.

    Args:
        path: UTF-8.
        columns: Those that have to be there.

    Raises:
        DataError: If it is missing or unreadable, a column is not there or comes twice, or a row is longer or
            shorter than the header.
    """
    try:
        text = read_bytes(path).decode("utf-8-sig")
        rows = [row for row in csv.reader(io.StringIO(text, newline=""), strict=True) if row]
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(f"{path}: expected a csv file in UTF-8: {error}") from error
    header = [name.strip() for name in rows[0]] if rows else []
    missing = [name for name in columns if name not in header]
    if missing or len(set(header)) != len(header):
        raise DataError(f"{path}: expected a header with each of {list(columns)} once, found {shown(header)}")
    for number, row in enumerate(rows[1:], 1):
        if len(row) != len(header):
            raise DataError(f"{path}: row {number}: expected {len(header)} values, found {len(row)}")
    return {name: [row[place].strip() for row in rows[1:]] for place, name in enumerate(header)}


def identities_of(table: dict[str, list[str]], path: str | Path) -> list[str]:
    """The column ``identity`` of a table.

    Raises:
        DataError: Where it is empty: all whom nobody has named would be one.
    """
    if "" in table["identity"]:
        raise DataError(
            f"{path}: row {table['identity'].index('') + 1}, field 'identity': expected a name, found none; "
            "name it, drop the row or, where pictures are only to be embedded, the column"
        )
    return table["identity"]


def numbers_of(table: dict[str, list[str]], name: str, path: str | Path) -> np.ndarray:
    """A column of a table as float64 (N,).

    Raises:
        DataError: On a value that is no finite number.
    """
    try:
        values = np.array(table[name], np.float64)
        if np.isfinite(values).all():
            return values
    except ValueError:
        pass
    for number, text in enumerate(table[name], 1):
        try:
            fine = np.isfinite(float(text))
        except ValueError:
            fine = False
        if not fine:
            raise DataError(
                f"{path}: row {number}, field '{name}': expected a finite number, found {text!r:.40}"
            )
    return np.zeros(0)


def read_pairs(path: str | Path) -> Pairs:
    """Pairs of images from a csv file.

    Raises:
        DataError: If it is no such file, has no pair, or a field is at fault.
    """
    table = read_table(path, ("image_a", "image_b", "same"))
    if not table["same"]:
        raise DataError(f"{path}: expected at least one pair, found none")
    for number, text in enumerate(table["same"], 1):
        if text not in ("0", "1"):
            raise DataError(f"{path}: row {number}, field 'same': expected 0 or 1, found {text!r:.40}")
    _check_pairs(table, path)
    folds = None
    if "fold" in table:
        folds = numbers_of(table, "fold", path)
        bad = np.flatnonzero((folds != np.round(folds)) | (np.abs(folds) > 1e6))
        if len(bad):
            raise DataError(
                f"{path}: row {bad[0] + 1}, field 'fold': expected a whole number, found {folds[bad[0]]:g}"
            )
        folds = folds.astype(np.int64)
    return Pairs(table["image_a"], table["image_b"], np.array(table["same"]) == "1", folds, str(path))


def _check_pairs(table: dict[str, list[str]], path: str | Path) -> None:
    said: dict[frozenset[str], tuple[int, str]] = {}
    for number, (first, second, same) in enumerate(
        zip(table["image_a"], table["image_b"], table["same"], strict=True), 1
    ):
        if first == second:
            raise DataError(
                f"{path}: row {number}: expected two pictures, found {first!r} twice; drop the row"
            )
        before, other = said.setdefault(frozenset((first, second)), (number, same))
        if other != same:
            raise DataError(
                f"{path}: row {number}, field 'same': row {before} says {other} of the same two pictures, "
                f"found {same}; drop the wrong one"
            )


def write_embeddings(path: str | Path, images: Sequence[str], embeddings: np.ndarray) -> None:
    """Writes embeddings (N, D) by image, whole or not at all.

    Raises:
        ConfigError: If the file is no ``.npz``, or cannot be written.
        ValueError: If there are more or fewer names than embeddings.
    """
    if Path(path).suffix != ".npz":
        raise ConfigError(f"{path}: expected an .npz to write embeddings to")
    if len(images) != len(embeddings):
        raise ValueError(f"expected one name for each of {len(embeddings)} embeddings, found {len(images)}")
    try:
        with atomic_file(path) as file:
            np.savez(file, image=np.array(images, np.str_), embedding=np.asarray(embeddings))
    except OSError as error:
        raise ConfigError(f"{path}: cannot be written: {error.strerror or error}") from error


def read_embeddings(path: str | Path) -> tuple[list[str], np.ndarray]:
    """The names (N) and the embeddings (N, D) of a file.

    Raises:
        DataError: If it is no such file, or holds something else than names and finite numbers.
    """
    found = read_npz(path, ("image", "embedding"))
    missing = [name for name in ("image", "embedding") if name not in found]
    if missing:
        raise DataError(f"{path}: expected the arrays 'image' and 'embedding', found no {missing}")
    images, embeddings = found["image"], found["embedding"]
    if images.ndim != 1 or images.dtype.kind not in "US":
        raise DataError(
            f"{path}: field 'image': expected names (N,), found {images.dtype} of shape {images.shape}"
        )
    if embeddings.ndim != 2 or embeddings.dtype.kind not in "fiu" or len(embeddings) != len(images):
        raise DataError(
            f"{path}: field 'embedding': expected numbers ({len(images)}, D), found {embeddings.dtype} of "
            f"shape {embeddings.shape}"
        )
    bad = np.flatnonzero(~np.isfinite(embeddings).all(axis=1))
    try:
        names = [name.decode("utf-8") if isinstance(name, bytes) else name for name in images.tolist()]
    except UnicodeDecodeError as error:
        raise DataError(
            f"{path}: field 'image': expected names in UTF-8, found {shown(error.object)}; store them as text"
        ) from error
    if len(bad):
        raise DataError(f"{path}: {len(bad)} embeddings are not finite, the first that of {names[bad[0]]}")
    return names, embeddings
