"""Scores of files of embeddings: what ``tools/evaluate.py verification`` and ``identification`` print."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.errors import ConfigError, DataError, shown
from posekit.recognition.files import identities_of, read_embeddings, read_pairs, read_table, rows_of
from posekit.recognition.identification import identify
from posekit.recognition.verification import (
    FALSE_ACCEPT_RATES,
    cosine_scores,
    fold_accuracy,
    verification_scores,
)


def score_pairs(
    pairs_file: str, embeddings_file: str, rates: Sequence[float] | None = None
) -> tuple[dict[str, float], str]:
    """Verification by cosine of the pairs of a csv, fractions, and what was scored, in words.

    Args:
        pairs_file: csv: image_a, image_b, same, and fold for a protocol of folds.
        embeddings_file: .npz: image (N,), embedding (N, D).
        rates: False accept rates to state the true accept rate at; None: the usual ones.

    Raises:
        DataError: If a file is at fault.
    """
    pairs = read_pairs(pairs_file)
    images, embeddings = read_embeddings(embeddings_file)
    first, second = pairs.rows(images, embeddings_file).T
    _check_lengths(images, embeddings, np.concatenate([first, second]), embeddings_file)
    cosines = cosine_scores(embeddings[first], embeddings[second])
    try:
        scores = verification_scores(cosines, pairs.same, pairs.folds, rates or FALSE_ACCEPT_RATES)
    except DataError as error:  # of the pairs, which are known by their file
        raise DataError(f"{pairs_file}: {error}") from error
    title = f"verification by cosine, {len(pairs.same)} pairs, {int(pairs.same.sum())} of them the same"
    if pairs.folds is None:
        return scores, f"{title}; no folds: accuracy_best has seen all pairs"
    by_fold = fold_accuracy(cosines, pairs.same, pairs.folds)
    for fold, accuracy, threshold in zip(by_fold.folds, by_fold.per_fold, by_fold.thresholds, strict=True):
        scores |= {f"fold_accuracy/{fold}": float(accuracy), f"fold_threshold/{fold}": float(threshold)}
    return scores, f"{title}, {len(by_fold.folds)} folds, each at the threshold that is best on the others"


def score_identities(
    labels_file: str, embeddings_file: str, gallery_file: str | None = None, ranks: Sequence[int] = (1, 5, 10)
) -> tuple[dict[str, float], str]:
    """Identification by cosine of the pictures of a csv, fractions, and what was scored, in words.

    Args:
        labels_file: csv of the pictures to name: image, identity.
        embeddings_file: .npz: image (N,), embedding (N, D).
        gallery_file: csv of the pictures with known names; None: each picture among all others.
        ranks: Of which to state the rate.

    Raises:
        ConfigError: On a rank below 1.
        DataError: If a file is at fault.
    """
    if min(ranks) < 1:
        raise ConfigError(f"--ranks: expected whole numbers above 0, found {ranks}")
    images, embeddings = read_embeddings(embeddings_file)

    def pictures(path: str) -> tuple[list[str], np.ndarray, np.ndarray]:
        table = read_table(path, ("image", "identity"))
        names = table["image"]
        if len(set(names)) < len(names):
            first = {name: row for row, name in reversed(list(enumerate(names)))}
            row = next(row for row, name in enumerate(names) if first[name] != row)
            raise DataError(
                f"{path}: row {row + 1}, field 'image': {shown(names[row])} stands there already, and would "
                "be recognised by itself; drop one of the rows"
            )
        known = np.array(identities_of(table, path))
        rows = rows_of(names, images, path, embeddings_file)
        _check_lengths(images, embeddings, rows, embeddings_file)
        return names, embeddings[rows], known

    named, *probes = pictures(labels_file)
    gallery_names, *gallery = pictures(gallery_file) if gallery_file else ([], None, None)
    found = identify(*probes, *gallery)
    title = f"identification by cosine, {len(found.ranks)} pictures among {found.gallery}"
    if both := len({*named} & {*gallery_names}):
        title += f"\nnote: {both} of them are in the gallery too, and find themselves"
    return found.scores(ranks), title


def _check_lengths(images: Sequence[str], embeddings: np.ndarray, rows: np.ndarray, path: str) -> None:
    """Raises DataError naming the first picture whose embedding has no cosine with others."""
    with np.errstate(over="ignore"):
        lengths = np.linalg.norm(embeddings[rows].astype(np.float64), axis=1)
    bad = np.unique(rows[~((lengths > 0) & np.isfinite(lengths))])
    if len(bad):
        raise DataError(
            f"{path}: field 'embedding': expected numbers of which a length can be taken, found {len(bad)} "
            f"pictures of which it is 0 or beyond 1e154, first {images[bad[0]]}: "
            f"{shown(embeddings[bad[0]].tolist())}"
        )
