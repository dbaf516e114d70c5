"""COCO's keypoint AP and AR from arrays: object keypoint similarity, matching, precision and recall.

The definition is pycocotools' ``COCOeval(iouType="keypoints")``, restated array-wide: its matching runs
over Python lists (3.5 s for COCO val2017 with 100,000 poses), this one over arrays, with sums in the same
order, so that the similarities are equal bit for bit and ties fall the same way. pycocotools stays the
oracle of the tests.

One departure: pycocotools takes a match with an annotation of id 0 for no match; here 0 is an id as any
other.

Conventions: keypoints (x, y), 0-based image pixels; ``boxes_xywh`` as in COCO files; AP and AR in [0, 1],
-1 where there is nothing to find (pycocotools' own mark).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from itertools import pairwise

import numpy as np

OKS_THRESHOLDS = np.linspace(0.5, 0.95, 10)
RECALL_LEVELS = np.linspace(0.0, 1.0, 101)
# pycocotools' area ranges for keypoints, in square pixels, both ends included.
AREA_RANGES = {"all": (0.0, 1e5**2), "medium": (32.0**2, 96.0**2), "large": (96.0**2, 1e5**2)}
# The constants of the COCO keypoint task, in the order of its 17 keypoints.
COCO_SIGMAS = (
    np.array(
        [0.26, 0.25, 0.25, 0.35, 0.35, 0.79, 0.79, 0.72, 0.72, 0.62, 0.62, 1.07, 1.07, 0.87, 0.87, 0.89, 0.89]
    )
    / 10.0
)
STAT_NAMES = ("AP", "AP50", "AP75", "APM", "APL", "AR", "AR50", "AR75", "ARM", "ARL")
_PAIRS_PER_CHUNK = 16384  # keeps the temporaries of one chunk inside the cache


@dataclass(frozen=True, eq=False)
class GroundTruth:
    """The annotated people of a set of images.

    Attributes:
        image_ids: int64 (I,), ascending: every image that is scored, with or without people.
        category_ids: int64 (C,), ascending.
        image: int64 (G,), index into ``image_ids``; people of one image stand in file order.
        category: int64 (G,), index into ``category_ids``.
        keypoints: float64 (G, K, 3): x, y, v with v > 0 = labelled.
        boxes_xywh: float64 (G, 4).
        areas: float64 (G,), square pixels.
        crowd: bool (G,): a region that any number of detections may match.
        ignore: bool (G,): neither a hit nor a miss (crowds, and people without keypoints).
    """

    image_ids: np.ndarray
    category_ids: np.ndarray
    image: np.ndarray
    category: np.ndarray
    keypoints: np.ndarray
    boxes_xywh: np.ndarray
    areas: np.ndarray
    crowd: np.ndarray
    ignore: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: np.ndarray) -> GroundTruth:
        """The people of ``rows``, in that order; images and categories stay."""
        return replace(
            self,
            image=self.image[rows],
            category=self.category[rows],
            keypoints=self.keypoints[rows],
            boxes_xywh=self.boxes_xywh[rows],
            areas=self.areas[rows],
            crowd=self.crowd[rows],
            ignore=self.ignore[rows],
        )


@dataclass(frozen=True, eq=False)
class Detections:
    """Predicted poses, with image and category as indices into a :class:`GroundTruth`.

    Attributes:
        image: int64 (D,).
        category: int64 (D,).
        keypoints: float64 (D, K, 2 or more): x, y, ...
        scores: float64 (D,), by which they are ranked.
        areas: float64 (D,): an unmatched detection outside an area range is ignored in it.
    """

    image: np.ndarray
    category: np.ndarray
    keypoints: np.ndarray
    scores: np.ndarray
    areas: np.ndarray

    def __len__(self) -> int:
        return len(self.image)

    def take(self, rows: np.ndarray) -> Detections:
        """The detections of ``rows``, in that order."""
        return Detections(
            self.image[rows], self.category[rows], self.keypoints[rows], self.scores[rows], self.areas[rows]
        )


@dataclass(frozen=True, eq=False)
class OKSResult:
    """What :func:`evaluate_oks` found; the arrays have pycocotools' axes without that of ``maxDets``.

    Attributes:
        precision: float64 (T, R, C, A): at OKS threshold, recall level, category, area range (all,
            medium, large).
        recall: float64 (T, C, A).
        scores: float64 (T, R, C, A): the detection score at which the recall level is reached.
    """

    precision: np.ndarray
    recall: np.ndarray
    scores: np.ndarray

    def stats(self, category: int | None = None) -> dict[str, float]:
        """The ten numbers of COCO, of all categories together or of one (its index)."""
        chosen = slice(None) if category is None else slice(category, category + 1)
        precision, recall = self.precision[:, :, chosen], self.recall[:, chosen]
        values = []
        for table in (precision, recall):
            values += [table[..., 0], table[:1, ..., 0], table[5:6, ..., 0], table[..., 1], table[..., 2]]
        return {name: _mean_defined(value) for name, value in zip(STAT_NAMES, values, strict=True)}

    def category_stats(self, names: Sequence[str]) -> dict[str, float]:
        """AP of each category, as ``AP/<name>``; nothing where there is one alone.

        Args:
            names: (C,).
        """
        if len(names) < 2:
            return {}
        return {f"AP/{name}": self.stats(number)["AP"] for number, name in enumerate(names)}


def crowded_images(ground_truth: GroundTruth, max_detections: int) -> int:
    """How many images have more people to find (of a category) than poses that may count."""
    group = ground_truth.category * len(ground_truth.image_ids) + ground_truth.image
    people = np.bincount(group[~ground_truth.ignore], minlength=1)
    return int((people > max_detections).sum())


def _mean_defined(values: np.ndarray) -> float:
    defined = values[values > -1]
    return float(np.mean(defined)) if defined.size else -1.0


def keypoint_areas(keypoints: np.ndarray) -> np.ndarray:
    """Areas (D,) of the tight boxes of keypoints (D, K, 2+), which stand in where results have no box."""
    extent = keypoints[..., :2].max(axis=1) - keypoints[..., :2].min(axis=1)
    return extent[:, 0] * extent[:, 1]


def pair_oks(
    ground_truth: GroundTruth,
    keypoints: np.ndarray,
    pair_person: np.ndarray,
    pair_detection: np.ndarray,
    sigmas: np.ndarray,
) -> np.ndarray:
    """Object keypoint similarity of pairs (annotated person, detection).

    OKS = mean over the labelled keypoints of exp(-d^2 / (2 area (2 sigma)^2)). For a person without
    labelled keypoints d is the distance, per axis, to the box enlarged to three times its sides, and all
    K keypoints count.

    Args:
        ground_truth: The G people.
        keypoints: float64 (D, K, 2+), the detections.
        pair_person: int64 (P,), rows of ``ground_truth``.
        pair_detection: int64 (P,), rows of ``keypoints``.
        sigmas: float64 (K,).

    Returns:
        float64 (P,), in [0, 1].
    """
    labelled = ground_truth.keypoints[..., 2] > 0
    # Labelled keypoints first, in their order: people with the same number of them form one dense array,
    # whose rows numpy sums exactly as it sums pycocotools' one-dimensional ones.
    first_labelled = np.argsort(~labelled, axis=1, kind="stable")
    pair_count = labelled.sum(axis=1)[pair_person]
    variances = (np.asarray(sigmas, np.float64) * 2) ** 2
    oks = np.empty(len(pair_person))
    for count in np.unique(pair_count):
        rows = np.flatnonzero(pair_count == count)
        for start in range(0, len(rows), _PAIRS_PER_CHUNK):
            chunk = rows[start : start + _PAIRS_PER_CHUNK]
            person, detection = pair_person[chunk], pair_detection[chunk]
            if count:
                columns = first_labelled[person, :count]
                squared = _squared_to_keypoints(ground_truth, keypoints, person, detection, columns)
                scale = variances[columns]
            else:
                squared = _squared_to_box(ground_truth, keypoints, person, detection)
                scale = variances[None]
            exponent = squared / scale / (ground_truth.areas[person] + np.spacing(1))[:, None] / 2
            oks[chunk] = np.exp(-exponent).sum(axis=1) / exponent.shape[1]
    return oks


def _squared_to_keypoints(
    ground_truth: GroundTruth,
    keypoints: np.ndarray,
    person: np.ndarray,
    detection: np.ndarray,
    columns: np.ndarray,
) -> np.ndarray:
    person, detection = person[:, None], detection[:, None]
    dx = keypoints[detection, columns, 0] - ground_truth.keypoints[person, columns, 0]
    dy = keypoints[detection, columns, 1] - ground_truth.keypoints[person, columns, 1]
    return dx**2 + dy**2


def _squared_to_box(
    ground_truth: GroundTruth, keypoints: np.ndarray, person: np.ndarray, detection: np.ndarray
) -> np.ndarray:
    box = ground_truth.boxes_xywh[person][:, None]
    low, high = box[..., :2] - box[..., 2:], box[..., :2] + box[..., 2:] * 2
    points = keypoints[detection, :, :2]
    outside = np.maximum(0, low - points) + np.maximum(0, points - high)
    return outside[..., 0] ** 2 + outside[..., 1] ** 2


def rank_detections(
    detections: Detections, num_images: int, max_detections: int
) -> tuple[np.ndarray, np.ndarray]:
    """The best detections of each (category, image), by descending score; equal scores keep their order.

    Returns:
        rows int64 (D',), ordered by category, image, rank; and their rank int64 (D',) from 0.
    """
    order, rank = _ranked(detections.category * num_images + detections.image, detections.scores)
    kept = rank < max_detections
    return order[kept], rank[kept]


def _ranked(group: np.ndarray, scores: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """Rows by group, then descending score (equal ones in their order), and the rank of each in its group."""
    order = np.lexsort((-scores, group))
    group = group[order]
    first = np.ones(len(group), bool)
    first[1:] = group[1:] != group[:-1]
    new_group = np.flatnonzero(first)
    rank = np.arange(len(group)) - np.repeat(new_group, np.diff(new_group, append=len(group)))
    return order, rank


def rescore(box_scores: np.ndarray, keypoint_scores: np.ndarray, threshold: float = 0.2) -> np.ndarray:
    """Box score x mean of the keypoint scores strictly above ``threshold`` (0 if none is; K = 0: box score).

    Args:
        box_scores: (N,).
        keypoint_scores: (N, K).
        threshold: Keypoints scored at or below it do not count.

    Returns:
        float64 (N,).
    """
    scores = np.asarray(keypoint_scores, np.float64)
    if not scores.shape[1]:
        return np.asarray(box_scores, np.float64)
    counted = scores > threshold
    total = np.where(counted, scores, 0.0).sum(axis=1)
    return np.asarray(box_scores, np.float64) * total / np.maximum(counted.sum(axis=1), 1)


def best_of_each_image(image_ids: np.ndarray, scores: np.ndarray, count: int) -> np.ndarray:
    """The rows of each image's ``count`` best, ascending; equal scores as :func:`evaluate_oks` ranks them.

    Args:
        image_ids: int (N,).
        scores: (N,).
        count: At most so many of an image.
    """
    order, rank = _ranked(image_ids, scores)
    return np.sort(order[rank < count])


def pair_groups(group_a: np.ndarray, group_b: np.ndarray, num_groups: int) -> tuple[np.ndarray, np.ndarray]:
    """All pairs (row of a, row of b) of the same group, ordered by a, then by b.

    Args:
        group_a: int64 (A,), values in [0, num_groups).
        group_b: int64 (B,), likewise.
        num_groups: Number of groups.

    Returns:
        Two int64 (P,).
    """
    order_b = np.argsort(group_b, kind="stable")
    count_b = np.bincount(group_b, minlength=num_groups)
    start_b = np.cumsum(count_b) - count_b
    partners = count_b[group_a]
    pair_a = np.repeat(np.arange(len(group_a)), partners)
    within = np.arange(len(pair_a)) - np.repeat(np.cumsum(partners) - partners, partners)
    return pair_a, order_b[start_b[group_a][pair_a] + within]


def ranked_pairs(
    ground_truth: GroundTruth,
    detections: Detections,
    sigmas: Sequence[float] | np.ndarray,
    max_detections: int,
) -> tuple[np.ndarray, np.ndarray, tuple[np.ndarray, np.ndarray, np.ndarray]]:
    """The detections that count, and how similar each is to the people of its image and category.

    Arguments are those of :func:`evaluate_oks`.

    Returns:
        Their rows int64 (D',), by category, image, rank; their rank int64 (D',); and the pairs (number of the
        detection among these, person, OKS), each (P,), as :func:`match` takes them.
    """
    num_images, num_categories = len(ground_truth.image_ids), len(ground_truth.category_ids)
    rows, rank = rank_detections(detections, num_images, max_detections)
    ranked = detections.take(rows)
    detection, person = pair_groups(
        ranked.category * num_images + ranked.image,
        ground_truth.category * num_images + ground_truth.image,
        num_images * num_categories,
    )
    oks = pair_oks(ground_truth, ranked.keypoints, person, detection, np.asarray(sigmas))
    return rows, rank, (detection, person, oks)


def match(
    ground_truth: GroundTruth,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    rank: np.ndarray,
    ignore: np.ndarray,
    thresholds: np.ndarray = OKS_THRESHOLDS,
) -> np.ndarray:
    """COCO's greedy matching: detections by rank, each takes the most similar person still free.

    A person that counts is preferred to an ignored one whatever the similarity; of equals the later in
    the file is taken; a crowd stays free.

    Args:
        ground_truth: The G people.
        pairs: (detection, person, OKS), each (P,); detections of one rank never share a person.
        rank: int64 (D,), the detections' rank in their image.
        ignore: bool (G,), of the area range in hand.
        thresholds: float64 (T,), OKS thresholds.

    Returns:
        int64 (D, T): the matched person's row, -1 for none.
    """
    thresholds = np.minimum(thresholds, 1 - 1e-10)
    candidate = np.flatnonzero(pairs[2] >= thresholds.min())
    detection, person, oks = (column[candidate] for column in pairs)
    # Ascending preference inside each detection: the last free candidate is the one to take.
    order = np.lexsort((person, oks, ~ignore[person], detection, rank[detection]))
    detection, person, oks = detection[order], person[order], oks[order]
    bounds = np.searchsorted(rank[detection], np.arange(rank.max(initial=-1) + 2))
    matched = np.full((len(rank), len(thresholds)), -1)
    taken = np.zeros((len(ground_truth), len(thresholds)), bool)
    for start, stop in pairwise(bounds):
        if start == stop:
            continue
        who, whom = detection[start:stop], person[start:stop]
        free = (oks[start:stop, None] >= thresholds) & ~taken[whom]
        position = np.where(free, np.arange(stop - start)[:, None], -1)
        segment = np.flatnonzero(np.diff(who, prepend=-1))
        best = np.maximum.reduceat(position, segment, axis=0)
        row, threshold = np.nonzero(best >= 0)
        found = whom[best[row, threshold]]
        matched[who[segment][row], threshold] = found
        taken[found, threshold] = ~ground_truth.crowd[found]
    return matched


def match_of_size(
    ground_truth: GroundTruth,
    ranked: Detections,
    rank: np.ndarray,
    pairs: tuple[np.ndarray, np.ndarray, np.ndarray],
    bounds: tuple[float, float],
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """:func:`match` where only people of some size are to be found.

    Args:
        ground_truth: The G people.
        ranked: The D poses that count; ``rank`` and ``pairs`` as :func:`ranked_pairs` gives them.
        rank: int64 (D,).
        pairs: Three (P,).
        bounds: Least and greatest area, square pixels, one of :data:`AREA_RANGES`.

    Returns:
        Whom to ignore, bool (G,); the matched person's row, int64 (D, T), -1 for none; and which poses are
        neither hits nor false, bool (D, T).
    """
    low, high = bounds
    ignore = ground_truth.ignore | (ground_truth.areas < low) | (ground_truth.areas > high)
    matched = match(ground_truth, pairs, rank, ignore)
    outside = (ranked.areas < low) | (ranked.areas > high)
    # The appended False stands for "no match" (-1).
    skipped = np.where(matched >= 0, np.append(ignore, False)[matched], outside[:, None])
    return ignore, matched, skipped


def evaluate_oks(
    ground_truth: GroundTruth,
    detections: Detections,
    sigmas: Sequence[float] | np.ndarray,
    max_detections: int = 20,
) -> OKSResult:
    """Precision and recall of COCO's keypoint task.

    Args:
        ground_truth: The annotated people.
        detections: The predicted poses; scores as they are to be ranked.
        sigmas: (K,), the keypoints' constants.
        max_detections: At most so many of an image (and category), the best first.

    Returns:
        The precision and recall tables; ``.stats()`` gives the ten numbers.
    """
    num_categories = len(ground_truth.category_ids)
    rows, rank, pairs = ranked_pairs(ground_truth, detections, sigmas, max_detections)
    ranked = detections.take(rows)
    shape = (len(OKS_THRESHOLDS), len(RECALL_LEVELS), num_categories, len(AREA_RANGES))
    precision, scores = -np.ones(shape), -np.ones(shape)
    recall = -np.ones((shape[0], *shape[2:]))
    for a, bounds in enumerate(AREA_RANGES.values()):
        ignore, matched, skipped = match_of_size(ground_truth, ranked, rank, pairs, bounds)
        hit = matched >= 0
        for c in range(num_categories):
            people = int(np.count_nonzero((ground_truth.category == c) & ~ignore))
            if people:
                own = ranked.category == c
                curves = precision_recall(ranked.scores[own], hit[own], skipped[own], people)
                precision[:, :, c, a], recall[:, c, a], scores[:, :, c, a] = curves
    return OKSResult(precision, recall, scores)


def precision_recall(
    scores: np.ndarray, hit: np.ndarray, skipped: np.ndarray, people: int | np.ndarray
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Precision and recall of the detections of one category.

    Args:
        scores: float64 (D,).
        hit: bool (D, T): matched with a person.
        skipped: bool (D, T): neither a hit nor a false one.
        people: How many there are to find; int (T,) where thresholds differ. Above 0.

    Returns:
        Precision (T, R) at the recall levels, recall (T,), and the score (T, R) that reaches each level.
    """
    order = np.argsort(-scores, kind="stable")
    true = np.cumsum((hit & ~skipped)[order], axis=0).astype(np.float64)
    false = np.cumsum((~hit & ~skipped)[order], axis=0).astype(np.float64)
    num_thresholds = hit.shape[1]
    precision = np.zeros((num_thresholds, len(RECALL_LEVELS)))
    level_scores = np.zeros_like(precision)
    if not len(scores):
        return precision, np.zeros(num_thresholds), level_scores
    recall = true / people
    # The envelope: the best precision at this recall or beyond.
    envelope = np.maximum.accumulate((true / (false + true + np.spacing(1)))[::-1], axis=0)[::-1]
    for t in range(num_thresholds):
        place = np.searchsorted(recall[:, t], RECALL_LEVELS, side="left")
        reached = place < len(scores)
        precision[t, reached] = envelope[place[reached], t]
        level_scores[t, reached] = scores[order][place[reached]]
    return precision, recall[-1], level_scores
