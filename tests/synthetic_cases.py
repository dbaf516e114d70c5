"""What the tests of the synthetic people share."""

from __future__ import annotations

import fcntl
import json
import os

import numpy as np

from posekit.synthetic import write_synthetic_people


def make_data(tmp_path_factory):
    """A set of 420 and 110 pictures, which no test changes: all processes of pytest share one."""
    root = tmp_path_factory.getbasetemp()
    root = root.parent if "PYTEST_XDIST_WORKER" in os.environ else root
    with (root / "synthetic_people.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # a complete set is left alone
        return write_synthetic_people(root / "synthetic_people", 420, 110, progress=False)


def load(path):
    return json.loads(path.read_text("utf-8"))


def crop_geometry(person):
    """Corner and side of the release's crop, 0-based: centre + 15 scale, side 1.25 * 200 * scale."""
    side = 250 * person["scale"]
    x, y = person["center"]
    return np.array([x, y + 15 * person["scale"]]) - 1 - side / 2, side
