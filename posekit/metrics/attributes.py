"""Accuracy and confusion of attributes: labels in, numbers out. -1 is a label that is not known."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

UNKNOWN = -1


def confusion(truth: np.ndarray, predicted: np.ndarray, labels: np.ndarray) -> np.ndarray:
    """How often each label was predicted for each true one.

    Args:
        truth: int (N,); people of label -1 do not count.
        predicted: int (N,).
        labels: int (C,), ascending: all that occur in either.

    Returns:
        int64 (C, C): a row for each true label, a column for each predicted one.

    Raises:
        ValueError: On arrays of differing lengths, or a label that is not among ``labels``.
    """
    truth, predicted, labels = np.asarray(truth), np.asarray(predicted), np.asarray(labels)
    if truth.shape != predicted.shape or truth.ndim != 1:
        raise ValueError(f"expected labels of one shape (N,), found {truth.shape} and {predicted.shape}")
    known = truth != UNKNOWN
    rows, columns = (np.searchsorted(labels, values[known]) for values in (truth, predicted))
    for place, values in ((rows, truth[known]), (columns, predicted[known])):
        if (np.append(labels, UNKNOWN)[place] != values).any() if len(labels) else len(values):
            raise ValueError(f"expected labels among {labels.tolist()}, found {np.unique(values).tolist()}")
    counts = np.bincount(rows * len(labels) + columns, minlength=len(labels) ** 2)
    return counts.reshape(len(labels), len(labels))


def accuracy(matrix: np.ndarray) -> float:
    """The share of people on a confusion matrix's diagonal; NaN without anybody."""
    return float(np.trace(matrix) / matrix.sum()) if matrix.sum() else float("nan")


def attribute_scores(matrices: Mapping[str, tuple[np.ndarray, np.ndarray]]) -> dict[str, float]:
    """Named scores.

    Args:
        matrices: Attribute -> its labels (C,) and confusion matrix (C, C).

    Returns:
        ``accuracy/<attribute>`` and, of several, ``accuracy/mean``, percent; and
        ``confusion/<attribute>/<true>/<predicted>``, numbers of people.
    """
    rates = {name: 100 * accuracy(matrix) for name, (_, matrix) in matrices.items()}
    scores: dict[str, float] = {f"accuracy/{name}": rate for name, rate in rates.items()}
    if len(rates) > 1:
        scores["accuracy/mean"] = float(np.mean(list(rates.values())))
    for name, (labels, matrix) in matrices.items():
        for true, row in zip(labels.tolist(), matrix.tolist(), strict=True):
            scores |= {
                f"confusion/{name}/{true}/{label}": n for label, n in zip(labels.tolist(), row, strict=True)
            }
    return scores
