"""The people of whom most is wrong, drawn on their photos as ``tools/browse_dataset.py`` does, one by one."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import cv2
import numpy as np

from posekit.analysis.reading import Scored
from posekit.datasets.pictures import read_annotated
from posekit.errors import ConfigError, DataError
from posekit.geometry import apply_warp, xywh_to_xyxy
from posekit.io import records as rec
from posekit.io.images import check_image_name, missing_images, within_folder
from posekit.metrics.ground_truth import CocoPeople
from posekit.metrics.keypoint_kinds import ERRORS
from posekit.structures import Skeleton
from posekit.visualization.cases import draw_errors
from posekit.visualization.drawing import draw_pose
from posekit.visualization.sheets import crop_photo

CELL_HW = (256, 256)
PER_KIND = 6
_REACH = 0.75  # of the box's sides, how far beyond it a pose is still shown
_QUALITY = 85


@dataclass(frozen=True)
class Picture:
    """A person's picture.

    Attributes:
        jpeg: Its file.
        words: What is below it.
    """

    jpeg: bytes
    words: str


class Photos:
    """The photos of the people.

    Args:
        folder: That the file names are relative to.
        people: The ground truth.
        content: Its file's.

    Raises:
        ConfigError: If there is no such folder.

    Attributes:
        problems: Image id -> why :meth:`seen` had nothing to show.
    """

    def __init__(self, folder: str, people: CocoPeople, content: Any) -> None:
        if not Path(folder).is_dir():
            raise ConfigError(f"--photos: expected the folder of the photos, found no folder {folder}")
        self.folder, self.file = Path(folder), people.file
        self.images = {image["id"]: image for image in content["images"]}
        self.problems: dict[int, str] = {}

    def seen(self, image_id: int) -> np.ndarray | None:
        """As :meth:`read`; of a photo that cannot be read the reason is kept, and there is None."""
        try:
            return self.read(image_id)
        except DataError as error:
            self.problems[image_id] = str(error)
            return None

    def read(self, image_id: int) -> np.ndarray:
        """uint8 (H, W, 3) RGB.

        Raises:
            DataError: If its name leads out of the folder, or it is missing, unreadable or of another size
                than stated.
        """
        image = self.images[image_id]
        where = f"{self.file}: images: id {image_id}"
        name = within_folder(rec.require(image, "file_name", where, str), self.folder)
        check_image_name(name, where)
        path = self.folder / name
        if missing_images(self.folder, [name]):
            raise DataError(f"{path}: there is no such photo, which {where} names; is --photos its folder?")
        size = rec.image_side(image, "height", where), rec.image_side(image, "width", where)
        return read_annotated(str(path), size, ann_file=self.file)


def worst_pictures(
    photos: Photos, people: CocoPeople, scored: Scored, worst: Mapping[str, Any], skeleton: Skeleton
) -> dict[str, list[Picture]]:
    """Pictures of the worst, by what is wrong: "oks", the kinds of errors, "missed" people, "false_pose".

    What photos cannot be read is left out, and is among the problems of ``photos``.

    Args:
        photos: Theirs.
        people: The ground truth.
        scored: The results.
        worst: As :func:`~posekit.analysis.analyse.worst` lists them.
        skeleton: Of the keypoints.
    """
    row_of = {number: row for row, number in enumerate(people.annotation_ids.tolist())}
    found = {}
    for kind, listed in worst.items():
        rows = [row_of[one["annotation_id"]] for one in listed[:PER_KIND]]
        found[kind] = [
            Picture(_of_person(image, people, scored, row, skeleton), _said(one))
            for row, one in zip(rows, listed, strict=False)
            if (image := photos.seen(one["image_id"])) is not None
        ]
    found["missed"] = _missed(photos, people, scored, skeleton)
    found["false_pose"] = _strays(photos, people, scored, skeleton)
    return {kind: pictures for kind, pictures in found.items() if pictures}


def _said(one: Mapping[str, Any]) -> str:
    """What is wrong with a person, e.g. "OKS 0.43, 2 swap, 1 miss; id 7, image 3"."""
    said = [f"OKS {one['oks']:.2f}", *(f"{one[kind]} {kind}" for kind in ERRORS if one.get(kind))]
    return f"{', '.join(said)}; id {one['annotation_id']}, image {one['image_id']}"


def _of_person(image: np.ndarray, people: CocoPeople, scored: Scored, row: int, skeleton: Skeleton) -> bytes:
    """A person's pose against the truth."""
    truth, points = people.truth, scored.detections.keypoints[scored.pose_rows[row]]
    box = xywh_to_xyxy(truth.boxes_xywh[row])
    photo, warp = crop_photo(image, _around(box, points[:, :2]), CELL_HW, 1.15)
    drawn = draw_errors(
        photo,
        apply_warp(points[:, :2], warp),
        apply_warp(truth.keypoints[row, :, :2], warp),
        people.labelled[row],
        np.where(people.labelled[row], np.clip(points[:, 2], 0, 1), 0),
        skeleton,
    )
    return _jpeg(drawn)


