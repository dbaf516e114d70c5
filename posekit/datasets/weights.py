"""A weight for each keypoint of each person, from a column of the annotation, e.g. a teacher's scores.

It multiplies the keypoint's weight in the loss. How a loss takes weights between 0 and 1 is its own: most
multiply by them, HRNet's ``JointsMSELoss`` by their squares, adaptive wing bends its curve.
"""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, DataError


def take_keypoint_weights(table: PersonTable, name: str) -> tuple[PersonTable, np.ndarray]:
    """Takes a column of weights out of a table.

    Args:
        table: The people. Where they got another skeleton (``keypoint_map``), the column is still in the
            order of the file, and a keypoint made of several gets the mean of their weights.
        name: The column, (N, K).

    Returns:
        The table without the column, so that it can be mixed with tables that have none; and the weights,
        float32 (N, K), 0..2.

    Raises:
        ConfigError: If there is no such column.
        DataError: If it has another shape, or weights outside 0..2, naming file, person and column.
    """
    if name not in table.extra:
        raise ConfigError(
            f"dataset: 'keypoint_weight' names {name!r}; expected an extra column of {table.ann_file}, found "
            f"{sorted(table.extra)}: have it read, load_coco(extra=[{name!r}])"
        )
    column = np.asarray(table.extra[name], np.float32)
    mapped = name in table.reading.get("mapped", ())
    keypoints = table.skeleton.keypoints if mapped else table.reading.get("names", table.skeleton.keypoints)
    if column.shape != (len(table), len(keypoints)):
        raise DataError(
            f"{table.ann_file}: field '{name}': expected a weight for each of the {len(keypoints)} "
            f"keypoints, found {column.shape[1:] or 'one number'} per person"
        )
    # A heatmap's peak, as scores are, may be a little above 1. Per cent are refused, and NaN.
    wrong = ~((column >= 0) & (column <= 2))
    if wrong.any():
        row, k = np.argwhere(wrong)[0]
        raise DataError(
            f"{table.ann_file}: person id {table.person_ids[row]} on "
            f"{table.image_name(int(table.image_index[row]))}, field '{name}': expected weights in 0..2, "
            f"found {column[row, k]:g} for '{keypoints[k]}' ({int(wrong.any(axis=1).sum())} people have such)"
        )
    if "columns" in table.reading and not mapped:
        places, none = table.reading["columns"], np.zeros(len(table), np.float32)
        column = np.stack([column[:, list(of)].mean(axis=1) if of else none for of in places], axis=1)
    extra = {other: values for other, values in table.extra.items() if other != name}
    return replace(table, extra=extra), column
