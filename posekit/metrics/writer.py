"""Writes what was predicted, in the forms that others score: COCO's results, MPII's arrays, test servers'."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from posekit.io.files import read_json, write_json
from posekit.metrics.base import (
    GROUND_TRUTH_BOXES,
    PoseMetric,
    categories_of,
    check_nms,
    crop_shape,
    is_json,
    lacks_annotations,
)
from posekit.metrics.oks import best_of_each_image
from posekit.metrics.poses import PoseArrays, first_of_each_person, groups_of, select_poses
from posekit.metrics.predictions import write_mpii_predictions, write_results
from posekit.metrics.submissions import write_coco_submission, write_mpii_submission
from posekit.registry import METRICS


@METRICS.register_module()
class PredictionWriter(PoseMetric):
    """Writes the predictions: ``results.json`` (COCO results form) and, for MPII's joints, ``pred.mat``.

    The scores and the suppression in ``results.json`` are those of :class:`OKSMetric` with the same
    settings, so that scoring the file gives its numbers. With ground-truth boxes nobody is suppressed and
    each result carries the ``annotation_id`` of its person. Where the data set is a subset of its file,
    ``image_ids.json`` holds the scored images, for ``tools/evaluate.py --images``. ``pred.mat`` has a row
    for every person of MPII's ``gt_valid.mat``, far outside where nobody was predicted.

    For people without annotations a file for their test server is added: for a COCO json such as
    ``image_info_test-dev2017.json``, ``person_keypoints_test-dev2017_posekit_results.zip``; for the test
    part of the official MPII ``.mat``, ``pred_keypoints_mpii.mat`` (:mod:`posekit.metrics.submissions`).

    Args:
        out_dir: Folder to write to.
        rescore_threshold: As in :class:`OKSMetric`.
        nms_threshold: As in :class:`OKSMetric`; without sigmas there is no NMS.
        nms: As in :class:`OKSMetric`.
        max_per_image: At most so many poses of an image are written, the best; with ground-truth boxes
            everybody is.
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    def __init__(
        self,
        out_dir: str,
        rescore_threshold: float | None = 0.2,
        nms_threshold: float | None = 0.9,
        nms: str = "oks_nms",
        max_per_image: int = 20,
        **kwargs: Any,
    ) -> None:
        super().__init__(**kwargs)
        self.out_dir = Path(out_dir)
        self.rescore_threshold, self.nms_threshold = rescore_threshold, nms_threshold
        self.nms, self.max_per_image = check_nms(nms, type(self).__name__), max_per_image
        self._for_server = False

    def prepare(self, meta: Mapping[str, Any]) -> None:
        path = meta["ann_file"]
        # Of most files the table says so; reading takes long.
        told = getattr(meta["table"], "reading", {}).get("annotated", False)
        content = read_json(path) if is_json(path) and not told else None
        of_mpii_server = str(path).endswith(".mat") and not meta["table"].visible.any()
        self._for_server = lacks_annotations(content) or of_mpii_server

    def score(self, poses: PoseArrays, meta: Mapping[str, Any]) -> dict[str, float]:
        from_truth, sigmas = meta["box_source"] == GROUND_TRUTH_BOXES, meta["skeleton"].sigmas
        selected = select_poses(
            poses,
            sigmas,
            self.rescore_threshold,
            None if from_truth or not sigmas else self.nms_threshold,
            *crop_shape(meta),
            nms=self.nms,
            groups=groups_of(poses, categories_of(poses, meta)),
        )
        self.write(poses, selected, meta)
        return {}

    def write(
        self, poses: PoseArrays, selected: tuple[PoseArrays, np.ndarray], meta: Mapping[str, Any]
    ) -> None:
        """Writes the files.

        Args:
            poses: All poses.
            selected: Those that rescoring and suppression left, and their scores
                (:func:`~posekit.metrics.poses.select_poses`).
            meta: Of the data set.
        """
        from_truth = meta["box_source"] == GROUND_TRUTH_BOXES
        kept, scores = selected
        categories = categories_of(kept, meta)
        if not from_truth:
            best = best_of_each_image(groups_of(kept, categories), scores, self.max_per_image)
            kept, scores, categories = kept.take(best), scores[best], categories[best]
        write_results(self.out_dir / "results.json", kept, scores, categories, from_truth)
        if meta.get("image_ids") is not None:
            # A subset was scored: whoever scores the file must leave out the same images.
            write_json(self.out_dir / "image_ids.json", np.asarray(meta["image_ids"]).tolist())
        if from_truth and _is_mpii(meta["skeleton"].keypoints):
            self._write_mpii(poses, meta)
        elif self._for_server:
            write_coco_submission(self.out_dir, meta["ann_file"], kept, scores, categories)

    def _write_mpii(self, poses: PoseArrays, meta: Mapping[str, Any]) -> None:
        table = meta["table"]
        # All people of gt_valid.mat, those too that were skipped as faulty or are of another subset.
        rows = table.person_ids if table.file_people is None else np.arange(table.file_people)
        predicted = first_of_each_person(poses, rows)
        write_mpii_predictions(self.out_dir / "pred.mat", predicted)
        if self._for_server:
            write_mpii_submission(self.out_dir / "pred_keypoints_mpii.mat", predicted, meta["ann_file"])

    def score_names(self) -> dict[str, str | None]:
        return {}

    def describe(self) -> str:
        return f"predictions written to {self.out_dir}"


def _is_mpii(keypoints: Sequence[str]) -> bool:
    from posekit.skeletons import MPII16

    return tuple(keypoints) == MPII16.keypoints