def _around(box_xyxy: np.ndarray, points: np.ndarray) -> np.ndarray:
    """The box (4,) and the points that are not too far off."""
    reach = _REACH * np.tile(np.maximum(box_xyxy[2:] - box_xyxy[:2], 1), 2) * [-1, -1, 1, 1]
    near = np.clip(points, (box_xyxy + reach)[:2], (box_xyxy + reach)[2:])
    return _box_of(np.concatenate([near, box_xyxy.reshape(2, 2)]))


def _box_of(points: np.ndarray) -> np.ndarray:
    """The box (4,) around points (N, 2), of two pixels at least."""
    low = points.min(axis=0)
    return np.concatenate([low, np.maximum(points.max(axis=0), low + 2)])


def _missed(photos: Photos, people: CocoPeople, scored: Scored, skeleton: Skeleton) -> list[Picture]:
    """People without a pose, the largest first, with their true keypoints."""
    truth = people.truth
    rows = np.flatnonzero(~truth.ignore & (scored.pose_rows < 0))
    pictures = []
    for row in rows[np.argsort(-truth.areas[rows], kind="stable")][:PER_KIND].tolist():
        image_id = int(truth.image_ids[truth.image[row]])
        if (image := photos.seen(image_id)) is None:
            continue
        points = np.where(people.labelled[row][:, None], truth.keypoints[row, :, :2], np.nan)
        box = xywh_to_xyxy(truth.boxes_xywh[row])
        words = f"no pose; id {people.annotation_ids[row]}, image {image_id}"
        pictures.append(Picture(_drawn(image, box, points, None, skeleton), words))
    return pictures


def _strays(photos: Photos, people: CocoPeople, scored: Scored, skeleton: Skeleton) -> list[Picture]:
    """Poses that are nobody's, the surest first."""
    detections, truth = scored.detections, people.truth
    rows = scored.strays
    pictures = []
    for row in rows[np.argsort(-detections.scores[rows], kind="stable")][:PER_KIND].tolist():
        image_id = int(truth.image_ids[detections.image[row]])
        if (image := photos.seen(image_id)) is None:
            continue
        points = detections.keypoints[row]
        # Far points would leave a dot of it.
        box = _box_of(np.clip(points[:, :2], 0, image.shape[1::-1]))
        words = f"nobody's, score {detections.scores[row]:.3g}; image {image_id}"
        scores = np.clip(points[:, 2], 0, 1)
        pictures.append(Picture(_drawn(image, box, points[:, :2], scores, skeleton), words))
    return pictures


def _drawn(
    image: np.ndarray, box: np.ndarray, points: np.ndarray, scores: np.ndarray | None, skeleton: Skeleton
) -> bytes:
    photo, warp = crop_photo(image, box, CELL_HW)
    return _jpeg(draw_pose(photo, apply_warp(points, warp), scores, skeleton))


def _jpeg(image: np.ndarray) -> bytes:
    done, encoded = cv2.imencode(".jpg", image[..., ::-1], [cv2.IMWRITE_JPEG_QUALITY, _QUALITY])
    assert done
    return encoded.tobytes()
