"""What the evaluators have in common: they collect poses and know the data set they score.

``dataset_meta`` is a dict of ``skeleton`` (:class:`~posekit.structures.Skeleton`), ``table``
(``PersonTable``), ``box_source`` ("ground truth", the detections file or ``NO_BOXES``), ``ann_file`` and,
optionally, ``crop`` (the data set's ``Crop``) and ``image_ids`` (the images to score).
"""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from fnmatch import fnmatchcase
from pathlib import Path
from typing import Any, ClassVar

import numpy as np
from mmengine.evaluator import BaseMetric

from posekit.datasets.table import NO_BOXES
from posekit.errors import ConfigError
from posekit.metrics.errors import PersonErrors, write_errors
from posekit.metrics.nms import OKS_NMS
from posekit.metrics.poses import PoseArrays
from posekit.metrics.whole import each_once
from posekit.parallel import gather_columns, on_main
from posekit.structures import Pose

GROUND_TRUTH_BOXES = "ground truth"


class PoseMetric(BaseMetric):
    """Collects the :class:`~posekit.structures.Pose` of each test sample.

    Score names carry no prefix beyond their own. Subclasses prepare themselves in ``prepare`` and score in
    ``score``. By ``higher_is_better`` and ``lower_is_better``, patterns like those of file names, they say
    which way each score goes. What is scored, in which order, does not depend on the number of processes.

    Args:
        errors_file: Write what the score was made of, joint by joint, to this file
            (:mod:`posekit.metrics.errors`); None: nowhere.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    default_prefix = ""
    higher_is_better: ClassVar[tuple[str, ...]] = ()
    lower_is_better: ClassVar[tuple[str, ...]] = ()

    def __init__(self, errors_file: str | None = None, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.errors_file = errors_file
        self._batch_sizes: list[int] = []

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself; setting it checks that the metric fits.

        Raises:
            ConfigError: If it does not, or of a part or a mixture of data sets.
        """
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        if dataset_meta is not None:
            if "table" not in dataset_meta:
                raise ConfigError(
                    f"{type(self).__name__}: expected a data set of one annotation file with all its people, "
                    f"found a wrapper of {dataset_meta.get('ann_file')}; score each data set by itself, and "
                    "choose people by its 'subset'"
                )
            self.prepare(dataset_meta)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        """Reads what scoring needs.

        Raises:
            ConfigError: If the metric cannot score this data set.
            DataError: If a file it needs is at fault.
        """

    def process(self, data_batch: Any, data_samples: Sequence[Pose | list[Pose]]) -> None:
        """Keeps the poses of a batch: of each crop one, of each whole picture a list."""
        if not self.results:  # the last evaluation's are cleared
            self._batch_sizes.clear()
        poses = [pose for found in data_samples for pose in (found if isinstance(found, list) else [found])]
        self._batch_sizes.append(len(poses))
        self.results.extend(poses)

    def evaluate(self, size: int) -> dict[str, float]:
        """Scores the poses of all processes, in process 0; all get the scores.

        Args:
            size: Unused: mmengine's way to cut off a sampler's padding.
        """
        poses = self._gathered(self._arrays(self.results))
        scores = on_main(lambda: {} if poses is None else _plain(self._score_people(poses)))
        self.results.clear()
        return {f"{self.prefix}/{name}" if self.prefix else name: value for name, value in scores.items()}

    def _arrays(self, results: Sequence[Pose]) -> PoseArrays:
        if self.dataset_meta is None:
            raise ConfigError(f"{type(self).__name__}: 'dataset_meta' is not set; what is to be scored?")
        return PoseArrays.from_poses(results, self.dataset_meta["skeleton"].num_keypoints)

    def _gathered(self, poses: PoseArrays) -> PoseArrays | None:
        """The poses of all processes in the order of their batches, in process 0.

        As :class:`~posekit.datasets.sampler.EpochSampler` deals batches in turn, it is that of one process.
        """
        batches = np.repeat(np.arange(len(self._batch_sizes)), self._batch_sizes)
        if len(batches) != len(poses.person_ids):  # results that did not come by ``process``
            batches = np.zeros(len(poses.person_ids), np.int64)
        columns = gather_columns({**poses.columns(), "batches": batches})
        if columns is None:
            return None
        order = np.argsort(columns.pop("batches"), kind="stable")
        return PoseArrays.from_columns(columns).take(order)

    def compute_metrics(self, results: list[Pose]) -> dict[str, float]:
        """Scores the poses of one process."""
        return self._score_people(self._arrays(results))

    def _score_people(self, poses: PoseArrays) -> dict[str, float]:
        """Scores the first pose of each person, in the order of the data set.

        A sampler's padding and the stand-ins for unreadable images predict a person again.
        """
        meta = self.dataset_meta or {}
        if meta.get("box_source") == NO_BOXES:
            poses = each_once(poses)
            if self.errors_file is not None:
                self._write_errors(self.errors_file, poses, meta)
            self.write_poses(poses, meta)
            return self.score(poses, meta)
        _, first = np.unique(poses.person_ids, return_index=True)
        poses = poses.take(np.sort(first))
        known = np.asarray(meta["table"].person_ids)
        if 0 < len(first) < len(known):
            warnings.warn(
                f"{type(self).__name__}: {len(first)} of the {len(known)} people of {meta.get('ann_file')} "
                "were predicted; the others count as missed, or not at all. Is it a sampler of a part, or "
                "were pictures skipped?",
                stacklevel=2,
            )
        rows = _rows_of(poses.person_ids, known)
        poses = poses.take(np.argsort(rows, kind="stable"))
        if self.errors_file is not None and len(first):
            self._write_errors(self.errors_file, poses, meta)
        self.write_poses(poses, meta)
        return self.score(poses, meta)

    def _write_errors(self, path: str, poses: PoseArrays, meta: Mapping[str, Any]) -> None:
        errors = self.errors(poses, meta)
        if errors is not None:
            write_errors(path, errors)

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        """What the headline score is made of, person by person; None: nothing is scored."""
        return None

    def write_poses(self, poses: PoseArrays, meta: Mapping[str, Any]) -> None:
        """Writes the poses that are scored, where a metric does; by default nothing."""

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        """The named scores of all poses."""
        raise ConfigError(f"{type(self).__name__} scores nothing; use one of its subclasses")

    def score_names(self) -> dict[str, str | None]:
        """The scores' names before there is a prediction: those of no predictions at all.

        Returns:
            Each name with what the score is better when: ``"greater"``, ``"less"``; None: not stated.
        """
        own = type(self).compute_metrics is not PoseMetric.compute_metrics
        # Not all of posekit's own way: nothing is to be written yet.
        names = self.compute_metrics([]) if own else self.score(self._arrays([]), self.dataset_meta or {})
        return {name: self._direction(name) for name in names}

    def _direction(self, name: str) -> str | None:
        stated = (("less", self.lower_is_better), ("greater", self.higher_is_better))
        return next((way for way, patterns in stated if any(fnmatchcase(name, p) for p in patterns)), None)

    def describe(self) -> str:
        """Evaluator and settings in one line."""
        return type(self).__name__

    def _need_ground_truth_boxes(self, meta: Mapping[str, Any]) -> None:
        if meta["box_source"] != GROUND_TRUTH_BOXES:
            raise ConfigError(
                f"{type(self).__name__}: needs one prediction per annotated person, but the boxes are from "
                f"{meta['box_source']}; test with ground-truth boxes, or score by OKSMetric"
            )


