"""Pose-based data balancing: people of rare poses are seen more often.

Feng et al., "Wing loss for robust facial landmark localisation", CVPR 2018: the training shapes are aligned
by Procrustes analysis, their first principal component follows the head's yaw, a histogram of the projections
on it says which poses are rare, and these people are copied until all bins are level. Each copy is augmented
in its own way. Nothing in it is about faces.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np

from posekit.datasets.draws import SampleKey
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.table import PersonTable
from posekit.errors import ConfigError, is_whole
from posekit.registry import DATASETS, SAMPLERS

_ENOUGH = 1e-12  # change of the mean shape, of norm 1, at which the alignment ends
_MOST_ROUNDS = 100


class Poses(NamedTuple):
    """What a first principal component says of N shapes.

    Attributes:
        mean: float64 (K, 2), of the aligned shapes.
        component: float64 (K, 2), of norm 1; its largest number is positive.
        projections: float64 (N,).
        ratios: float64 (2 K,), the components' shares of the variance, the first one's first.
    """

    mean: np.ndarray
    component: np.ndarray
    projections: np.ndarray
    ratios: np.ndarray


def align_shapes(shapes: np.ndarray, rescale: bool = False) -> tuple[np.ndarray, np.ndarray]:
    """Generalised Procrustes analysis, without reflections.

    Shapes are centred, divided by their Frobenius norm and turned to the mean, which begins as the first
    shape and keeps its frame; this is repeated until the mean stays (Gower, Psychometrika 40(1), 1975).

    Args:
        shapes: (N, K, 2).
        rescale: Each shape is then also scaled to be nearest to the mean; otherwise all keep norm 1.

    Returns:
        The aligned shapes, float64 (N, K, 2), and the mean, (K, 2), of norm 1.

    Raises:
        ValueError: If there are no shapes, or all points of one lie in one place.
    """
    if shapes.ndim != 3 or shapes.shape[2] != 2 or not shapes.size:
        raise ValueError(f"expected shapes (N, K, 2), found {shapes.shape}")
    # Points as complex numbers: turning and scaling is one product.
    points = np.asarray(shapes[..., 0] + 1j * shapes[..., 1], np.complex128)
    points = points - points.mean(axis=1, keepdims=True)
    norms = np.linalg.norm(points, axis=1, keepdims=True)
    if not norms.all():
        raise ValueError(f"shape {int(np.argmin(norms))}: all points lie in one place")
    points /= norms
    mean, aligned = points[0], points
    for _ in range(_MOST_ROUNDS):
        turns = points.conj() @ mean
        aligned = points * (turns if rescale else turns / np.abs(turns))[:, None]
        found = aligned.mean(axis=0)
        found *= np.exp(1j * np.angle(np.vdot(found, points[0]))) / np.linalg.norm(found)
        change, mean = np.abs(found - mean).max(), found
        if change < _ENOUGH:
            break
    return np.stack([aligned.real, aligned.imag], axis=2), np.stack([mean.real, mean.imag], axis=1)


def first_component(aligned: np.ndarray) -> Poses:
    """The principal component analysis of aligned shapes (N, K, 2)."""
    flat = aligned.reshape(len(aligned), -1)
    mean = flat.mean(axis=0)
    centred = flat - mean
    variances, vectors = np.linalg.eigh(centred.T @ centred)
    component = vectors[:, -1]
    component = component * np.sign(component[np.argmax(np.abs(component))])
    shares = np.maximum(variances[::-1], 0)
    ratios = shares / (shares.sum() or 1)
    return Poses(mean.reshape(-1, 2), component.reshape(-1, 2), centred @ component, ratios)


def pose_bins(projections: np.ndarray, bins: int) -> tuple[np.ndarray, np.ndarray]:
    """Equal bins from the least projection to the greatest, the last one closed.

    Returns:
        int64 (N,): each one's bin; float64 (bins + 1,): the edges.
    """
    edges = np.linspace(projections.min(), projections.max(), bins + 1)
    return np.clip(np.searchsorted(edges, projections, side="right") - 1, 0, bins - 1), edges


def level_copies(bin_of: np.ndarray, most: int | None = None) -> np.ndarray:
    """How often each member of a bin is taken so that its bin is at least as full as the fullest.

    Args:
        bin_of: int (N,); -1: of no bin, taken once.
        most: Nobody is taken more often; None: no limit.

    Returns:
        int64 (N,): ceil(size of the fullest bin / size of the own bin).
    """
    counts = np.bincount(bin_of[bin_of >= 0])
    copies = -(-counts.max(initial=1) // np.maximum(counts, 1))
    return np.minimum(np.where(bin_of >= 0, np.append(copies, 1)[bin_of], 1), most or np.iinfo(np.int64).max)


@DATASETS.register_module()
def pose_copies(
    table: PersonTable,
    bins: int = 9,
    rescale: bool = False,
    most: int | None = None,
    keypoints: Sequence[str] | None = None,
) -> np.ndarray:
    """How often each person of a table is to be seen for all poses to be seen alike.

    Args:
        table: The people. Those who lack one of the keypoints are of no pose, and seen once.
        bins: Of the histogram.
        rescale: See :func:`align_shapes`; the paper does not say which.
        most: Nobody is seen more often; None: no limit.
        keypoints: The names that make a shape; None: all.

    Returns:
        int64 (N,).

    Raises:
        ConfigError: On a setting out of range, an unknown name, or if nobody has all keypoints.
    """
    for name, number in (("bins", bins), ("most", 1 if most is None else most)):
        if not is_whole(number):
            raise ConfigError(f"pose_copies: '{name}' must be a whole number above 0, found {number!r}")
    names = table.skeleton.keypoints
    wanted = names if keypoints is None else tuple(keypoints)
    unknown = [name for name in wanted if name not in names]
    if unknown or len(wanted) < 2:
        raise ConfigError(f"pose_copies: 'keypoints': expected two or more of {list(names)}, found {wanted}")
    columns = [names.index(name) for name in wanted]
    shapes = table.keypoints[:, columns].astype(np.float64)
    whole = (table.visible[:, columns] > 0).all(axis=1) & (shapes != shapes[:, :1]).any(axis=(1, 2))
    if not whole.any():
        raise ConfigError(f"pose_copies: nobody in {table.ann_file} has all of the keypoints {list(wanted)}")
    bin_of = np.full(len(table), -1)
    bin_of[whole], _ = pose_bins(first_component(align_shapes(shapes[whole], rescale)[0]).projections, bins)
    return level_copies(bin_of, most)


@SAMPLERS.register_module()
class BalancedSampler(EpochSampler):
    """An :class:`~posekit.datasets.sampler.EpochSampler` that takes some samples several times in each epoch.

    A copy's random draws are its own. An epoch grows by the copies.

    Args:
        dataset: Any data set; with a function as ``copies`` one with a ``table``, such as ``TopDownDataset``.
        copies: How often each sample is taken: a whole number above 0, of all (the augmented views of each in
            an epoch) or for each; or a function of the table that gives them, and its settings,
            ``dict(type=pose_copies, bins=9)``.
        **settings: Of the ``EpochSampler``.

    Raises:
        ConfigError: If the data set has no table, or the numbers are not one for each sample.
    """

    def __init__(self, dataset: Any, copies: Any, **settings: Any) -> None:
        super().__init__(dataset, **settings)
        numbers = np.asarray(_called(copies, dataset))
        numbers = np.repeat(numbers, len(dataset)) if numbers.ndim == 0 else numbers
        if numbers.shape != (len(dataset),) or numbers.dtype.kind not in "iu" or (numbers < 1).any():
            raise ConfigError(
                f"BalancedSampler: 'copies': expected {len(dataset)} whole numbers above 0, one for each "
                f"sample, found {numbers.dtype} of shape {numbers.shape}"
            )
        self.rows = np.repeat(np.arange(len(dataset)), numbers)
        self.repeats = np.arange(len(self.rows)) - np.repeat(np.cumsum(numbers) - numbers, numbers)

    @property
    def size(self) -> int:
        return len(self.rows)

    def __iter__(self) -> Iterator[Any]:
        for place in self._share(self.order()).tolist():
            yield SampleKey(self.seed, self.epoch, int(self.rows[place]), int(self.repeats[place]))


def _called(copies: Any, dataset: Any) -> Any:
    if not isinstance(copies, Mapping) and not callable(copies):
        return copies
    settings = dict(copies) if isinstance(copies, Mapping) else {"type": copies}
    maker = settings.pop("type", pose_copies)
    maker = DATASETS.get(maker) if isinstance(maker, str) else maker
    table = getattr(dataset, "table", None)
    if not callable(maker) or table is None or len(table) != len(dataset):
        raise ConfigError(
            f"BalancedSampler: 'copies': {maker!r} is to be a function of one data set's table, of which a "
            f"{type(getattr(dataset, 'dataset', dataset)).__name__} has none; state a number for each sample"
        )
    return maker(table, **settings)
