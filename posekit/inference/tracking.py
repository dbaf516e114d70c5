"""Identity and smoothness over the frames of a video.

:class:`OKSTracker` gives each pose the number of a person (``person_id``) by greedy matching of OKS, as in
Xiao, Wu & Wei 2018 ("Simple Baselines for Human Pose Estimation and Tracking"), without their optical flow;
with an :class:`~posekit.inference.appearance.Appearance` it also knows people by what they look like.
:class:`PoseSmoother` runs the One-Euro filter of Casiez, Roussel & Vogel 2012 over the joints of each person.
Both hold the state of one video: use new ones for the next, and one thread. Times are seconds.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace

import numpy as np

from posekit.errors import ConfigError
from posekit.inference.appearance import Appearance, cosines, covered_shares
from posekit.structures import Pose, Skeleton

_Seen = tuple[Pose, int, float | None]


def pose_similarity(
    first: Sequence[Pose], second: Sequence[Pose], sigmas: Sequence[float], min_score: float = 0.2
) -> np.ndarray:
    """OKS of every pose to every other, over the joints that both show.

    OKS = mean of exp(-d^2 / (2 area (2 sigma)^2)), area being the mean of the two boxes'.

    Args:
        first: n poses.
        second: m poses.
        sigmas: (K,).
        min_score: A joint scored below this is not shown.

    Returns:
        float64 (n, m); 0 where no joint is shown by both.
    """
    if not first or not second:
        return np.zeros((len(first), len(second)))
    points, shown, areas = zip(*(_arrays(poses, min_score) for poses in (first, second)), strict=True)
    both = shown[0][:, None] & shown[1][None]
    squared = ((points[0][:, None] - points[1][None]) ** 2).sum(axis=-1)
    area = (areas[0][:, None] + areas[1][None]) / 2 + np.spacing(1)
    variances = (2 * np.asarray(sigmas, np.float64)) ** 2
    similar = np.exp(-squared / (2 * area[..., None] * variances))
    return np.where(both, similar, 0.0).sum(axis=-1) / np.maximum(both.sum(axis=-1), 1)


def _arrays(poses: Sequence[Pose], min_score: float) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    boxes = np.array([pose.box_xyxy for pose in poses], np.float64)
    scores = np.array([pose.scores for pose in poses])
    return (
        np.array([pose.keypoints for pose in poses], np.float64),
        (scores >= min_score) & (scores > 0),
        np.prod(np.maximum(boxes[:, 2:] - boxes[:, :2], 0), axis=1),
    )


class OKSTracker:
    """Numbers people from frame to frame: the most similar pair of a known and a new pose first.

    Args:
        skeleton: For its sigmas.
        threshold: A pair less similar than this is not the same person.
        max_missing: Frames that a person may be out of sight and be known again, where frames come without
            times; 0: none.
        min_score: Joints scored below it do not count.
        max_gap: Seconds likewise, where frames have times; whoever was in the frame before is always known.
        appearance: What people look like, and how much it counts. A pair's similarity is then that of OKS and
            cosine together, and has to reach the threshold as OKS does; who is found near nobody may be
            somebody that was lost, up to ``appearance.max_lost``. None: OKS alone.

    Raises:
        ConfigError: If the skeleton states no sigmas, or a setting is out of range.
    """

    def __init__(
        self,
        skeleton: Skeleton,
        threshold: float = 0.3,
        max_missing: int = 15,
        min_score: float = 0.2,
        max_gap: float = 0.5,
        appearance: Appearance | None = None,
    ) -> None:
        if not skeleton.sigmas:
            raise ConfigError(f"tracking: skeleton '{skeleton.name}' states no 'sigmas', which OKS needs")
        if not 0 < threshold <= 1 or max_missing < 0 or not max_gap >= 0:
            raise ConfigError(
                "tracking: expected 'threshold' in (0, 1], 'max_missing' and 'max_gap' of at least 0, "
                f"found {threshold}, {max_missing} and {max_gap}"
            )
        self.skeleton = skeleton
        self.threshold = threshold
        self.max_missing = max_missing
        self.min_score = min_score
        self.max_gap = max_gap
        self.appearance = appearance
        # id -> last pose, frame it was seen in, that frame's time
        self._known: dict[int, _Seen] = {}
        self._lost: dict[int, _Seen] = {}  # likewise, of those who are known by their appearance alone
        self._looks: dict[int, np.ndarray | None] = {}  # id -> running mean of embeddings
        self._since: dict[int, tuple[int, float | None]] = {}  # negative id -> when its waiting began
        self._frame = -1
        self._next_id = 0
        self._next_waiting = -1

    def __call__(
        self, poses: Sequence[Pose], time: float | None = None, image: np.ndarray | None = None
    ) -> list[Pose]:
        """The poses of the next frame, in their order, ``person_id`` being 0, 1, 2 ... as people appear.

        With an appearance, whoever cannot be told yet to be new or known has a negative number of their own,
        for ``appearance.patience`` at most.

        Args:
            poses: In image pixels.
            time: Of the frame, seconds; None: frames are counted.
            image: The frame, uint8 (H, W, 3) RGB, for an appearance that looks at it; it is not kept.

        Raises:
            ConfigError, DataError: See :meth:`~posekit.inference.appearance.Appearance.vectors`.
        """
        vectors = None if self.appearance is None else self.appearance.vectors(image, poses)
        self._frame += 1
        self._forget(time)
        ids = self._match(poses) if vectors is None else self._match_looks(poses, vectors, time)
        for row in range(len(poses)):
            if row not in ids:
                ids[row] = self._next_id
                self._next_id += 1
        numbered = [replace(pose, person_id=ids[row]) for row, pose in enumerate(poses)]
        self._known.update({pose.person_id: (pose, self._frame, time) for pose in numbered})
        if vectors is not None:
            self._learn(numbered, vectors)
        return numbered

    def _recent(
        self, seen: tuple[int, float | None], time: float | None, frames: int, seconds: float
    ) -> bool:
        """Whether a frame, and its time, are at most so long ago."""
        if time is None or seen[1] is None:
            return seen[0] >= self._frame - frames - 1
        return time - seen[1] <= seconds

    def _forget(self, time: float | None) -> None:
        kept = {
            number: one
            for number, one in self._known.items()
            if self._recent(one[1:], time, self.max_missing, self.max_gap) or one[1] == self._frame - 1
        }
        if (looks := self.appearance) is not None:
            gone = {number: one for number, one in self._known.items() if number not in kept}
            self._lost = {
                number: one
                for number, one in (self._lost | gone).items()
                if self._looks.get(number) is not None
                and self._recent(one[1:], time, looks.max_lost_frames, looks.max_lost)
            }
            self._looks = {n: mean for n, mean in self._looks.items() if n in kept or n in self._lost}
            self._since = {n: begun for n, begun in self._since.items() if n in kept}
        self._known = kept

    def _match(self, poses: Sequence[Pose]) -> dict[int, int]:
        """Row of a pose -> id, for those that are known."""
        numbers, similarity = self._motion(poses)
        return {row: numbers[before] for before, row in _greedy(similarity, self.threshold)}

    def _motion(self, poses: Sequence[Pose]) -> tuple[list[int], np.ndarray]:
        """The known people, k, and the OKS of each to each pose, (k, n)."""
        numbers = list(self._known)
        known = [self._known[number][0] for number in numbers]
        return numbers, pose_similarity(known, poses, self.skeleton.sigmas, self.min_score)

    def _match_looks(self, poses: Sequence[Pose], vectors: np.ndarray, time: float | None) -> dict[int, int]:
        """As :meth:`_match`, by OKS and appearance; then those who were lost, by appearance alone."""
        assert self.appearance is not None
        numbers, motion = self._motion(poses)
        alike, weight = cosines([self._looks.get(n) for n in numbers], vectors), self.appearance.weight
        both = (1 - weight) * motion + weight * np.maximum(alike, 0)
        similarity = np.where(np.isnan(alike), motion, both)
        similarity = np.where(motion >= self.threshold, similarity, -1)
        ids = {row: numbers[before] for before, row in _greedy(similarity, self.threshold)}
        missing = [n for n in [*numbers, *self._lost] if n >= 0 and n not in ids.values()]
        unclear = np.isnan(vectors).any(axis=1) | (covered_shares(poses) > self.appearance.max_overlap)
        alike = np.nan_to_num(cosines([self._looks.get(n) for n in missing], vectors), nan=-1.0)
        # Who waits for a number, or of whose looks nothing is known since they began, may be one of them.
        alike[:, [row for row, n in ids.items() if n >= 0 and self._looks.get(n) is not None]] = -1
        alike[:, unclear] = -1
        again = {row: missing[before] for before, row in _greedy(alike, self.appearance.threshold)}
        for row, number in again.items():
            self._lost.pop(number, None)
            self._known.pop(ids.get(row, number), None)
        ids |= again
        if len(missing) > len(again):
            return self._let_wait(ids, unclear, time)
        return {row: number for row, number in ids.items() if number >= 0}

    def _let_wait(self, ids: dict[int, int], unclear: np.ndarray, time: float | None) -> dict[int, int]:
        """Gives those of unclear looks a negative number, unless they have waited for long."""
        assert self.appearance is not None
        for row in range(len(unclear)):
            number = ids.get(row, self._next_waiting)
            if number >= 0:
                continue
            begun = self._since.get(number, (self._frame, time))
            patience = self.appearance.patience_frames, self.appearance.patience
            if unclear[row] and self._recent(begun, time, *patience):
                ids[row], self._since[number] = number, begun
                self._next_waiting = min(self._next_waiting, number - 1)
            else:
                ids.pop(row, None)
        return ids

    def _learn(self, numbered: Sequence[Pose], vectors: np.ndarray) -> None:
        """Moves the running means of those who stand by themselves."""
        assert self.appearance is not None
        covered = covered_shares(numbered) > self.appearance.max_overlap
        for pose, vector, hidden in zip(numbered, vectors, covered, strict=True):
            if not hidden:
                mean = self._looks.get(pose.person_id)
                self._looks[pose.person_id] = self.appearance.learnt(mean, vector)


def _greedy(similarity: np.ndarray, threshold: float) -> list[tuple[int, int]]:
    """Rows and columns, each once, the most similar first, down to the threshold."""
    similarity, pairs = similarity.copy(), []
    while similarity.size and similarity.max() >= threshold:
        row, column = np.unravel_index(similarity.argmax(), similarity.shape)
        pairs.append((int(row), int(column)))
        similarity[row], similarity[:, column] = -1, -1
    return pairs


class OneEuroFilter:
    """The One-Euro filter on K points at once: calm where they rest, quick where they move.

    A low-pass filter whose cutoff follows the speed: cutoff = min_cutoff + beta |speed|, the weight of a new
    value after a time T being a = 1 / (1 + 1 / (2 pi cutoff T)); the speed is low-passed at ``d_cutoff``. The
    speed of a point is the length of its vector, so that the picture may be turned. Each point has its own
    clock: one that is missing for some frames is filtered with the time since it was last seen.

    Args:
        min_cutoff: Hz; lower means calmer at rest and later.
        beta: Hz per unit of speed (units of the points per second); higher means quicker in motion.
        d_cutoff: Hz, of the speed's own filter.

    Raises:
        ConfigError: On a cutoff that is not positive or a negative beta.
    """

    def __init__(self, min_cutoff: float = 1.0, beta: float = 0.007, d_cutoff: float = 1.0) -> None:
        if not (min_cutoff > 0 and d_cutoff > 0 and beta >= 0):
            raise ConfigError(
                "One-Euro filter: expected cutoffs above 0 and beta of at least 0, "
                f"found {min_cutoff}, {d_cutoff}, {beta}"
            )
        self.min_cutoff, self.beta, self.d_cutoff = min_cutoff, beta, d_cutoff
        self._points = np.zeros((0, 2))
        self._speeds = np.zeros((0, 2))
        self._seen_at = np.zeros(0)

    def __call__(
        self, points: np.ndarray, time: float, seen: np.ndarray | None = None, max_gap: float = math.inf
    ) -> np.ndarray:
        """Filters the next points.

        Args:
            points: (K, 2).
            time: Seconds, later than at the last call.
            seen: bool (K,): points that count; the others are returned as they are. None: all.
            max_gap: A point unseen for longer than this starts anew.

        Returns:
            float64 (K, 2).
        """
        points = np.asarray(points, np.float64)
        if len(self._points) != len(points):
            self._points, self._speeds = points.copy(), np.zeros_like(points)
            self._seen_at = np.full(len(points), -math.inf)
        seen = np.ones(len(points), bool) if seen is None else np.asarray(seen, bool)
        elapsed = time - self._seen_at
        going_on = seen & (elapsed <= max_gap) & np.isfinite(elapsed) & (elapsed > 0)
        starting = seen & ~going_on & ~(elapsed <= 0)
        filtered = points.copy()
        self._points[starting], self._speeds[starting] = points[starting], 0
        filtered[going_on] = self._step(points, elapsed, going_on)
        filtered[seen & (elapsed <= 0)] = self._points[seen & (elapsed <= 0)]
        self._seen_at[going_on | starting] = time
        return filtered

    def _step(self, points: np.ndarray, elapsed: np.ndarray, rows: np.ndarray) -> np.ndarray:
        before, period = self._points[rows], elapsed[rows, None]
        # The speed is taken against the last *filtered* value, as in the authors' code.
        speed = (points[rows] - before) / period
        self._speeds[rows] += _weight(self.d_cutoff, period) * (speed - self._speeds[rows])
        length = np.linalg.norm(self._speeds[rows], axis=1, keepdims=True)
        weight = _weight(self.min_cutoff + self.beta * length, period)
        self._points[rows] = before + weight * (points[rows] - before)
        return self._points[rows]


def _weight(cutoff: float | np.ndarray, period: np.ndarray) -> np.ndarray:
    """How much of a new value a low-pass filter takes."""
    return 1 / (1 + 1 / (2 * math.pi * cutoff * period))


class PoseSmoother:
    """One-Euro filters for the joints of every person of a video, who must carry a lasting ``person_id``.

    Speeds are counted in person sizes (square root of the box's area when the person appeared) per second,
    so that one setting serves any resolution and distance. The defaults were chosen for the least error on
    synthetic paths at 25 and 30 frames a second, from rest to a run, with noise of 2 % of the person's size:
    a third less error at rest, a tenth less in a walk and in single quick moves, hardly more in a run.

    Args:
        min_cutoff: See :class:`OneEuroFilter`.
        beta: Hz per person size per second.
        d_cutoff: See :class:`OneEuroFilter`.
        max_gap: Seconds after which a person or joint that comes back starts anew.
        min_score: Joints scored below it are left as they are and do not move the filter.
    """

    def __init__(
        self,
        min_cutoff: float = 0.5,
        beta: float = 20.0,
        d_cutoff: float = 0.3,
        max_gap: float = 0.5,
        min_score: float = 0.2,
    ) -> None:
        self._settings = (min_cutoff, beta, d_cutoff)
        OneEuroFilter(*self._settings)  # impossible settings are an error now
        self.max_gap = max_gap
        self.min_score = min_score
        self._people: dict[int, tuple[OneEuroFilter, float, float]] = {}  # filter, size, last seen

    def __call__(self, poses: Sequence[Pose], time: float) -> list[Pose]:
        """The poses of the next frame, smoothed, in their order.

        Args:
            poses: With a ``person_id`` each, as from :class:`OKSTracker`.
            time: Of the frame, seconds.
        """
        self._people = {k: v for k, v in self._people.items() if time - v[2] <= self.max_gap}
        return [self._smoothed(pose, time) for pose in poses]

    def _smoothed(self, pose: Pose, time: float) -> Pose:
        if pose.person_id in self._people:
            one_euro, size, _ = self._people[pose.person_id]
        else:
            one_euro, size = OneEuroFilter(*self._settings), _size(pose)
        self._people[pose.person_id] = one_euro, size, time
        seen = (pose.scores >= self.min_score) & (pose.scores > 0)
        points = one_euro(pose.keypoints / size, time, seen, self.max_gap) * size
        return replace(pose, keypoints=points.astype(np.float32))


def _size(pose: Pose) -> float:
    """The square root of the box's area, at least a pixel."""
    width, height = pose.box_xyxy[2:] - pose.box_xyxy[:2]
    return math.sqrt(max(float(width * height), 1.0))
