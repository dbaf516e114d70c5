"""What is predicted for one image: its poses, and what the reader of them must know."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import Any

import numpy as np

from posekit.errors import DataError
from posekit.io.files import write_json
from posekit.io.pictures import load_rgb
from posekit.structures import Pose, Skeleton

GIVEN, DETECTED, WHOLE_FRAME, NETWORK = "given", "detector", "whole frame", "network"
# Among a pose's ``extra``: the score of the person as a whole, where scores are calibrated.
PERSON_SCORE = "person_score"
# How calibrated joints are drawn: below the first not at all, below the second as faint rings. Of 30 people
# that lite0_coco17_160x128 finds in 20 COCO val photos, 2 of 68 joints below 0.4 are where a label says (most
# have none: hidden or not in the picture); from 0.4 to 0.6, 34 of 120; above, 213 of 322.
DRAWN_FROM, SURE_FROM = 0.4, 0.6
# A box with a coordinate beyond this is no place in any image.
_FARTHEST = 1e6
_LEAST_SIDE = 1e-3
_NAMED = 5


class People(list[Pose]):
    """The poses of one image, in the order of the boxes; a list with a few facts beside it.

    Attributes:
        box_source: Where the boxes came from: "given", "detector", "whole frame" or "network". A whole frame
            means that the image was taken for one person, because there were neither boxes nor a detector;
            the pose's box is then that of the last look. A network that finds the people of whole pictures
            itself has no boxes: those of its poses are around the parts found, the surest person first.
        image_size_hw: Height and width of the image, pixels; (0, 0) if it could not be read.
        unusable: Numbers of the boxes that no crop can be cut from (not finite, without area, wholly outside
            the image) or without a finite score: there is no pose of them. Of the others, ``person_id`` is
            the number of the box.
        unusable_words: Which boxes these are, and why, for a message; "" if there are none.
        error: Why there are no poses, if the image cannot be used; None otherwise.
        unclear: How many of those that were looked for were taken for no person, and left out: their joints
            are too unsure. Boxes that were given are never left out so.
        skeleton: What the keypoints are, as the predictor states it.
        image_path: The image's file, if it was one. The image itself is not kept.

    >>> People(image_size_hw=(4, 6)).to_dict()["people"]
    []
    """

    def __init__(
        self,
        poses: Iterable[Pose] = (),
        box_source: str = GIVEN,
        image_size_hw: tuple[int, int] = (0, 0),
        unusable: tuple[int, ...] = (),
        unusable_words: str = "",
        error: DataError | None = None,
        unclear: int = 0,
        skeleton: Skeleton | None = None,
        image_path: str | None = None,
    ) -> None:
        super().__init__(poses)
        self.box_source = box_source
        self.image_size_hw = image_size_hw
        self.unusable = unusable
        self.unusable_words = unusable_words
        self.error = error
        self.unclear = unclear
        self.skeleton = skeleton
        self.image_path = image_path

    def __repr__(self) -> str:
        """In one line: a notebook shows what was found, not its arrays."""
        height, width = self.image_size_hw
        where = f" of {self.image_path}" if self.image_path else ""
        kind = f", {self.skeleton.name}" if self.skeleton else ""
        said = f", error: {self.error}" if self.error else ""
        return (
            f"<People: {len(self)} on {width} x {height} pixels{where}{kind}, boxes: {self.box_source}{said}>"
        )

    def replaced(self, poses: Iterable[Pose]) -> People:
        """The same image with other poses, e.g. smoothed ones."""
        facts = {name: value for name, value in vars(self).items() if name != "poses"}
        return People(poses, **facts)

    def to_dict(self) -> dict[str, Any]:
        """Plain numbers and texts, for json; each keypoint by its name as [x, y, score], image pixels.

        A number that is not finite, as a broken network's, is None.
        """
        return {
            "image": self.image_path,
            "image_size_hw": [int(side) for side in self.image_size_hw],
            "box_source": self.box_source,
            "error": None if self.error is None else str(self.error),
            "unclear": self.unclear,
            "unusable": list(self.unusable),
            "people": [self._person(pose) for pose in self],
        }

    def _person(self, pose: Pose) -> dict[str, Any]:
        points = np.column_stack([pose.keypoints, pose.scores]).astype(float).round(3)
        names = self.skeleton.keypoints if self.skeleton else map(str, range(len(points)))
        return {
            "keypoints": dict(zip(names, _plain(points), strict=True)),
            "box_xyxy": _plain(np.asarray(pose.box_xyxy, float).round(2)),
            "box_score": _plain(round(float(pose.box_score), 5)),
            **{name: _plain(value) for name, value in pose.extra.items()},
        }

    def draw(self, image: np.ndarray | None = None, **settings: Any) -> np.ndarray:
        """The image with its people drawn on, uint8 (H, W, 3) RGB.

        Args:
            image: uint8 (H, W, 3) RGB. None: it is read from ``image_path`` again.
            **settings: Of :func:`posekit.visualization.draw_poses`. Where scores are calibrated, joints below
                0.4 are left out and those below 0.6 are faint, unless ``min_score`` and ``confident`` say
                otherwise.

        Raises:
            DataError: If there is no image, or it cannot be read or has another size.
        """
        from posekit.visualization import draw_poses

        if image is None:
            if self.image_path is None:
                raise DataError(
                    "People.draw: the image was no file, and is not kept; give it: people.draw(image)"
                )
            image = load_rgb(self.image_path)
        if tuple(image.shape[:2]) != tuple(self.image_size_hw):
            raise DataError(
                f"People.draw: expected the image of {self.image_size_hw} (height, width), found one of "
                f"{tuple(image.shape[:2])}"
            )
        if any(PERSON_SCORE in pose.extra for pose in self):
            settings = {"min_score": DRAWN_FROM, "confident": SURE_FROM, **settings}
        return draw_poses(image, self, self.skeleton, **settings)

    def save(self, path: str | Path, image: np.ndarray | None = None) -> Path:
        """Writes :meth:`to_dict` to a .json file, or :meth:`draw` to a picture's (.png, .jpg).

        Raises:
            DataError: As :meth:`draw`; or if the file cannot be written.
        """
        from posekit.visualization.drawing import save_image

        path = Path(path)
        if path.suffix.lower() == ".json":
            write_json(path, self.to_dict())
            return path
        return save_image(path, self.draw(image))


def _plain(values: Any) -> Any:
    """Numbers or an array of them as json has them, which knows none that are not finite."""
    array = np.asarray(values)
    if array.dtype.kind == "f" and not np.isfinite(array).all():
        finite, array = np.isfinite(array), array.astype(object)
        array[~finite] = None
    return array.tolist()


def check_boxes(boxes: object, scores: object = None) -> tuple[np.ndarray, np.ndarray]:
    """Boxes as float64 (n, 4) and their scores as float64 (n,), 1 by default.

    Args:
        boxes: (n, 4) xyxy image pixels, or one box (4,); n may be 0.
        scores: (n,), or None.

    Raises:
        DataError: If they are no numbers or of another shape.
    """
    try:
        array = np.asarray(boxes, dtype=np.float64)
        array = array.reshape(-1, 4) if array.size == 0 or array.shape == (4,) else array
        values = np.ones(len(array)) if scores is None else np.asarray(scores, np.float64).reshape(-1)
    except (TypeError, ValueError) as error:
        raise DataError(f"boxes: expected numbers (n, 4), x1 y1 x2 y2 in pixels: {error}") from error
    if array.ndim != 2 or array.shape[1] != 4:
        raise DataError(f"boxes: expected the shape (n, 4), x1 y1 x2 y2 in pixels, found {array.shape}")
    if len(values) != len(array):
        raise DataError(f"box scores: expected one per box ({len(array)}), found {len(values)}")
    return array, values


def usable_boxes(boxes_xyxy: np.ndarray, image_size_hw: tuple[int, int]) -> np.ndarray:
    """Which boxes (n, 4) are finite, have an area and touch the image: bool (n,)."""
    near, sides, touches = _looked_at(boxes_xyxy, image_size_hw)
    return near & sides & touches


def _looked_at(
    boxes_xyxy: np.ndarray, image_size_hw: tuple[int, int]
) -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    """Which boxes are finite and no absurd place, which have an area, which touch the image: bool (n,)."""
    height, width = image_size_hw
    with np.errstate(invalid="ignore"):  # a comparison with NaN is False, which is what is meant
        near = (np.abs(boxes_xyxy) <= _FARTHEST).all(axis=1)
        sides = (boxes_xyxy[:, 2:] - boxes_xyxy[:, :2] >= _LEAST_SIDE).all(axis=1)
    touches = (boxes_xyxy[:, :2] < (width, height)).all(axis=1) & (boxes_xyxy[:, 2:] > 0).all(axis=1)
    return near, sides, np.asarray(touches)


def unusable_words(boxes_xyxy: np.ndarray, scores: np.ndarray, image_size_hw: tuple[int, int]) -> str:
    """Which boxes (n, 4) with scores (n,) are of no use, each with the reason; "" if all are of use."""
    near, sides, touches = _looked_at(boxes_xyxy, image_size_hw)
    bad = np.flatnonzero(~(near & sides & touches & np.isfinite(scores))).tolist()
    if not bad:
        return ""
    height, width = image_size_hw
    words = []
    for number in bad[:_NAMED]:
        if not near[number]:
            why = "not finite, or no place in an image"
        elif not sides[number]:
            why = "no area: expected x1, y1, x2, y2 in pixels (no width and height), x1 < x2 and y1 < y2"
        elif not touches[number]:
            why = f"outside the image of {width} x {height}"
        else:
            why = f"its score is {scores[number]:g}"
        sides_of = ", ".join(f"{side:g}" for side in boxes_xyxy[number].tolist())
        words.append(f"number {number}, [{sides_of}] ({why})")
    more = f" and {len(bad) - _NAMED} more" if len(bad) > _NAMED else ""
    return f"{len(bad)} of {len(boxes_xyxy)} boxes cannot be used: {'; '.join(words)}{more}"
