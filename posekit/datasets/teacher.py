"""Keypoints that a data set does not label, from another network's predictions for the same people.

A set of athletes may label limbs and no eyes, and one wants a network that finds both. The teacher's word is
taken for what is not labelled, and only of people on whom it agrees with the labels: where it sees another
person, or left and right the other way round, its eyes and ears are wrong as well.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from typing import Any, NamedTuple

import numpy as np

from posekit.datasets.mapping import BY_NAME, with_skeleton
from posekit.datasets.table import GROUND_TRUTH, PersonTable
from posekit.datasets.topdown import load_people
from posekit.datasets.weights import take_keypoint_weights
from posekit.errors import ConfigError, DataError, is_share
from posekit.io.files import read_json, under
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton

KEYPOINT_WEIGHT = "keypoint_weight"
CONTRADICTED = "teacher_contradicts"
# A sure teacher is heard about a label if it knows at least so many of the person's keypoints.
_FEWEST = 6


class Agreement(NamedTuple):
    """How far teacher and labels agree on each of N people, of the keypoints that both have.

    Attributes:
        share: float64 (N,), of the keypoints of score >= ``min_score`` those that lie near; 0 for none.
        sure_share: The same of those of score >= ``sure``; NaN where there are fewer than six.
    """

    share: np.ndarray
    sure_share: np.ndarray


@DATASETS.register_module()
def with_teacher(
    source: PersonTable | Mapping[str, Any],
    predictions: str,
    skeleton: Skeleton | str | Mapping[str, Any],
    data_root: str = "",
    keypoint_map: Mapping[str, Any] | str = BY_NAME,
    min_score: float = 0.5,
    agree: float = 0.5,
    near: float = 0.1,
    sure: float = 0.7,
    contradicted: str = "keep",
) -> PersonTable:
    """The people of a source with the keypoints of another skeleton, completed by a teacher.

    A keypoint that ``source`` labels stays as it is. One that it does not label is the teacher's, with
    visibility 2, if its score is at least ``min_score``, it lies in the picture, and the person is one on
    whom the two agree.

    Args:
        source: A table, or a loader and its settings, of ground truth.
        predictions: A json, person id -> [[x, y, score], ...] in the order of ``skeleton``, image pixels. A
            person who is not in it gets nothing.
        skeleton: Whose keypoints the people get.
        data_root: Put in front of ``predictions``, and the source's unless that states one.
        keypoint_map: From the source's keypoints to ``skeleton``'s, see
            :func:`~posekit.datasets.mapping.columns_of`.
        min_score: Least score of a keypoint of the teacher's.
        agree: The share of the keypoints that both have which must lie near each other.
        near: What near is, as a share of the longer side of the person's box.
        sure: From which score on the teacher is heard about labels.
        contradicted: "drop" leaves out whom a sure teacher contradicts: of at least six keypoints that both
            have and of which it is sure, fewer than half lie near the labels. "keep" keeps them.

    Returns:
        The table, with the further column ``keypoint_weight``, float32 (N, K): 1 for a label (or what such a
        column of the source says, as another teacher's), the score (at most 1) for a keypoint of the
        teacher's, 0 for one that is not known; and ``teacher_contradicts`` in ``counts``, of people left out.

    Raises:
        ConfigError: On settings out of range, or a skeleton that the source's cannot be mapped to.
        DataError: On a file of another form, or without a person of the source.
    """
    _check_settings(contradicted, min_score=min_score, agree=agree, near=near, sure=sure)
    skeleton = get_skeleton(skeleton)
    if isinstance(source, Mapping):
        source = {"data_root": data_root, **source} if data_root else source
    labels = load_people(source, None)
    if labels.box_source != GROUND_TRUTH:
        raise ConfigError(f"with_teacher: expected annotated people, found boxes of {labels.box_source}")
    table = with_skeleton(labels, skeleton, keypoint_map)
    taught = _predictions(under(data_root, predictions), table)
    agreement = _agreement(table, taught, near, min_score, sure)
    table = _completed(table, taught, min_score, agreement.share >= agree)
    if contradicted == "keep":
        return table
    kept = ~(agreement.sure_share < 0.5)
    counts = {**table.counts, CONTRADICTED: int((~kept).sum())}
    return replace(table.select(kept), counts=counts)


def _check_settings(contradicted: str, **shares: float) -> None:
    if contradicted not in ("keep", "drop"):
        raise ConfigError(f"with_teacher: 'contradicted' must be 'keep' or 'drop', found {contradicted!r}")
    for name, value in shares.items():
        if not is_share(value):
            raise ConfigError(f"with_teacher: '{name}' must be in 0..1, found {value!r}")


def _predictions(path: str, table: PersonTable) -> np.ndarray:
    """float64 (N, K, 3), x, y and score; score 0 for a person who is not in the file."""
    content = read_json(path)
    if not isinstance(content, dict):
        raise DataError(
            f"{path}: expected an object, person id -> [[x, y, score], ...], found {type(content).__name__}"
        )
    shape = (table.skeleton.num_keypoints, 3)
    taught = np.zeros((len(table), *shape))
    found = 0
    for row, person in enumerate(table.person_ids.tolist()):
        if str(person) in content:
            taught[row] = _points(content[str(person)], shape, f"{path}: person id {person}")
            found += 1
    if not found:
        wanted, ids = table.person_ids[:3].tolist(), ", ".join(list(content)[:3])
        raise DataError(
            f"{path}: expected predictions for people of {table.ann_file} (ids {wanted}, ...), found none "
            f"among {len(content)} ids ({ids}, ...)"
        )
    return taught


def _points(value: Any, shape: tuple[int, int], where: str) -> np.ndarray:
    try:
        points = np.asarray(value, dtype=np.float64)
    except (TypeError, ValueError):  # text, or lists of differing lengths
        points = np.empty(0)
    if points.shape != shape or not np.isfinite(points).all():
        raise DataError(
            f"{where}: expected {shape[0]} triples of finite numbers x, y, score, found {value!s:.80}"
        )
    return points


def _agreement(
    table: PersonTable, taught: np.ndarray, near: float, min_score: float, sure: float
) -> Agreement:
    sides = table.boxes_xyxy[:, 2:] - table.boxes_xyxy[:, :2]
    apart = np.linalg.norm(taught[..., :2] - table.keypoints, axis=-1)
    agreed = apart <= near * sides.max(axis=1, keepdims=True)
    labelled, scores = table.visible > 0, taught[..., 2]
    known, certain = labelled & (scores >= max(min_score, 1e-9)), labelled & (scores >= max(sure, 1e-9))
    share = (agreed & known).sum(1) / np.maximum(known.sum(1), 1)
    sure_share = (agreed & certain).sum(1) / np.maximum(certain.sum(1), 1)
    return Agreement(share, np.where(certain.sum(1) >= _FEWEST, sure_share, np.nan))


def _completed(table: PersonTable, taught: np.ndarray, min_score: float, trusted: np.ndarray) -> PersonTable:
    """The table with the teacher's keypoints of the people on whom it is trusted."""
    labelled, own = table.visible > 0, np.ones(1, np.float32)
    if KEYPOINT_WEIGHT in table.extra:
        table, own = take_keypoint_weights(table, KEYPOINT_WEIGHT)
    points = taught[..., :2].astype(np.float32)
    filled = ~labelled & (taught[..., 2] >= max(min_score, 1e-9)) & trusted[:, None]
    filled &= ~replace(table, keypoints=points, visible=filled.astype(np.uint8)).outside_image()
    weight = np.where(labelled, own, np.where(filled, np.minimum(taught[..., 2], 1), 0))
    return replace(
        table,
        keypoints=np.where(filled[..., None], points, table.keypoints),
        visible=np.where(filled, 2, table.visible).astype(np.uint8),
        extra={**table.extra, KEYPOINT_WEIGHT: weight.astype(np.float32)},
        # Other columns are of the source's keypoints.
        reading={**table.reading, "mapped": (KEYPOINT_WEIGHT,)},
    )
