"""Pictures of several stick people, with a crowd and somebody without labels, as a COCO-form file.

Arms hang down to both sides of a head; the left hand is the one on the picture's right, so that a mirrored
picture, with its sides exchanged, is another of the kind.
"""

from __future__ import annotations

import json
from pathlib import Path

import cv2
import numpy as np
import torch
from torch import nn

STICKS = {
    "name": "stick3",
    "keypoints": ["head", "left_hand", "right_hand"],
    "flip_pairs": [["left_hand", "right_hand"]],
    "limbs": [["head", "left_hand"], ["head", "right_hand"]],
    "sigmas": [0.1, 0.1, 0.1],
}
SIDE = 96
# Where heads are, by picture; the arms' reach is below.
HEADS = [
    [(20, 15), (70, 50)],
    [(45, 10), (22, 60), (75, 62)],
    [(30, 40)],
    [(18, 12), (50, 40), (80, 68)],
]
_ARM = np.array([[0, 0], [11, 17], [-11, 17]])


def people_of(number: int) -> np.ndarray:
    """float (P, 3, 2), pixels."""
    return np.array([_ARM + head for head in HEADS[number]], float)


def picture(number: int) -> np.ndarray:
    image = np.full((SIDE, SIDE, 3), 60, np.uint8)
    for person in people_of(number).astype(int):
        for hand in person[1:]:
            cv2.line(image, person[0].tolist(), hand.tolist(), (230, 230, 230), 2)
            cv2.circle(image, hand.tolist(), 3, (30, 220, 60), -1)
        cv2.circle(image, person[0].tolist(), 4, (230, 40, 40), -1)
    return image


def write_scenes(folder: Path) -> Path:
    """The pictures under ``images`` and ``people.json``, whose path is returned."""
    annotations = []
    (folder / "images").mkdir(parents=True)
    for number in range(len(HEADS)):
        assert cv2.imwrite(str(folder / "images" / f"{number}.png"), picture(number)[..., ::-1])
        for person in people_of(number):
            (x1, y1), (x2, y2) = person.min(axis=0) - 4, person.max(axis=0) + 4
            points = [[*point, 2] for point in person]
            annotations.append(record(number, [x1, y1, x2 - x1, y2 - y1], np.ravel(points).tolist()))
    for one, annotation in enumerate(annotations):
        annotation["id"] = 100 + one
    content = {
        "images": [
            {"id": 10 + n, "file_name": f"{n}.png", "height": SIDE, "width": SIDE} for n in range(len(HEADS))
        ],
        "categories": [{"id": 1, "name": "person", "keypoints": STICKS["keypoints"]}],
        "annotations": annotations,
    }
    path = folder / "people.json"
    path.write_text(json.dumps(content), "utf-8")
    return path


def record(number: int, box: list[float], keypoints: list[float], **others: object) -> dict:
    """An annotation on a picture, its id being 0."""
    return {
        "id": 0, "image_id": 10 + number, "category_id": 1, "iscrowd": 0, "bbox": box,
        "area": box[2] * box[3] / 2, "keypoints": keypoints, **others,
    }  # fmt: skip


class TinyBackbone(nn.Module):
    """Features of stride 4, learnt in seconds; it sees where it is, which tells people apart."""

    def __init__(self, width: int = 24) -> None:
        super().__init__()
        self.out_channels, self.stride, self.input_divisor = width, 4, 4
        layers: list[nn.Module] = []
        for channels, stride in ((5, 2), (width, 2), (width, 1), (width, 1)):
            layers += [
                nn.Conv2d(channels, width, 3, stride, 1, bias=False),
                nn.BatchNorm2d(width),
                nn.ReLU(inplace=True),
            ]
        self.layers = nn.Sequential(*layers)

    def forward(self, image: torch.Tensor) -> list[torch.Tensor]:
        places = torch.meshgrid(*(torch.linspace(-1, 1, side) for side in image.shape[-2:]), indexing="ij")
        whole = torch.stack(places).expand(len(image), -1, -1, -1)
        return [self.layers(torch.cat([image, whole], dim=1))]
