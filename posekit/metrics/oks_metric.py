"""COCO's AP and AR as an mmengine evaluator: hands arrays to :mod:`posekit.metrics.oks`."""

from __future__ import annotations

import warnings
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import numpy as np

from posekit.datasets.mapping import Columns, map_keypoints
from posekit.errors import ConfigError
from posekit.io.categories import Category, are_numbers, same_names
from posekit.io.files import read_json
from posekit.metrics.base import (
    GROUND_TRUTH_BOXES,
    PoseMetric,
    categories_of,
    check_nms,
    crop_shape,
    is_json,
    lacks_annotations,
)
from posekit.metrics.categories import category_notes
from posekit.metrics.errors import PersonErrors
from posekit.metrics.ground_truth import (
    BOX,
    FILE,
    CocoPeople,
    choose_sigmas,
    crowding_notes,
    read_coco,
    yardstick_notes,
)
from posekit.metrics.nms import NMS_NAMES
from posekit.metrics.oks import Detections, evaluate_oks
from posekit.metrics.person_errors import errors_of_oks, pair_with_people
from posekit.metrics.poses import (
    PoseArrays,
    first_of_each_person,
    groups_of,
    select_poses,
    to_detections,
)
from posekit.metrics.writer import PredictionWriter
from posekit.registry import METRICS


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
        max_per_image: At most so many poses of an image (and category) count, the best.
        sigmas: K numbers; None: the skeleton's.
        ann_file: The COCO json to score against; None: the data set's.
        area: "file": each person's ``area``; "box": 0.53 x the box; None: as the data set's loader does.
        category: Names or ids of the categories that are scored; None: as the data set's loader does. Several
            are averaged as pycocotools averages them, and each has its ``AP/<name>``.
        on_bad_record: "error" or "skip"; None: as the data set's loader does.
        results_dir: Folder that the poses scored are written to, as by ``PredictionWriter``; None: none.
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
        area: str | None = None,
        category: Category = None,
        on_bad_record: str | None = None,
        results_dir: str | None = None,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        if area not in (None, FILE, BOX):
            raise ConfigError(f"{type(self).__name__}: 'area' must be 'file' or 'box', found {area!r}")
        self.reading = {"area": area, "category": category, "on_bad_record": on_bad_record}
        self.rescore_threshold, self.nms_threshold = rescore_threshold, nms_threshold
        self.nms = check_nms(nms, type(self).__name__)
        self.nms_on_ground_truth_boxes = nms_on_ground_truth_boxes
        self.max_per_image, self.sigmas, self.ann_file = max_per_image, sigmas, ann_file
        self._writer: PredictionWriter | None = None
        if results_dir is not None:
            self._writer = PredictionWriter(results_dir, rescore_threshold, nms_threshold, nms, max_per_image)
        # Of the last poses; what is written, and what became of each joint, is made of the same.
        self._selected: tuple[PoseArrays, tuple[PoseArrays, np.ndarray]] | None = None
        self._people: CocoPeople | None = None
        self._sigmas = np.zeros(0)

    def prepare(self, meta: Mapping[str, Any]) -> None:
        if self._writer is not None:
            self._writer.dataset_meta = dict(meta)
        name, skeleton = type(self).__name__, meta["skeleton"]
        path = self.ann_file or meta["ann_file"] or ""
        if not is_json(path):
            raise ConfigError(
                f"{name}: needs a COCO keypoint json to score against, found '{path}'; "
                "set 'ann_file', or use PCKhMetric or PCKMetric"
            )
        content = read_json(path)
        if lacks_annotations(content):
            self._people = None
            return
        told = dict(getattr(meta["table"], "reading", {}))
        names, columns = told.pop("names", skeleton.keypoints), told.pop("columns", None)
        told.pop("images_left_out", None)
        reading = {name: told.get(name) if value is None else value for name, value in self.reading.items()}
        people = self._read(
            path,
            _scored_images(meta),
            content=content,
            names=names,
            **{name: value for name, value in reading.items() if value is not None},
        )
        # Another file than the data set's may have the source's keypoints, or those that it is made into.
        if columns is not None and same_names(people.names, names):
            people = _mapped(people, columns, skeleton.keypoints)
        self._people = people
        others = not (same_names(people.names, skeleton.keypoints) or are_numbers(people.names))
        if people.num_keypoints == skeleton.num_keypoints and others:
            raise ConfigError(
                f"{name}: {path} has the keypoints {list(people.names)}, skeleton '{skeleton.name}' "
                f"{list(skeleton.keypoints)}: the same names in the same order are needed"
            )
        if people.num_keypoints != skeleton.num_keypoints:
            raise ConfigError(
                f"{name}: {path} has {people.num_keypoints} keypoints, skeleton '{skeleton.name}' "
                f"{skeleton.num_keypoints}"
            )
        self._sigmas = choose_sigmas(people, self.sigmas if self.sigmas else skeleton.sigmas or None)
        if len(people.sigmas) == len(self._sigmas) and not np.allclose(people.sigmas, self._sigmas):
            warnings.warn(
                f"{name}: {path} states other sigmas than are scored with here, which are "
                f"{'the evaluator' if self.sigmas else 'the skeleton'}'s; tools/evaluate.py takes the file's "
                "unless --sigmas says otherwise",
                stacklevel=2,
            )
        notes = *people.notes, *crowding_notes(people, self.max_per_image)
        for note in (*notes, *yardstick_notes(people, self._sigmas)):
            warnings.warn(f"{name}: {note}", stacklevel=2)

    def _read(self, path: str, image_ids: np.ndarray, **reading: Any) -> CocoPeople:
        return read_coco(path, image_ids, **reading)

    def _nms_threshold(self, meta: Mapping[str, Any]) -> float | None:
        suppress = self.nms_on_ground_truth_boxes or meta["box_source"] != GROUND_TRUTH_BOXES
        return self.nms_threshold if suppress else None

    def write_poses(self, poses: PoseArrays, meta: Mapping[str, Any]) -> None:
        if self._writer is None:
            return
        from_truth = meta["box_source"] == GROUND_TRUTH_BOXES
        if self._people is None or (from_truth and self.nms_on_ground_truth_boxes):
            self._writer.score(poses, meta)  # nothing is scored, or the file has all that the NMS drops
        else:
            self._writer.write(poses, self._select(poses, meta), meta)

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        if self._people is None:
            return {}
        named = self._categories(self._people, poses, meta)
        if named is not None and not np.isin(self._people.truth.category_ids, named).all():
            for note in category_notes(self._people, named, "the predictions"):
                warnings.warn(f"{type(self).__name__}: {note}", stacklevel=2)
        detections = self._detections(self._people, poses, meta)
        self._selected = None  # large
        return self._stats(self._people, detections)

    def _categories(
        self, people: CocoPeople, poses: PoseArrays, meta: Mapping[str, Any]
    ) -> np.ndarray | None:
        """The poses'; None: another file than the data set's may number its only category otherwise."""
        alone = self.ann_file is not None and len(people.truth.category_ids) == 1
        return None if alone else categories_of(poses, meta)

    def _detections(self, people: CocoPeople, poses: PoseArrays, meta: Mapping[str, Any]) -> Detections:
        kept, scores = self._select(poses, meta)
        return to_detections(kept, scores, people, self._categories(people, kept, meta))

    def _select(self, poses: PoseArrays, meta: Mapping[str, Any]) -> tuple[PoseArrays, np.ndarray]:
        """What rescoring and suppression leave, with the scores; made once of the same poses."""
        if self._selected is None or self._selected[0] is not poses:
            selected = select_poses(
                poses,
                self._sigmas,
                self.rescore_threshold,
                self._nms_threshold(meta),
                *crop_shape(meta),
                nms=self.nms,
                groups=groups_of(poses, categories_of(poses, meta)),
            )
            self._selected = poses, selected
        return self._selected[1]

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
        result = evaluate_oks(people.truth, detections, self._sigmas, self.max_per_image)
        return result.stats() | result.category_stats(people.category_names)

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


def _mapped(people: CocoPeople, columns: Columns, names: tuple[str, ...]) -> CocoPeople:
    """The people with the keypoints that the data set makes of the file's."""
    given = people.truth.keypoints
    points, visible = map_keypoints(given[..., :2], given[..., 2], columns)
    truth = replace(
        people.truth,
        keypoints=np.concatenate([points, visible[..., None]], axis=-1),
        ignore=people.truth.crowd | (visible == 0).all(axis=1),
    )
    return replace(people, truth=truth, names=names, sigmas=())


def _scored_images(meta: Mapping[str, Any]) -> np.ndarray:
    """The images that are scored: those that the data set states, else those it has people of.

    With detected boxes all images count: a detector may find nobody where people are.
    """
    table = meta["table"]
    if meta.get("image_ids") is not None:
        return np.asarray(meta["image_ids"])
    if meta["box_source"] != GROUND_TRUTH_BOXES:
        return np.setdiff1d(table.image_ids, getattr(table, "reading", {}).get("images_left_out", ()))
    return np.unique(table.image_ids[table.image_index])
