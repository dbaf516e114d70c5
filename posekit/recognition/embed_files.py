"""``posekit embed``: the embeddings of picture files, and each picture's nearest neighbours.

Pictures are read as a user's own (EXIF applied), one by one; of them the embedding alone is kept. The sheet
of neighbours shows pictures, and is written only where it is asked for.
"""

from __future__ import annotations

import glob
from collections import Counter
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.io.pictures import load_rgb, picture_files
from posekit.recognition.alignment import align
from posekit.recognition.embedding import cut, embed
from posekit.recognition.files import numbers_of, read_table
from posekit.recognition.identification import unit_vectors
from posekit.recognition.identities import COORDINATES

_AT_ONCE = 64


def find_pictures(words: Sequence[str]) -> list[Path]:
    """The picture files that words name, each once, in their order.

    Args:
        words: Files, folders (their pictures by name, not of subfolders) and patterns (``photos/*.jpg``,
            ``**`` for all below).

    Raises:
        DataError: If a word names none.
    """
    found: dict[Path, None] = {}
    for word in words:
        path = Path(word)
        if path.is_dir():
            files = picture_files(path)
        elif path.exists():
            files = [path]
        else:
            files = sorted(one for name in glob.glob(word, recursive=True) if (one := Path(name)).is_file())  # noqa: PTH207
        if not files:
            what = "a folder without pictures" if path.is_dir() else "no such file, and a pattern of none"
            raise DataError(f"{word}: expected pictures, found {what}")
        found.update(dict.fromkeys(files))
    return list(found)


def picture_names(paths: Sequence[Path]) -> list[str]:
    """What the pictures are called: their files' names, or the whole paths where two have one name."""
    names = [path.name for path in paths]
    return names if len(set(names)) == len(names) else [path.as_posix() for path in paths]


def read_points(path: str | Path, names: Sequence[str]) -> dict[str, np.ndarray]:
    """The five points of pictures, float64 (5, 2) by name, from a csv with ``image,x0,y0 .. x4,y4``.

    Raises:
        DataError: If it is no such file, a picture comes twice in it, or none of the names is in it.
    """
    table = read_table(path, ("image", *COORDINATES))
    again = sorted(name for name, count in Counter(table["image"]).items() if count > 1)
    if again:
        raise DataError(f"{path}: field 'image': expected every picture once, found {again[0]!r} again")
    points = np.stack([numbers_of(table, name, path) for name in COORDINATES], axis=1).reshape(-1, 5, 2)
    found = dict(zip(table["image"], points, strict=True))
    if not set(found) & {*names}:
        raise DataError(
            f"{path}: expected points of the pictures, found none of {shown(list(names)[:3])}; there are "
            f"names like {shown(table['image'][:1])}"
        )
    return found


def embed_files(
    model: Any,
    size_hw: tuple[int, int],
    paths: Sequence[Path],
    points: Mapping[str, np.ndarray] | None = None,
    flip: bool | None = None,
) -> tuple[list[str], np.ndarray]:
    """The names and embeddings float32 (N, D) of picture files.

    Args:
        model: A ``PoseEstimator`` with an embedding head.
        size_hw: Of its input.
        paths: Picture files.
        points: Five points by name: such a face is aligned; any other picture is taken whole.
        flip: See :func:`~posekit.recognition.embedding.embed`.

    Raises:
        ConfigError: If the network gives no embedding, or its input has no template to align faces to.
        DataError: On a picture that cannot be read, or points that coincide, naming it.
    """
    names, parts = picture_names(paths), []
    for start in range(0, len(paths), _AT_ONCE):
        chosen = zip(paths[start : start + _AT_ONCE], names[start : start + _AT_ONCE], strict=True)
        cuts = [_input(path, size_hw, (points or {}).get(name)) for path, name in chosen]
        parts.append(embed(model, np.stack(cuts), flip))
    return names, np.concatenate(parts)


def _input(path: Path, size_hw: tuple[int, int], points: np.ndarray | None) -> np.ndarray:
    image = load_rgb(path)
    if points is None:
        return cut(image, (0, 0, image.shape[1], image.shape[0]), size_hw)
    try:
        return align(image, points, size_hw)
    except DataError as error:
        raise DataError(f"{path}: {error}") from error


def neighbours(embeddings: np.ndarray, count: int) -> tuple[np.ndarray, np.ndarray]:
    """The nearest others of each row, nearest first: int64 (N, k), and their cosines; k <= N - 1.

    Raises:
        ConfigError: On a count below 1.
        DataError: On an embedding that is zero or not finite, or fewer than two.
    """
    if count < 1:
        raise ConfigError(f"neighbours: expected a number of at least 1, found {count}")
    units = unit_vectors(embeddings, "neighbours")
    if len(units) < 2:
        raise DataError("neighbours: expected at least two pictures, found one")
    cosine = units @ units.T
    np.fill_diagonal(cosine, -np.inf)
    order = np.argsort(-cosine, axis=1, kind="stable")[:, : min(count, len(units) - 1)]
    return order, np.take_along_axis(cosine, order, axis=1)


def neighbour_sheet(
    paths: Sequence[Path], names: Sequence[str], embeddings: np.ndarray, count: int = 5, rows: int = 20
) -> np.ndarray:
    """A sheet: on each line a picture and its nearest others, with their cosines.

    Args:
        paths: N picture files.
        names: N names.
        embeddings: (N, D).
        count: Neighbours shown.
        rows: Pictures shown, evenly through the list.

    Returns:
        uint8 (H, W, 3), RGB.

    Raises:
        ConfigError, DataError: See :func:`neighbours`; on a picture that cannot be read.
    """
    from posekit.visualization.sheets import contact_sheet, fit

    order, cosine = neighbours(embeddings, count)
    shown_rows = np.unique(np.linspace(0, len(paths) - 1, min(rows, len(paths))).round().astype(int))
    pictures, captions = [], []
    for row in shown_rows:
        for place, score in [(row, None), *zip(order[row], cosine[row], strict=True)]:
            pictures.append(fit(load_rgb(paths[place]), (120, 120))[0])
            captions.append(names[place] if score is None else f"{score:.3f} {names[place]}")
    return contact_sheet(
        pictures, 1 + order.shape[1], captions, cell_size_hw=(120, 120),
        title=f"{len(shown_rows)} of {len(paths)} pictures and their nearest, by cosine",
    )  # fmt: skip
