"""What the configs of faces read, on a data set laid out as theirs."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
import torch
from test_configs import CONFIGS, ROOT

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.inference.bundle import build_estimator
from posekit.registry import DATASETS

STAGES = ("train", "val", "test")
HELEN, AFW = 110, 4
FIRST = "faces/cnn6_300w_64x64_wing.py"
ONE_AND_TWO = {name: name.replace("_two_stages", "") for name in CONFIGS if name.endswith("_two_stages.py")}


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


@pytest.fixture(scope="module")
def first(tmp_path_factory):
    """Weights of a first stage that sees nothing."""
    network = build_estimator(load_config(ROOT / FIRST).model.to_dict())
    torch.nn.init.zeros_(network.head.layers[-1].weight)  # all points in the middle
    path = tmp_path_factory.mktemp("first") / "first.pth"
    write_checkpoint({"state_dict": network.state_dict()}, path)
    return path


@pytest.fixture(scope="module", params=[name for name in CONFIGS if name.startswith("faces/")])
def sets(request, root, first):
    cfg = load_config(ROOT / request.param, {"data_root": str(root)})
    for stage in STAGES:
        dataset = cfg[f"{stage}_dataloader"]["dataset"]
        if dataset.get("first_stage"):
            dataset["first_stage"].update(model=str(ROOT / FIRST), checkpoint=str(first))
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


@pytest.mark.parametrize("name", ONE_AND_TWO)
def test_the_second_stage_differs_from_one_stage_by_its_crops_alone(name):
    one, second = (load_config(ROOT / config).to_dict() for config in (ONE_AND_TWO[name], name))
    for stage in STAGES:
        dataset = second[f"{stage}_dataloader"]["dataset"]
        turn = dataset.pop("upright")["turn"]
        assert (len(turn["start"]), len(turn["end"])) == (6, 6)
        assert all(name.startswith("right_eye_") for name in turn["start"])
        assert all(name.startswith("left_eye_") for name in turn["end"])
        # Trained by labels, scored by what the first network finds.
        named = dataset.pop("first_stage", None)
        assert (named is None) == (stage == "train")
        assert named is None or named["model"] in (f"configs/{ONE_AND_TWO[name]}", "face68")
    turned = [cfg["train_dataloader"]["dataset"]["augment"].pop("rotation") for cfg in (one, second)]
    assert turned == [30, 10]
    assert one == second