def categories_of(poses: PoseArrays, meta: Mapping[str, Any]) -> np.ndarray:
    """int64 (N,): the category of each pose's person in the data set; 1 where its table has none."""
    table = meta["table"]
    if not hasattr(table, "category_ids"):  # one of a user's own kind
        return np.ones(len(poses.person_ids), np.int64)
    if meta.get("box_source") == NO_BOXES:  # whom a network found itself is of the one there is
        return np.full(len(poses.person_ids), np.min(table.category_ids, initial=1 << 62))
    rows = _rows_of(poses.person_ids, np.asarray(table.person_ids))
    return np.append(table.category_ids, 1)[rows]


def _rows_of(person_ids: np.ndarray, known: np.ndarray) -> np.ndarray:
    """int64 (N,): where each of the people stands in the data set; people it lacks come last."""
    order = np.argsort(known, kind="stable")
    place = np.searchsorted(known, person_ids, sorter=order)
    rows = order[np.minimum(place, len(known) - 1)] if len(known) else place
    return np.where(known[rows] == person_ids, rows, len(known)) if len(known) else rows


def _plain(scores: Mapping[str, Any]) -> dict[str, float]:
    """Scores as JSON carries them from process to process, bit for bit."""
    return {name: value if isinstance(value, int) else float(value) for name, value in scores.items()}


def crop_shape(meta: Mapping[str, Any]) -> tuple[float | None, float]:
    """Aspect and padding of the data set's crops, where it states them."""
    crop = meta.get("crop")
    if crop is None:
        return None, 1.25
    height, width = crop.input_size_hw
    return (crop.aspect or width / height), crop.padding


def check_nms(name: str, where: str) -> str:
    """Returns ``name`` if it is one of :data:`~posekit.metrics.nms.OKS_NMS`; raises ConfigError otherwise."""
    if name not in OKS_NMS:
        raise ConfigError(f"{where}: expected 'nms' to be one of {sorted(OKS_NMS)}, found {name!r}")
    return name


def is_json(path: str | Path | None) -> bool:
    """Whether a file is named as a json, gzipped or not."""
    return bool(path) and ".json" in Path(str(path)).suffixes


def lacks_annotations(content: Any) -> bool:
    """Whether a COCO json's content lists images without annotations, as those of a test server do."""
    return isinstance(content, Mapping) and "images" in content and "annotations" not in content
