"""The metrics as mmengine evaluators: they collect poses and hand arrays to the functions beside them.

No arithmetic happens here. Every evaluator checks that it fits the data set as soon as it is told of it,
which is before the first training step, and states its settings by ``describe()``.

``dataset_meta`` is a dict of ``skeleton`` (:class:`~posekit.structures.Skeleton`), ``table``
(``PersonTable``), ``box_source`` (``"ground truth"`` or the detections file), ``ann_file`` and,
optionally, ``crop`` (the data set's ``Crop``) and ``image_ids`` (the images to score).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from mmengine.evaluator import BaseMetric

from posekit.errors import ConfigError, DataError
from posekit.files import read_json, write_json
from posekit.geometry import xyxy_to_xywh
from posekit.metrics import records as rec
from posekit.metrics.ground_truth import CocoPeople, choose_sigmas, read_coco
from posekit.metrics.oks import evaluate_oks
from posekit.metrics.pck import NORMS, pck, person_sizes
from posekit.metrics.pckh import DEFAULT_THRESHOLDS, pckh
from posekit.metrics.predictions import (
    PoseArrays,
    first_of_each_person,
    select_poses,
    to_detections,
    write_mpii_predictions,
    write_results,
)
from posekit.registry import METRICS
from posekit.structures import Pose

GROUND_TRUTH_BOXES = "ground truth"


class PoseMetric(BaseMetric):
    """Collects the :class:`~posekit.structures.Pose` of each test sample.

    Score names carry no prefix beyond their own. Subclasses prepare themselves in ``prepare`` and score in
    ``score``.
    """

    default_prefix = ""

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself; setting it checks that the metric fits."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        if dataset_meta is not None:
            self.prepare(dataset_meta)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        """Reads what scoring needs.

        Raises:
            ConfigError: If the metric cannot score this data set.
            DataError: If a file it needs is at fault.
        """

    def process(self, data_batch: Any, data_samples: Sequence[Pose]) -> None:
        """Keeps the poses of a batch."""
        self.results.extend(data_samples)

    def compute_metrics(self, results: list[Pose]) -> dict[str, float]:
        """Scores all poses together, the first of each person.

        A sampler's padding and the stand-ins for unreadable images predict a person again.
        """
        if self.dataset_meta is None:
            raise ConfigError(f"{type(self).__name__}: 'dataset_meta' is not set; what is to be scored?")
        poses = PoseArrays.from_poses(results, self.dataset_meta["skeleton"].num_keypoints)
        _, first = np.unique(poses.person_ids, return_index=True)
        return self.score(poses.take(np.sort(first)), self.dataset_meta)

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        """The named scores of all poses."""
        raise ConfigError(f"{type(self).__name__} scores nothing; use one of its subclasses")

    def describe(self) -> str:
        """Evaluator and settings in one line."""
        return type(self).__name__

    def _need_ground_truth_boxes(self, meta: Mapping[str, Any]) -> None:
        if meta["box_source"] != GROUND_TRUTH_BOXES:
            raise ConfigError(
                f"{type(self).__name__}: needs one prediction per annotated person, but the boxes are from "
                f"{meta['box_source']}; test with ground-truth boxes, or score by OKSMetric"
            )


@METRICS.register_module()
class PCKhMetric(PoseMetric):
    """PCKh of the joint groups and both means, in percent (:mod:`posekit.metrics.pckh`).

    Args:
        thresholds: In head sizes; 0.1 is the true 0.10, 0.11 what the HRNet release prints as @0.1.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(self, thresholds: Sequence[float] = DEFAULT_THRESHOLDS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.thresholds = tuple(thresholds)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        from posekit.datasets.skeletons import MPII16

        if tuple(meta["skeleton"].keypoints) != MPII16.keypoints:
            raise ConfigError(
                f"PCKhMetric: its joint groups are MPII's 16; skeleton '{meta['skeleton'].name}' has other "
                "keypoints; use PCKMetric"
            )
        self._need_ground_truth_boxes(meta)
        if not np.isfinite(meta["table"].head_sizes).any():
            raise ConfigError(
                f"PCKhMetric: {meta['ann_file']} gives nobody a head size; MPII's json forms need the "
                "gt_valid.mat with the head boxes beside them ('head_boxes')"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        known = np.isfinite(table.head_sizes)
        predicted = first_of_each_person(poses, table.person_ids[known])
        return pckh(
            predicted,
            table.keypoints[known],
            table.visible[known] > 0,
            table.head_sizes[known],
            self.thresholds,
        )

    def describe(self) -> str:
        levels = ", ".join(f"{threshold:g}" for threshold in self.thresholds)
        return f"PCKh at {levels} x head size (0.6 x head-box diagonal), percent"


@METRICS.register_module()
class PCKMetric(PoseMetric):
    """PCK of every joint and its means, in percent (:mod:`posekit.metrics.pck`).

    Args:
        threshold: In sizes of the person.
        norm: ``"torso"``, ``"bbox"`` or ``"head"``.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(self, threshold: float = 0.2, norm: str = "torso", **kwargs: Any) -> None:
        super().__init__(**kwargs)
        if norm not in NORMS:
            raise ConfigError(f"PCKMetric: expected 'norm' to be one of {list(NORMS)}, found {norm!r}")
        self.threshold, self.norm = threshold, norm
        self._sizes = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        self._need_ground_truth_boxes(meta)
        table = meta["table"]
        boxes = xyxy_to_xywh(table.boxes_xyxy)
        self._sizes = person_sizes(
            self.norm, table.keypoints, table.visible > 0, meta["skeleton"].keypoints, boxes, table.head_sizes
        )
        if not np.isfinite(self._sizes).any():
            raise ConfigError(
                f"PCKMetric: nobody in {meta['ann_file']} has a {self.norm} size; choose another 'norm'"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        predicted = first_of_each_person(poses, table.person_ids)
        names = meta["skeleton"].keypoints
        return pck(predicted, table.keypoints, table.visible > 0, self._sizes, names, self.threshold)

    def describe(self) -> str:
        left_out = int(np.count_nonzero(np.isnan(self._sizes)))
        note = f"; {left_out} of {len(self._sizes)} people lack it and are left out" if left_out else ""
        return f"PCK at {self.threshold:g} x {self.norm} size, percent{note}"


@METRICS.register_module()
class OKSMetric(PoseMetric):
    """COCO's keypoint AP and AR (:mod:`posekit.metrics.oks`), by default with the HRNet release's protocol.

    Args:
        rescore_threshold: Score = box score x mean of the keypoint scores above it; None: the box score
            alone.
        nms_threshold: OKS-NMS threshold; None: no NMS.
        nms_on_ground_truth_boxes: Suppress also where every box is an annotated person's (the release does;
            there is nothing to suppress then, and every person keeps its prediction).
        max_per_image: At most so many poses of an image count, the best.
        sigmas: K numbers; None: the skeleton's.
        ann_file: The COCO json to score against; None: the data set's.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(
        self,
        rescore_threshold: float | None = 0.2,
        nms_threshold: float | None = 0.9,
        nms_on_ground_truth_boxes: bool = False,
        max_per_image: int = 20,
        sigmas: Sequence[float] | None = None,
        ann_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rescore_threshold, self.nms_threshold = rescore_threshold, nms_threshold
        self.nms_on_ground_truth_boxes = nms_on_ground_truth_boxes
        self.max_per_image, self.sigmas, self.ann_file = max_per_image, sigmas, ann_file
        self._people: CocoPeople | None = None
        self._sigmas = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        skeleton, path = meta["skeleton"], Path(self.ann_file or meta["ann_file"] or "")
        if not {".json"} & set(path.suffixes):
            raise ConfigError(
                f"OKSMetric: needs a COCO keypoint json to score against, found '{path}'; "
                "set 'ann_file', or use PCKhMetric or PCKMetric"
            )
        self._people = people = read_coco(path, _scored_images(meta))
        if people.num_keypoints != skeleton.num_keypoints:
            raise ConfigError(
                f"OKSMetric: {path} has {people.num_keypoints} keypoints, skeleton '{skeleton.name}' "
                f"{skeleton.num_keypoints}"
            )
        if len(people.truth.category_ids) > 1:
            raise ConfigError(
                f"OKSMetric: {path} has keypoints in categories {people.truth.category_ids.tolist()}; a data "
                "set here has one: write the results and score them by tools/evaluate.py coco"
            )
        self._sigmas = choose_sigmas(people, self.sigmas if self.sigmas else skeleton.sigmas or None)

    def _nms(self, meta: Mapping[str, Any]) -> float | None:
        suppress = self.nms_on_ground_truth_boxes or meta["box_source"] != GROUND_TRUTH_BOXES
        return self.nms_threshold if suppress else None

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        assert self._people is not None  # `prepare` ran when `dataset_meta` was set
        kept, scores = select_poses(
            poses, self._sigmas, self.rescore_threshold, self._nms(meta), *_crop_shape(meta)
        )
        detections = to_detections(kept, scores, self._people)
        return evaluate_oks(self._people.truth, detections, self._sigmas, self.max_per_image).stats()

    def describe(self) -> str:
        score = "box score"
        if self.rescore_threshold is not None:
            score += f" x mean keypoint score above {self.rescore_threshold:g}"
        nms = self.nms_threshold if self.dataset_meta is None else self._nms(self.dataset_meta)
        suppression = "no OKS-NMS" if nms is None else f"OKS-NMS {nms:g}"
        return f"OKS AP/AR as pycocotools; score = {score}; {suppression}; top {self.max_per_image} per image"


def _scored_images(meta: Mapping[str, Any]) -> np.ndarray:
    """The images that are scored: those that the data set states, else those it has people of.

    With detected boxes all images count: a detector may find nobody where people are.
    """
    table = meta["table"]
    if meta.get("image_ids") is not None:
        return np.asarray(meta["image_ids"])
    if meta["box_source"] != GROUND_TRUTH_BOXES:
        return np.unique(table.image_ids)
    return np.unique(table.image_ids[table.image_index])


def _crop_shape(meta: Mapping[str, Any]) -> tuple[float | None, float]:
    """Aspect and padding of the data set's crops, where it states them."""
    crop = meta.get("crop")
    if crop is None:
        return None, 1.25
    height, width = crop.input_size_hw
    return (crop.aspect or width / height), crop.padding


@METRICS.register_module()
class PredictionWriter(PoseMetric):
    """Writes the predictions: ``results.json`` (COCO results form) and, for MPII's joints, ``pred.mat``.

    The scores and the suppression in ``results.json`` are those of :class:`OKSMetric` with the same
    settings, so that scoring the file gives its numbers. With ground-truth boxes nobody is suppressed and
    each result carries the ``annotation_id`` of its person. Where the data set is a subset of its file,
    ``image_ids.json`` holds the scored images, for ``tools/evaluate.py --images``.

    Args:
        out_dir: Folder to write to.
        rescore_threshold: As in :class:`OKSMetric`.
        nms_threshold: As in :class:`OKSMetric`; without sigmas there is no NMS.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(
        self,
        out_dir: str,
        rescore_threshold: float | None = 0.2,
        nms_threshold: float | None = 0.9,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out_dir = Path(out_dir)
        self.rescore_threshold, self.nms_threshold = rescore_threshold, nms_threshold

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        skeleton, from_truth = meta["skeleton"], meta["box_source"] == GROUND_TRUTH_BOXES
        nms = None if from_truth or not skeleton.sigmas else self.nms_threshold
        kept, scores = select_poses(poses, skeleton.sigmas, self.rescore_threshold, nms, *_crop_shape(meta))
        write_results(self.out_dir / "results.json", kept, scores, _category_id(meta["ann_file"]), from_truth)
        if meta.get("image_ids") is not None:
            # A subset was scored: whoever scores the file must leave out the same images.
            write_json(self.out_dir / "image_ids.json", np.asarray(meta["image_ids"]).tolist())
        if from_truth and _is_mpii(skeleton.keypoints):
            predicted = first_of_each_person(poses, meta["table"].person_ids)
            write_mpii_predictions(self.out_dir / "pred.mat", predicted)
        return {}

    def describe(self) -> str:
        return f"predictions written to {self.out_dir}"


def _is_mpii(keypoints: Sequence[str]) -> bool:
    from posekit.datasets.skeletons import MPII16

    return tuple(keypoints) == MPII16.keypoints


def _category_id(ann_file: str | None) -> int:
    """The keypoint category of a COCO json; 1, COCO's person, for the other annotation forms."""
    if not ann_file or ".json" not in Path(ann_file).suffixes:
        return 1
    content = read_json(ann_file)
    if not isinstance(content, Mapping) or "categories" not in content:
        return 1
    categories = [c for c in rec.record_list(content, "categories", ann_file) if c.get("keypoints")]
    if not categories:
        raise DataError(f"{ann_file}: categories: none states 'keypoints'")
    return int(categories[0]["id"])
