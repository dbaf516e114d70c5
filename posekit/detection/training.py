"""A detector as mmengine trains it: torchvision's own network and losses, validated by box AP.

The four losses (Ren et al., *Faster R-CNN*, NeurIPS 2015, equation 1, for both stages) are torchvision's:
``loss_objectness`` and ``loss_rpn_box_reg`` of the region proposals, ``loss_classifier`` and ``loss_box_reg``
of the boxes. Their plain sum is what is minimised.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from mmengine.evaluator import BaseMetric
from mmengine.model import BaseModel
from torch import Tensor

from posekit.detection.box_ap import SCORE_NAMES, PersonTruth
from posekit.detection.dataset import ImageSample
from posekit.detection.detector import DetectedPeople
from posekit.detection.networks import (
    DEFAULT_NETWORK,
    PERSON,
    PERSON_CLASSES,
    InputSize,
    Weights,
    build_network,
    has_frozen_norms,
    input_size_of,
    published_weights,
    read_detector,
    run_network,
    to_network,
)
from posekit.detection.results import coco_detections
from posekit.errors import CheckpointError, ConfigError
from posekit.models.freezing import freeze
from posekit.models.weights import check_weights
from posekit.registry import METRICS, MODELS

_PREDICTOR = "roi_heads.box_predictor."
# Rows of a class in the two last layers: one of scores, four of offsets.
_ROWS = {"cls_score": 1, "bbox_pred": 4}


@MODELS.register_module()
class PersonFasterRCNN(BaseModel):
    """A Faster R-CNN of torchvision that tells people from background.

    Its checkpoints are what :class:`~posekit.detection.PersonDetector` takes as ``weights``.

    Args:
        network: One of :data:`~posekit.detection.networks.NETWORKS`.
        weights: True: start from torchvision's COCO weights, downloaded if need be; a path: from a file of
            the network; None: from random weights. Of COCO's 91 classes background and person are kept.
        input_size: Shorter side that images are resized to, longest side they may get, and the multiple of
            which both then are padded to (torchvision's 32, if not stated), pixels; None: of the weights'
            file, else the network's own. With the longest side as the multiple all images become squares,
            and training sees the very padding that a single image has in use.
        frozen: Beginnings of names that do not learn, such as ``("backbone.body.layer1.",)``.
        boxes_per_image: Proposals of an image that the second stage learns from, and anchors that the first
            does. None: torchvision's 512 and 256. Few make a CPU's step several times cheaper.
        score_threshold: Of the boxes predicted in validation; AP wants it low.
        nms_threshold: Of two boxes with a greater IoU the lesser is left out.
        max_people: At most so many of an image.

    Raises:
        CheckpointError: If the weights cannot be had or do not fit.
        ConfigError: On an unknown network or an impossible size, or if ``frozen`` names nothing.
    """

    input_size: Tensor

    def __init__(
        self,
        network: str = DEFAULT_NETWORK,
        weights: bool | str | None = None,
        input_size: Sequence[int] | None = None,
        frozen: Sequence[str] = (),
        boxes_per_image: int | None = None,
        score_threshold: float = 0.05,
        nms_threshold: float = 0.5,
        max_people: int = 100,
    ) -> None:
        super().__init__()
        path = published_weights(network) if weights is True else Path(weights) if weights else None
        file = None if path is None else read_detector(path, network)
        size = _size(input_size) or (file.input_size if file else None)
        self.network = network
        self.detector = build_network(
            network,
            PERSON_CLASSES,
            size,
            frozen_norms=file is not None and has_frozen_norms(file.weights),
            **_sampling(boxes_per_image),
            box_score_thresh=score_threshold,
            box_nms_thresh=nms_threshold,
            box_detections_per_img=max_people,
        )
        if file is not None:
            start = person_rows(file.weights, file.path)
            check_weights(self.detector.state_dict(), start, file.path, network)
            self.detector.load_state_dict(start)
        # Saved with the weights: a detector must see images in the size that it was trained with.
        self.register_buffer("input_size", torch.tensor(input_size_of(self.detector)))
        freeze(self.detector, frozen)

    def forward(
        self,
        image: Sequence[Tensor],
        boxes_xyxy: Sequence[Tensor],
        image_id: Tensor,
        ignored_xyxy: Any = None,
        mode: str = "predict",
    ) -> Any:
        """Runs the network on the fields of a batch of :class:`~posekit.detection.dataset.ImageSample`.

        Args:
            image: B images, uint8 (3, H, W) RGB.
            boxes_xyxy: B tables, float32 (n, 4).
            image_id: int64 (B,).
            ignored_xyxy: Not looked at: torchvision's losses know no such regions.
            mode: ``"loss"`` -> torchvision's four losses; ``"predict"`` -> a list of B ``DetectedPeople``.

        Raises:
            ValueError: On another mode.
        """
        if mode == "loss":
            batch = [to_network(one) for one in image]
            labels = [torch.full((len(boxes),), PERSON, device=boxes.device) for boxes in boxes_xyxy]
            return self.detector(
                batch,
                [{"boxes": boxes, "labels": label} for boxes, label in zip(boxes_xyxy, labels, strict=True)],
            )
        if mode == "predict":
            return [DetectedPeople.from_torchvision(found) for found in run_network(self.detector, image)]
        raise ValueError(f"mode: expected 'loss' or 'predict', found {mode!r}")


def _size(input_size: Sequence[int] | None) -> InputSize | None:
    if input_size is None:
        return None
    whole = len(input_size) in (2, 3) and all(isinstance(side, int) for side in input_size)
    if not whole or not 32 <= input_size[0] <= input_size[1] or any(m < 1 or m % 32 for m in input_size[2:]):
        raise ConfigError(
            "model.input_size: expected the shorter side (from 32 on), the longest side allowed and, where "
            f"stated, the multiple of 32 to pad to, found {tuple(input_size)}"
        )
    return InputSize(*input_size)


def _sampling(boxes_per_image: int | None) -> dict[str, float]:
    """The settings of torchvision that say how much of an image is learnt from."""
    if boxes_per_image is None:
        return {}
    if boxes_per_image < 1:
        raise ConfigError(f"model.boxes_per_image: expected at least 1, found {boxes_per_image}")
    return {
        "box_batch_size_per_image": boxes_per_image,
        "rpn_batch_size_per_image": boxes_per_image,
        # Of what is proposed, enough to choose from.
        "rpn_pre_nms_top_n_train": 16 * boxes_per_image,
        "rpn_post_nms_top_n_train": 8 * boxes_per_image,
    }


def person_rows(weights: Mapping[str, Tensor], source: str | Path) -> Weights:
    """Weights of any number of classes as those of background and person, the first two of them.

    Raises:
        CheckpointError: If there are fewer than two classes.
    """
    kept = dict(weights)
    for layer, rows in _ROWS.items():
        for part in ("weight", "bias"):
            name = f"{_PREDICTOR}{layer}.{part}"
            if name not in kept or len(kept[name]) < rows * PERSON_CLASSES:
                raise CheckpointError(f"checkpoint {source}: expected {name} of background and person")
            kept[name] = kept[name][: rows * PERSON_CLASSES]
    return kept


@METRICS.register_module()
class BoxAPMetric(BaseMetric):
    """COCO's box AP and AR of people (:mod:`posekit.detection.box_ap`), over all images of the data set.

    Args:
        **kwargs: ``collect_device``, ``collect_dir`` of mmengine.
    """

    default_prefix = ""
    _truth: PersonTruth | None = None

    @property
    def dataset_meta(self) -> dict[str, Any] | None:
        """What the data set says of itself; setting it reads the ground truth."""
        return self._dataset_meta

    @dataset_meta.setter
    def dataset_meta(self, dataset_meta: dict[str, Any] | None) -> None:
        self._dataset_meta = dataset_meta
        if dataset_meta is not None:
            if "image_ids" not in dataset_meta:
                raise ConfigError(
                    "BoxAPMetric: expected a data set of one annotation file with all its images, found a "
                    f"wrapper of {dataset_meta.get('ann_file')}; score each data set by itself"
                )
            self._truth = PersonTruth(dataset_meta["ann_file"])

    def process(self, data_batch: ImageSample, data_samples: Sequence[DetectedPeople]) -> None:
        """Keeps the people of a batch, as plain values by image."""
        ids = np.asarray(data_batch.image_id).tolist()
        self.results += [
            {"image_id": image_id, "boxes": people.boxes_xyxy, "scores": people.scores}
            for image_id, people in zip(ids, data_samples, strict=True)
        ]

    def compute_metrics(self, results: list[dict[str, Any]]) -> dict[str, float]:
        """Scores all images together; a sampler's padding shows an image again, which counts once."""
        if self._truth is None or self.dataset_meta is None:
            raise ConfigError("BoxAPMetric: 'dataset_meta' is not set; what is to be scored?")
        by_image = {result["image_id"]: result for result in results}
        detections = [
            record
            for image_id, found in by_image.items()
            for record in coco_detections(
                DetectedPeople(found["boxes"], found["scores"]), image_id, self._truth.category
            )
        ]
        return self._truth.score(detections, self.dataset_meta["image_ids"])

    def score_names(self) -> dict[str, str]:
        """The names of the scores, each with what it is better when."""
        return dict.fromkeys(SCORE_NAMES, "greater")

    def describe(self) -> str:
        """Evaluator and settings in one line."""
        return "box AP/AR of people, pycocotools"
