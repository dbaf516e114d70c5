"""The metrics as mmengine evaluators: they collect poses and hand arrays to the functions beside them.

No arithmetic happens here. Every evaluator checks that it fits the data set as soon as it is told of it,
which is before the first training step, and states its settings by ``describe()``. What they have in common
is in ``base.py``.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from posekit.errors import ConfigError
from posekit.geometry import xyxy_to_xywh
from posekit.metrics.base import GROUND_TRUTH_BOXES, PoseMetric, crop_shape, is_json, lacks_annotations
from posekit.metrics.crowdpose import (
    CROWD_BOUNDS,
    check_crowd_bounds,
    evaluate_crowdpose,
    read_crowd_index,
    read_crowdpose,
)
from posekit.metrics.errors import PersonErrors
from posekit.metrics.ground_truth import CocoPeople, choose_sigmas, read_coco
from posekit.metrics.nms import NMS_NAMES, check_nms
from posekit.metrics.oks import Detections, evaluate_oks
from posekit.metrics.pck import NORMS, pck, person_sizes
from posekit.metrics.pckh import DEFAULT_THRESHOLDS, pckh, pckh_curve_scores
from posekit.metrics.person_errors import errors_of_oks, errors_of_pck, errors_of_pckh, pair_with_people
from posekit.metrics.predictions import PoseArrays, first_of_each_person, select_poses, to_detections
from posekit.metrics.writer import PredictionWriter
from posekit.registry import METRICS

__all__ = ["CrowdPoseMetric", "OKSMetric", "PCKMetric", "PCKhMetric", "PoseMetric", "PredictionWriter"]


@METRICS.register_module()
class PCKhMetric(PoseMetric):
    """PCKh of the joint groups and both means, in percent (:mod:`posekit.metrics.pckh`).

    People of MPII's test part, who have no annotations, are predicted, not scored: no scores then.

    Args:
        thresholds: In head sizes; 0.1 is the true 0.10, 0.11 what the HRNet release prints as @0.1.
        curve: Give also PCKh's curve over the thresholds 0, 0.01, ..., 0.5 and the area under it.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("PCKh*",)

    def __init__(
        self, thresholds: Sequence[float] = DEFAULT_THRESHOLDS, curve: bool = False, **kwargs: Any
    ) -> None:
        super().__init__(**kwargs)
        self.thresholds, self.curve = tuple(thresholds), curve

    def prepare(self, meta: Mapping[str, Any]) -> None:
        from posekit.skeletons import MPII16

        if tuple(meta["skeleton"].keypoints) != MPII16.keypoints:
            raise ConfigError(
                f"PCKhMetric: its joint groups are MPII's 16; skeleton '{meta['skeleton'].name}' has other "
                "keypoints; use PCKMetric"
            )
        self._need_ground_truth_boxes(meta)
        table = meta["table"]
        if table.visible.any() and not np.isfinite(table.head_sizes).any():
            raise ConfigError(
                f"PCKhMetric: {meta['ann_file']} gives nobody a head size; MPII's json forms need the "
                "gt_valid.mat with the head boxes beside them ('head_boxes')"
            )

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        table = meta["table"]
        if not table.visible.any():
            return {}
        known = np.isfinite(table.head_sizes)
        predicted = first_of_each_person(poses, table.person_ids[known])
        truth = table.keypoints[known], table.visible[known] > 0, table.head_sizes[known]
        scores = pckh(predicted, *truth, self.thresholds)
        return {**scores, **pckh_curve_scores(predicted, *truth)} if self.curve else scores

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        table = meta["table"]
        known = np.isfinite(table.head_sizes)
        if not table.visible.any():
            return None
        return errors_of_pckh(poses, table.select(known), self.thresholds[0])

    def describe(self) -> str:
        if self.dataset_meta is not None and not self.dataset_meta["table"].visible.any():
            return f"none: {self.dataset_meta['ann_file']} annotates none of these people"
        levels = ", ".join(f"{threshold:g}" for threshold in self.thresholds)
        curve = "; PCKh_AUC: area under 0 to 0.5, a fraction" if self.curve else ""
        return f"PCKh at {levels} x head size (0.6 x head-box diagonal), percent{curve}"


