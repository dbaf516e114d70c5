"""What the configs of faces read, on a data set laid out as theirs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from test_configs import CONFIGS, ROOT

from posekit.engine.configs.config import load_config
from posekit.registry import DATASETS

STAGES = ("train", "val", "test")
HELEN, AFW = 110, 4


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("face300w")
    rng = np.random.default_rng(0)
    for name, count in (("helen_train", HELEN), ("afw", AFW)):
        (folder / name).mkdir()
        rows = ["image," + ",".join(f"x{i},y{i}" for i in range(68))]
        for number in range(count):
            file = f"{name}_{number}.png"
            assert cv2.imwrite(str(folder / name / file), np.full((60, 60, 3), number, np.uint8))
            points = rng.uniform(15, 45, (68, 2))
            points[:2] = (15, 15), (45, 45)
            rows.append(f"{file}," + ",".join(f"{value:.2f}" for value in points.ravel()))
        (folder / f"{name}.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(
    scope="module", params=[name for name in CONFIGS if name.startswith(("faces/", "study/face_"))]
)
def sets(request, root):
    cfg = load_config(ROOT / request.param, {"data_root": str(root)})
    return {stage: DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"]) for stage in STAGES}


def test_no_face_is_trained_and_scored(sets):
    assert [len(sets[stage]) for stage in STAGES] == [HELEN - 100, 100, AFW]
    names = [{part.table[row].image_path for row in range(len(part))} for part in sets.values()]
    assert len(set.union(*names)) == HELEN + AFW


def test_faces_are_cut_alike_and_training_alone_is_random(sets):
    assert len({part.crop.input_size_hw for part in sets.values()}) == 1
    assert sets["train"].augment is not None
    for stage in ("val", "test"):
        assert sets[stage].augment is sets[stage].pixels is None
    # The tight box of the points, 30 by 30, is widened by a quarter.
    side = sets["test"].crop.input_size_hw[0]
    extent = np.ptp(sets["test"][0].keypoints, axis=0)
    np.testing.assert_allclose(extent, side / 1.25, rtol=0.02)
