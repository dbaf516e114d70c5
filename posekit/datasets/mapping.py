"""People of one skeleton as people of another, by the names of their keypoints.

A keypoint that a data set does not label has visibility 0 there, and so no weight in the loss.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError
from posekit.io.categories import plain_name
from posekit.structures import Skeleton

BY_NAME = "names"
Columns = tuple[tuple[int, ...], ...]


def with_skeleton(table: PersonTable, skeleton: Skeleton, keypoint_map: Any = BY_NAME) -> PersonTable:
    """The same people with the keypoints of another skeleton.

    Args:
        table: The people.
        skeleton: Whose keypoints they get.
        keypoint_map: See :func:`columns_of`.

    Raises:
        ConfigError: See :func:`columns_of`.
    """
    columns = columns_of(table.skeleton, skeleton, keypoint_map)
    points, visible = map_keypoints(table.keypoints, table.visible, columns)
    of_keypoints = {
        name: map_weights(table.extra[name], columns)
        for name in table.reading.get("mapped", ())
        if name in table.extra
    }
    return replace(
        table,
        skeleton=skeleton,
        keypoints=points.astype(np.float32),
        visible=visible.astype(np.uint8),
        extra={**table.extra, **of_keypoints},
        reading={
            **table.reading,
            "names": table.reading.get("names", table.skeleton.keypoints),
            "columns": _composed(table.reading.get("columns"), columns),
        },
    ).with_outside_counted()


def _composed(first: Columns | None, second: Columns) -> Columns:
    """Two maps in turn as one, from the file's keypoints to the last skeleton's.

    Raises:
        ConfigError: If a mean is taken of means of different numbers, which is no mean of keypoints.
    """
    if first is None:
        return second
    composed = []
    for places in second:
        made_of = [first[place] for place in places]
        if len({len(parts) for parts in made_of}) > 1 and all(made_of):
            raise ConfigError(
                "keypoint_map: a middle of keypoints that are middles themselves, of different numbers; map "
                "the file's keypoints at once"
            )
        composed.append(tuple(place for parts in made_of for place in parts) if all(made_of) else ())
    return tuple(composed)


def columns_of(source: Skeleton, target: Skeleton, keypoint_map: Any = BY_NAME) -> Columns:
    """Which keypoints of ``source`` make each of ``target``'s: none, one, or several, whose mean is taken.

    Args:
        source: What is labelled.
        target: What is wanted.
        keypoint_map: "names": keypoints of the same name are the same (but for case, blanks and hyphens).
            Or a dict that says more: target's name -> source's name, or several names, whose middle it is
            (``pelvis=["left_hip", "right_hip"]``), or None: none.

    Raises:
        ConfigError: On a name that a skeleton does not have, or if nothing is left.
    """
    stated = {} if keypoint_map == BY_NAME else keypoint_map
    if not isinstance(stated, Mapping):
        raise ConfigError(f"'keypoint_map' must be 'names' or a dict of names, found {keypoint_map!r}")
    unknown = sorted(set(stated) - set(target.keypoints))
    if unknown:
        raise ConfigError(
            f"keypoint_map: {unknown} not among the keypoints of '{target.name}': {list(target.keypoints)}"
        )
    number = {plain_name(name): k for k, name in enumerate(source.keypoints)}
    columns = tuple(_places(name, stated, number, source) for name in target.keypoints)
    if not any(columns):
        raise ConfigError(
            f"keypoint_map: '{source.name}' has no keypoint of '{target.name}' by name; state them, e.g. "
            f"keypoint_map=dict({target.keypoints[0]}={source.keypoints[0]!r})"
        )
    return columns


def _places(
    name: str, stated: Mapping[str, Any], number: Mapping[str, int], source: Skeleton
) -> tuple[int, ...]:
    if name not in stated:
        return (number[plain_name(name)],) if plain_name(name) in number else ()
    wanted = stated[name]
    names: Sequence[str] = () if wanted is None else [wanted] if isinstance(wanted, str) else wanted
    missing = [one for one in names if plain_name(one) not in number]
    if missing:
        raise ConfigError(
            f"keypoint_map: {name}: {missing} not among the keypoints of '{source.name}': "
            f"{list(source.keypoints)}"
        )
    return tuple(number[plain_name(one)] for one in names)


def map_keypoints(points: np.ndarray, visible: np.ndarray, columns: Columns) -> tuple[np.ndarray, np.ndarray]:
    """Keypoints put together from others; a mean is labelled where all its parts are.

    Args:
        points: (N, K, 2), pixels.
        visible: (N, K), 0 where not labelled.
        columns: For each of the T keypoints the places in K that make it.

    Returns:
        (N, T, 2), zeros where not labelled, and (N, T).
    """
    found = np.zeros((len(points), len(columns), 2), points.dtype)
    seen = np.zeros((len(points), len(columns)), visible.dtype)
    for target, places in enumerate(columns):
        if places:
            chosen = list(places)
            seen[:, target] = visible[:, chosen].min(axis=1)
            mean = points[:, chosen].mean(axis=1)
            found[:, target] = np.where(seen[:, target, None] > 0, mean, 0)
    return found, seen


def map_weights(weights: np.ndarray, columns: Columns) -> np.ndarray:
    """Keypoint weights, float32 (N, K) to (N, T), as :func:`map_keypoints` has them: means; 0 for none."""
    none = np.zeros(len(weights), np.float32)
    return np.stack([weights[:, list(of)].mean(axis=1) if of else none for of in columns], axis=1)