@METRICS.register_module()
class PCKMetric(PoseMetric):
    """PCK of every joint and its means, in percent (:mod:`posekit.metrics.pck`).

    Args:
        threshold: In sizes of the person.
        norm: ``"torso"``, ``"bbox"`` or ``"head"``.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("PCK@*",)

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

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        return errors_of_pck(poses, meta["table"], self._sizes, self.threshold)

    def describe(self) -> str:
        left_out = int(np.count_nonzero(np.isnan(self._sizes)))
        note = f"; {left_out} of {len(self._sizes)} people lack it and are left out" if left_out else ""
        return f"PCK at {self.threshold:g} x {self.norm} size, percent{note}"


@METRICS.register_module()
class OKSMetric(PoseMetric):
    """COCO's keypoint AP and AR (:mod:`posekit.metrics.oks`), by default with the HRNet release's protocol.

    People without annotations (COCO's test-dev) are predicted, not scored: there are no scores then, and
    ``describe()`` says so.

    Args:
        rescore_threshold: Score = box score x mean of the keypoint scores above it; None: the box score
            alone.
        nms_threshold: Threshold of the NMS; None: no NMS.
        nms: ``"oks_nms"`` drops the lesser of two similar poses; ``"soft_oks_nms"`` keeps the 20 of an
            image whose score has decayed least (:func:`~posekit.metrics.nms.soft_oks_nms`).
        nms_on_ground_truth_boxes: Suppress also where every box is an annotated person's (the release does;
            there is nothing to suppress then, and every person keeps its prediction).
        max_per_image: At most so many poses of an image count, the best.
        sigmas: K numbers; None: the skeleton's.
        ann_file: The COCO json to score against; None: the data set's.
        **kwargs: ``errors_file``; ``collect_device``, ``collect_dir`` of mmengine.
    """

    higher_is_better = ("AP*", "AR*")

    def __init__(
        self,
        rescore_threshold: float | None = 0.2,
        nms_threshold: float | None = 0.9,
        nms: str = "oks_nms",
        nms_on_ground_truth_boxes: bool = False,
        max_per_image: int = 20,
        sigmas: Sequence[float] | None = None,
        ann_file: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.rescore_threshold, self.nms_threshold = rescore_threshold, nms_threshold
        self.nms = check_nms(nms, type(self).__name__)
        self.nms_on_ground_truth_boxes = nms_on_ground_truth_boxes
        self.max_per_image, self.sigmas, self.ann_file = max_per_image, sigmas, ann_file
        self._people: CocoPeople | None = None
        self._sigmas = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        name, skeleton = type(self).__name__, meta["skeleton"]
        path = self.ann_file or meta["ann_file"] or ""
        if not is_json(path):
            raise ConfigError(
                f"{name}: needs a COCO keypoint json to score against, found '{path}'; "
                "set 'ann_file', or use PCKhMetric or PCKMetric"
            )
        if lacks_annotations(path):
            self._people = None
            return
        self._people = people = self._read(path, _scored_images(meta))
        if people.num_keypoints != skeleton.num_keypoints:
            raise ConfigError(
                f"{name}: {path} has {people.num_keypoints} keypoints, skeleton '{skeleton.name}' "
                f"{skeleton.num_keypoints}"
            )
        if len(people.truth.category_ids) > 1:
            raise ConfigError(
                f"{name}: {path} has keypoints in categories {people.truth.category_ids.tolist()}; a data "
                "set here has one: write the results and score them by tools/evaluate.py coco"
            )
        self._sigmas = choose_sigmas(people, self.sigmas if self.sigmas else skeleton.sigmas or None)

    def _read(self, path: str, image_ids: np.ndarray) -> CocoPeople:
        return read_coco(path, image_ids)

    def _nms_threshold(self, meta: Mapping[str, Any]) -> float | None:
        suppress = self.nms_on_ground_truth_boxes or meta["box_source"] != GROUND_TRUTH_BOXES
        return self.nms_threshold if suppress else None

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        if self._people is None:
            return {}
        return self._stats(self._people, self._detections(self._people, poses, meta))

    def _detections(self, people: CocoPeople, poses: PoseArrays, meta: Mapping[str, Any]) -> Detections:
        threshold = self._nms_threshold(meta)
        kept, scores = select_poses(
            poses, self._sigmas, self.rescore_threshold, threshold, *crop_shape(meta), nms=self.nms
        )
        return to_detections(kept, scores, people)

    def errors(self, poses: PoseArrays, meta: Mapping[str, Any]) -> PersonErrors | None:
        if self._people is None:
            return None
        if meta["box_source"] == GROUND_TRUTH_BOXES:
            predicted = first_of_each_person(poses, self._people.annotation_ids)
        else:
            detections = self._detections(self._people, poses, meta)
            predicted = pair_with_people(self._people, detections, self._sigmas, self.max_per_image)
        return errors_of_oks(predicted, self._people, self._sigmas, meta["skeleton"])

    def _stats(self, people: CocoPeople, detections: Detections) -> dict[str, float]:
        return evaluate_oks(people.truth, detections, self._sigmas, self.max_per_image).stats()

    def describe(self) -> str:
        score = "box score"
        if self.rescore_threshold is not None:
            score += f" x mean keypoint score above {self.rescore_threshold:g}"
        threshold = (
            self.nms_threshold if self.dataset_meta is None else self._nms_threshold(self.dataset_meta)
        )
        suppression = "no OKS-NMS" if threshold is None else f"{NMS_NAMES[self.nms]} {threshold:g}"
        protocol = f"score = {score}; {suppression}; top {self.max_per_image} per image"
        if self.dataset_meta is not None and self._people is None:
            return f"none: {self.dataset_meta['ann_file']} has no annotations; results: {protocol}"
        return f"{self._definition()}; {protocol}"

    def _definition(self) -> str:
        return "OKS AP/AR as pycocotools"


@METRICS.register_module()
class CrowdPoseMetric(OKSMetric):
    """CrowdPose's AP and AR, and AP of its easy, medium and hard images (:mod:`posekit.metrics.crowdpose`).

    Args:
        crowd_bounds: Crowd indices below the first are easy, below the second medium. (0.2, 0.8) are those
            of the released evaluation, (0.1, 0.8) those of the paper's text.
        **kwargs: As of :class:`OKSMetric`.
    """

    def __init__(self, crowd_bounds: Sequence[float] = CROWD_BOUNDS, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.crowd_bounds = check_crowd_bounds(crowd_bounds)
        self._crowd_index = np.zeros(0)

    def _read(self, path: str, image_ids: np.ndarray) -> CocoPeople:
        people = read_crowdpose(path, image_ids)
        self._crowd_index = read_crowd_index(path, people.truth.image_ids)
        return people

    def _stats(self, people: CocoPeople, detections: Detections) -> dict[str, float]:
        return evaluate_crowdpose(
            people.truth, detections, self._crowd_index, self._sigmas, self.crowd_bounds, self.max_per_image
        )

    def _definition(self) -> str:
        easy, medium = self.crowd_bounds
        return (
            f"OKS AP/AR as crowdposetools, area 0.53 x box; easy: crowd index below {easy:g}, "
            f"medium: below {medium:g}"
        )


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
