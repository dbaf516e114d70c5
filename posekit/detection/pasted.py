"""People pasted onto whole pictures: boxes that are exact, and crowds, from photos of one person each."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from posekit.registry import DATASETS
from posekit.transforms.pasting import OPAQUE, Pasting, paste

LEAST_SIDE = 5.0  # canvas pixels of a person; who shows less is ignored
_LIKE_THE_LAST = 0.25  # of the logarithm of the height, where people stand together


@DATASETS.register_module()
class PastedPeople(Pasting):
    """Pastes people onto a picture, some of them together, the lower before the higher as on a floor.

    After Dwibedi, Misra & Hebert, *Cut, Paste and Learn* (ICCV 2017), and Ghiasi et al., *Simple Copy-Paste*
    (CVPR 2021): the box of a pasted person is what is still to be seen of them. Who is hidden too much, by
    others or beyond the picture's edge, is neither person nor background. So are people of the picture
    itself, whose boxes stay as they are otherwise.

    Args:
        folder: Of people cut out, see :class:`~posekit.transforms.pasting.Cutouts`; below ``data_root``.
        data_root: Put in front of the folder.
        prob: Probability that anybody is pasted.
        number: Range of how many, both included.
        height: Range of their heights, as shares of the picture's, even over the logarithm.
        together: Probability that one is about as large as the last, and beside them.
        least_visible: Of a person, at least this share must be seen.

    Raises:
        ConfigError: On a setting out of range, or a folder without cut-outs.
    """

    def __init__(
        self,
        folder: str,
        data_root: str = "",
        prob: float = 0.5,
        number: Sequence[int] = (1, 8),
        height: Sequence[float] = (0.08, 0.8),
        together: float = 0.6,
        least_visible: float = 0.3,
    ) -> None:
        super().__init__(folder, data_root, prob, number, height)
        self.together = self.share("together", together)
        self.least_visible = self.share("least_visible", least_visible)

    def __call__(
        self, image: np.ndarray, boxes_xyxy: np.ndarray, ignored_xyxy: np.ndarray, rng: np.random.Generator
    ) -> tuple[np.ndarray, np.ndarray]:
        """Pastes into a picture.

        Args:
            image: uint8 (H, W, 3), RGB, changed.
            boxes_xyxy: float32 (n, 4), of the people who are in it.
            ignored_xyxy: float32 (m, 4).
            rng: Who is pasted where is drawn from it.

        Returns:
            Both tables with who was pasted; who is hidden now has changed from the first to the second.
        """
        if not (count := self.count(rng)):
            return boxes_xyxy, ignored_xyxy
        size_hw = image.shape[:2]
        owner = np.zeros(size_hw, np.int32)  # who is seen in each pixel; 0: the picture
        whole = []
        for number, (cutout, corner) in enumerate(self._placed(count, size_hw, rng), start=1):
            place, piece = paste(image, cutout, corner)
            owner[place][piece[..., 3] >= OPAQUE] = number
            whole.append(int((cutout[..., 3] >= OPAQUE).sum()))
        people: list[list[int]] = []
        unclear: list[list[int]] = []
        for number, area in enumerate(whole, start=1):
            rows, columns = np.nonzero(owner == number)
            if len(rows):
                box = [columns.min(), rows.min(), columns.max() + 1, rows.max() + 1]
                clear = len(rows) >= self.least_visible * area
                clear &= min(box[2] - box[0], box[3] - box[1]) >= LEAST_SIDE
                (people if clear else unclear).append(box)
        seen = np.array([self._seen(owner, box) for box in boxes_xyxy]) >= self.least_visible
        return (
            np.concatenate([boxes_xyxy[seen], _table(people)]),
            np.concatenate([ignored_xyxy, boxes_xyxy[~seen], _table(unclear)]),
        )

    def _placed(
        self, count: int, size_hw: Sequence[int], rng: np.random.Generator
    ) -> list[tuple[np.ndarray, tuple[int, int]]]:
        """Cut-outs with their corners, the last in front."""
        placed: list[tuple[np.ndarray, tuple[int, int]]] = []
        for _ in range(count):
            beside = bool(placed) and rng.random() < self.together
            if beside:
                last, (x, y) = placed[-1]
                like = last.shape[0] * np.exp(rng.uniform(-_LIKE_THE_LAST, _LIKE_THE_LAST))
                height = min(max(like, size_hw[0] * self.height[0]), size_hw[0] * self.height[1])
            else:
                height = size_hw[0] * np.exp(rng.uniform(*np.log(self.height)))
            cutout = self.cutouts.drawn(rng, float(height))
            tall, wide = cutout.shape[:2]
            if beside:
                # To the left or right by a part of both widths, the feet at about the same height.
                step = rng.uniform(0.3, 1.2) * (last.shape[1] + wide) / 2 * rng.choice([-1, 1])
                centre = x + last.shape[1] / 2 + step
                foot = y + last.shape[0] + rng.uniform(-0.1, 0.1) * tall
            else:
                centre, foot = rng.uniform(0, size_hw[1]), rng.uniform(0.5 * tall, size_hw[0] + 0.4 * tall)
            placed.append((cutout, (round(centre - wide / 2), round(foot - tall))))
        return sorted(placed, key=lambda one: one[1][1] + one[0].shape[0])

    @staticmethod
    def _seen(owner: np.ndarray, box_xyxy: np.ndarray) -> float:
        """The share of a box in which nobody was pasted."""
        x1, y1, x2, y2 = np.rint(box_xyxy).astype(int).clip(0)
        part = owner[y1:y2, x1:x2]
        return float((part == 0).mean()) if part.size else 1.0


def _table(boxes: list[list[int]]) -> np.ndarray:
    return np.array(boxes, np.float32).reshape(-1, 4)
