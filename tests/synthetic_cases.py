"""What the tests of the synthetic people share."""

from __future__ import annotations

import json

import numpy as np

from posekit.synthetic import write_synthetic_people


def make_data(tmp_path_factory):
    return write_synthetic_people(tmp_path_factory.mktemp("set") / "people", 420, 110, progress=False)


def load(path):
    return json.loads(path.read_text("utf-8"))


def crop_geometry(person):
    """Corner and side of the release's crop, 0-based: centre + 15 scale, side 1.25 * 200 * scale."""
    side = 250 * person["scale"]
    x, y = person["center"]
    return np.array([x, y + 15 * person["scale"]]) - 1 - side / 2, side
