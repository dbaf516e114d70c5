"""People by a YOLOX in an ONNX file, through ONNX Runtime: tens of milliseconds a picture on a CPU core.

Ge et al., "YOLOX: exceeding YOLO series in 2021". The files are those that YOLOX exports: one input (1, 3, H,
W), blue, green, red from 0 to 255, the picture in the upper left corner and grey 114 beside it; one output
(1, N, 5 + classes), for each cell of the maps of strides 8, 16 and 32 a box, undecoded, whether there is
something, and what. The first class is COCO's person. Needs ``pip install posekit[onnx]``.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torchvision.ops import nms

from posekit.detection.detector import DetectedPeople, check_image, check_settings
from posekit.errors import CheckpointError
from posekit.io.downloads import WeightFile, obtain
from posekit.io.images import cv2
from posekit.io.onnx_files import open_session

_STRIDES = (8, 16, 32)
_GREY = 114
_RELEASE = "https://github.com/Megvii-BaseDetection/YOLOX/releases"
#: Name -> its published file.
YOLOX = {
    "yolox_nano": WeightFile(
        "yolox_nano.onnx",
        _RELEASE,
        f"{_RELEASE}/download/0.1.1rc0/yolox_nano.onnx",
        "e8af074932d4ed7e232278e3055cefcdea3edf178874a3694ae292649fb464dd",
    )
}


class YoloxDetector:
    """A YOLOX of COCO's classes, giving people alone. It may be called from several threads.

    Args:
        weights: An .onnx file, or a name of :data:`YOLOX`, whose file is downloaded if need be.
        score_threshold: Boxes scored below it are left out; 0.05 for a file that is to be scored by AP.
        nms_threshold: Of two boxes with a greater IoU the lesser is left out.
        max_people: At most so many of an image, the surest.
        device: "cuda" takes ONNX Runtime's GPU, where it has one.
        batch_size: Not used: the files take a picture at a time. It is there for callers of any detector.

    Raises:
        CheckpointError: If there is no ONNX Runtime, or the file cannot be had or is no YOLOX.
        ConfigError: On an impossible threshold.
    """

    def __init__(
        self,
        weights: str | Path = "yolox_nano",
        score_threshold: float = 0.5,
        nms_threshold: float = 0.5,
        max_people: int = 100,
        device: str | torch.device | None = None,
        batch_size: int = 1,
    ) -> None:
        check_settings(score_threshold, nms_threshold, max_people, batch_size)
        self.weights = obtain(YOLOX[str(weights)]) if str(weights) in YOLOX else Path(weights)
        if not self.weights.is_file():
            raise CheckpointError(f"detector {weights}: no such file; known by name: {', '.join(YOLOX)}")
        self.network = self.weights.stem
        self.score_threshold, self.nms_threshold = score_threshold, nms_threshold
        self.max_people, self.batch_size = max_people, 1
        self.device = torch.device(device or "cpu")
        self._session = open_session(self.weights, self.device, "detector")
        _check(self._session, self.weights)
        (entry,) = self._session.get_inputs()
        self._entry, self.input_size_hw = entry.name, tuple(entry.shape[2:])
        self._cells, self._steps = _grid(self.input_size_hw)

    def describe(self) -> str:
        """The network, its input and thresholds, in words."""
        height, width = self.input_size_hw
        return (
            f"YOLOX {self.weights.name}, {height}x{width}, through ONNX Runtime; people from "
            f"{self.score_threshold:g}, NMS {self.nms_threshold:g}"
        )

    def __call__(self, images: Sequence[np.ndarray]) -> list[DetectedPeople]:
        """Finds the people of each image.

        Args:
            images: uint8 (H, W, 3) RGB, of any sizes.

        Raises:
            DataError: On an image of another kind.
        """
        for number, image in enumerate(images):
            check_image(image, number)
        return [self._people(image) for image in images]

    def _people(self, image: np.ndarray) -> DetectedPeople:
        height, width = self.input_size_hw
        ratio = min(height / image.shape[0], width / image.shape[1])
        new_wh = int(image.shape[1] * ratio), int(image.shape[0] * ratio)
        if min(new_wh) < 1:  # too thin to be resized
            return DetectedPeople(np.zeros((0, 4), np.float32), np.zeros(0, np.float32))
        canvas = np.full((height, width, 3), _GREY, np.uint8)
        canvas[: new_wh[1], : new_wh[0]] = cv2.resize(image, new_wh, interpolation=cv2.INTER_LINEAR)
        batch = np.ascontiguousarray(canvas[..., ::-1].transpose(2, 0, 1)[None], np.float32)
        (output,) = self._session.run(None, {self._entry: batch})[0]
        return self._decoded(output, ratio, image.shape[:2])

    def _decoded(self, output: np.ndarray, ratio: float, size_hw: tuple[int, ...]) -> DetectedPeople:
        scores = output[:, 4] * output[:, 5]
        kept = scores >= self.score_threshold
        output, scores = output[kept], scores[kept]
        steps = self._steps[kept]
        centres = (output[:, :2] + self._cells[kept]) * steps
        halves = np.exp(output[:, 2:4]) * steps / 2
        boxes = np.concatenate([centres - halves, centres + halves], axis=1) / ratio
        boxes, scores = boxes.astype(np.float32), scores.astype(np.float32)
        order = nms(torch.from_numpy(boxes), torch.from_numpy(scores), self.nms_threshold)
        order = order[: self.max_people].numpy()
        within = np.clip(boxes[order], 0, np.array([*size_hw[::-1], *size_hw[::-1]], np.float32))
        return DetectedPeople(within, scores[order])


def _check(session: Any, path: Path) -> None:
    entries, outputs = session.get_inputs(), session.get_outputs()
    shapes = [list(part.shape) for part in (*entries, *outputs)]
    fits = len(shapes) == 2 and len(shapes[0]) == 4 and len(shapes[1]) == 3 and shapes[0][:2] == [1, 3]
    sides = shapes[0][2:] if fits else []
    fits = fits and all(isinstance(side, int) and side % _STRIDES[-1] == 0 for side in sides)
    if fits:
        rows = sum(sides[0] // stride * (sides[1] // stride) for stride in _STRIDES)
        fits = shapes[1][1] == rows and isinstance(shapes[1][2], int) and shapes[1][2] >= 6
    if not fits:
        raise CheckpointError(
            f"detector {path}: expected a YOLOX as it is exported: an input (1, 3, H, W), H and W multiples "
            f"of 32, and an output (1, N, 5 + classes) of the cells of strides 8, 16 and 32; found {shapes}"
        )


def _grid(size_hw: Sequence[int]) -> tuple[np.ndarray, np.ndarray]:
    """Each output row's cell (N, 2), (x, y), and stride (N, 1)."""
    cells, steps = [], []
    for stride in _STRIDES:
        y, x = np.mgrid[: size_hw[0] // stride, : size_hw[1] // stride]
        cells.append(np.stack([x, y], axis=-1).reshape(-1, 2))
        steps.append(np.full((x.size, 1), stride))
    return np.concatenate(cells).astype(np.float32), np.concatenate(steps).astype(np.float32)
