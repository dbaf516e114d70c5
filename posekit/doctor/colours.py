"""What the pictures show at the left and at the right joints, as one number that changes its sign with them.

Of people and most animals left and right look the same; what is marked or made in two colours does not.
"""

from __future__ import annotations

import numpy as np

from posekit.doctor.facts import Facts
from posekit.errors import DataError
from posekit.io.images import cv2, read_image

_MOST = 400  # people, evenly through the file: some seconds
_BLUR = 1.5  # pixels, against noise


def colour_differences(facts: Facts) -> tuple[np.ndarray, np.ndarray]:
    """The colour at the left joint of each pair minus that at the right: float64 (P, 3 pairs).

    Returns:
        The differences, 0 where a joint is not labelled, and the rows of the people who have any; nobody
        where the pictures have not been decoded.
    """
    left = np.flatnonzero(np.arange(len(facts.sides)) < facts.sides)
    pairs = np.stack([left, facts.sides[left]], axis=1)
    pictures = facts.pictures
    nobody = np.zeros((0, 3 * len(left))), np.zeros(0, np.int64)
    if pictures is None or pictures.thumbs is None or not len(left):
        return nobody
    both = facts.labelled[:, pairs[:, 0]] & facts.labelled[:, pairs[:, 1]]
    rows = np.flatnonzero(both.any(axis=1) & (facts.image >= 0))
    rows = rows[pictures.seen[facts.image[rows]]][:: max(1, -(-len(rows) // _MOST))]
    found = np.zeros((len(rows), len(left), 3))
    image, picture = -1, np.zeros((1, 1, 3))
    for place, row in enumerate(rows):
        if facts.image[row] != image:
            image, picture = int(facts.image[row]), _picture(facts, int(facts.image[row]))
        last = np.array(picture.shape[1::-1]) - 1
        spots = np.clip(np.rint(np.nan_to_num(facts.reading.points[row, pairs])), 0, last).astype(int)
        colours = picture[spots[..., 1], spots[..., 0]]
        found[place] = np.where(both[row][:, None], colours[:, 0] - colours[:, 1], 0)
    differing = found.any(axis=(1, 2))
    return found[differing].reshape(differing.sum(), 3 * len(left)), rows[differing]


def _picture(facts: Facts, image: int) -> np.ndarray:
    """A picture as float64 (H, W, 3); gray where it cannot be read after all."""
    try:
        picture = read_image(f"{facts.image_dir}/{facts.image_names[image]}")
    except DataError:
        return np.zeros((1, 1, 3))
    return cv2.GaussianBlur(picture, (0, 0), _BLUR).astype(np.float64)
