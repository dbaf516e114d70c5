"""What the configs of faces read, on a data set laid out as theirs."""

from __future__ import annotations

import os

import cv2
import numpy as np
import pytest
import reference
import torch
from test_configs import CONFIGS, ROOT
from tool_runs import caller

from posekit.engine.checkpoints.files import write_checkpoint
from posekit.engine.configs.config import load_config
from posekit.errors import ConfigError
from posekit.inference.bundle import build_estimator
from posekit.models.attribute_head import AttributeHead, check_attributes
from posekit.registry import DATASETS
from posekit.study.cells import make_cell, stated_cells
from posekit.study.prepare import make_plan
from posekit.study.stated import read_variants

STAGES = ("train", "val", "test")
HELEN, AFW = 110, 4
FIRST = "faces/cnn6_300w_64x64_wing.py"
ONE_AND_TWO = {name: name.replace("_two_stages", "") for name in CONFIGS if name.endswith("_two_stages.py")}
MTFL = {"train": 2010, "test": 3}
NAMES = [name for name in CONFIGS if name.startswith(("faces/", "study/face_"))]


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


@pytest.fixture(scope="module")
def mtfl(tmp_path_factory):
    """One picture under many names, each a face."""
    folder = tmp_path_factory.mktemp("mtfl")
    header = ",".join(["image", *(f"{a}{k}" for k in range(5) for a in "xy"), "gender,smile,glasses,pose"])
    for part, count in MTFL.items():
        (folder / part / "images").mkdir(parents=True)
        first = folder / part / "images" / "0.png"
        assert cv2.imwrite(str(first), np.full((60, 60, 3), 90, np.uint8))
        rows = [header]
        for number in range(count):
            if number:
                os.link(first, first.with_name(f"{number}.png"))
            rows.append(f"{number}.png,15,15,45,20,30,30,20,45,40,44,1,2,2,{number % 5 + 1}")
        (folder / part / "labels.csv").write_text("\n".join(rows) + "\n")
    return folder


@pytest.fixture(scope="module", params=NAMES)
def sets(request, root, mtfl, first):
    folder = mtfl if "mtfl" in request.param else root
    cfg = load_config(ROOT / request.param, {"data_root": str(folder)})
    for stage in STAGES:
        dataset = cfg[f"{stage}_dataloader"]["dataset"]
        if dataset.get("first_stage"):
            dataset["first_stage"].update(model=str(ROOT / FIRST), checkpoint=str(first))
    return {stage: DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"]) for stage in STAGES}


def test_no_face_is_trained_and_scored(sets):
    names = [{part.table[row].image_path for row in range(len(part))} for part in sets.values()]
    counts = [len(sets[stage]) for stage in STAGES]
    assert sum(counts) == len(set.union(*names))
    # A thousand of MTFL's are kept for a test of the same kind.
    assert counts in ([HELEN - 100, 100, AFW], [MTFL["train"] - 2000, 1000, MTFL["test"]])


def test_labels_ride_along_mirrored(mtfl):
    cfg = load_config(ROOT / "faces/tcdcn_mtfl_40x40.py", {"data_root": str(mtfl)})
    heads = cfg.model["head"]["heads"]
    train = DATASETS.build(
        {**cfg.train_dataloader["dataset"], "augment": {"type": "Augment", "flip_prob": 1.0}}
    )
    columns = [head["column"] for name, head in heads.items() if name != "landmarks"]
    assert set(columns) == set(train[0].extra)
    built = [
        AttributeHead(1, **{key: value for key, value in head.items() if key != "type"})
        for name, head in heads.items()
        if name != "landmarks"
    ]
    check_attributes(built, train.table.extra, train.table.mirror, "")
    assert train[0].extra["pose"] == 6 - train.table.extra["pose"][0]


def test_tasks_are_compared_as_variants_of_one_config(mtfl):
    config = str(ROOT / "study/face_tcdcn_mtfl_40x40.py")
    options = [f"data_root={mtfl}"]
    names = ["alone", "tasks", "few-each", "few-all"]
    variants = read_variants([str(ROOT / "study/face_tasks.json")], config, options)
    plan = make_plan(config, options, stated_cells(names, [0]), {}, variants, "alone")
    assert set(names) <= set(plan.variants)
    alone = " ".join(plan.variants["alone"]["differs"])
    assert all(f"weights.{task}" in alone for task in ("gender", "smile", "glasses", "pose"))
    assert "task_stopping" in alone
    assert "type" not in alone  # network, data and metrics are the same
    # Several heads have no one loss, which focal MSE could take the place of.
    with pytest.raises(ConfigError, match=r"no 'model\.head\.loss'"):
        make_plan(config, options, [*stated_cells(names, [0]), make_cell("mse", 0, 0, 0)], {}, variants)


def test_gammas_are_no_matter_of_several_heads(mtfl, monkeypatch, capsys, tmp_path):
    config, tasks = ROOT / "study/face_tcdcn_mtfl_40x40.py", ROOT / "study/face_tasks.json"
    sweep = caller("gamma_sweep", monkeypatch, capsys)
    words = [config, "--out", tmp_path, "--variants", tasks, "--cfg-options", f"data_root={mtfl}"]
    status, printed = sweep(*words, "--gammas", 1)
    assert status == 2
    assert "is not one that learns heatmaps" in printed


def test_faces_are_cut_alike_and_training_alone_is_random(sets):
    assert len({part.crop.input_size_hw for part in sets.values()}) == 1
    assert sets["train"].augment is not None
    for stage in ("val", "test"):
        assert sets[stage].augment is sets[stage].pixels is None
    # The tight box of the points, 30 by 30, is widened.
    crop = sets["test"].crop
    extent = np.ptp(sets["test"][0].keypoints, axis=0)
    np.testing.assert_allclose(extent, crop.input_size_hw[0] / crop.padding, rtol=0.03)


def test_the_multi_task_config_splits_the_real_file():
    folder = reference.path("data/mtfl/train/labels.csv").parents[1]
    cfg = load_config(ROOT / "faces/tcdcn_mtfl_40x40.py", {"data_root": str(folder)})
    sets = [DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"]) for stage in STAGES]
    assert [len(one) for one in sets] == [8000, 1000, 1498]
    assert set(np.unique(sets[0].table.extra["pose"])) == {1, 2, 3, 4, 5}


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
