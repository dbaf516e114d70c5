"""The whole way on real files: JPEG images and a COCO json in, a trained and scored model out.

A user's own skeleton of three coloured dots, so that a few epochs of a tiny hourglass learn something.
"""

from __future__ import annotations

import json
import os
import runpy
import sys
from pathlib import Path

import cv2
import numpy as np
import pytest

from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import DataError
from posekit.io.checkpoint import read_checkpoint
from posekit.metrics.errors import read_errors
from posekit.metrics.evaluators import OKSMetric, PCKMetric, PredictionWriter
from posekit.registry import DATASETS
from posekit.structures import Pose
from posekit.study.statistics import ScoreForm, observed_scores
from posekit.visualization import read_scalars

ROOT = Path(__file__).resolve().parents[2]
COLOURS = ((255, 60, 60), (60, 255, 60), (60, 60, 255))
CONFIG = """
from mmengine.optim import OptimWrapper
from torch.optim import Adam

from posekit.codecs import MSRACodec
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import PCKMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import FocalMSELoss
from posekit.transforms import Augment, Crop

skeleton = dict(
    name="dots", keypoints=["red", "left_dot", "right_dot"], flip_pairs=[("left_dot", "right_dot")]
)
data_root = "{root}"
model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=2, features=8, depth=2),
    head=dict(type=HeatmapHead, codec=dict(type=MSRACodec, sigma=1), loss=dict(type=FocalMSELoss)),
)
_crop = dict(type=Crop, input_size_hw=(64, 64))
_source = dict(type=load_coco, ann_file="dots.json", image_dir="images")
train_dataloader = dict(
    batch_size=8,
    num_workers=1,
    sampler=dict(type=EpochSampler, shuffle=True),
    dataset=dict(type=TopDownDataset, source=_source, crop=_crop,
                 augment=dict(type=Augment, flip_prob=0.0, rotation=20, scale=0.1)),
)
val_dataloader = dict(
    batch_size=8,
    num_workers=0,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(type=TopDownDataset, source=_source, crop=_crop),
)
test_dataloader = val_dataloader
val_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="bbox")]
test_evaluator = val_evaluator
optim_wrapper = dict(type=OptimWrapper, optimizer=dict(type=Adam, lr=0.005))
train_cfg = dict(max_epochs=4)
default_hooks = dict(checkpoint=dict(save_best="PCK@0.2/mean"), val_loss=dict(), curves=None)
"""


@pytest.fixture(scope="module")
def dots(tmp_path_factory):
    """24 images of 80 x 72 with three dots each."""
    root = tmp_path_factory.mktemp("dots")
    (root / "images").mkdir()
    rng = np.random.default_rng(0)
    images, annotations = [], []
    for i in range(24):
        image = rng.integers(0, 60, (72, 80, 3), dtype=np.uint8)
        points = rng.uniform((15, 15), (65, 57), (3, 2)).round()
        for point, colour in zip(points.astype(int).tolist(), COLOURS, strict=True):
            cv2.circle(image, point, 4, colour, -1)
        cv2.imwrite(str(root / "images" / f"{i}.jpg"), image[..., ::-1])
        images.append({"id": i + 1, "file_name": f"{i}.jpg", "height": 72, "width": 80})
        annotation = {"id": i + 100, "image_id": i + 1, "category_id": 1, "iscrowd": 0, "area": 1500.0}
        annotation["bbox"] = [10.0, 10.0, 60.0, 52.0]
        annotation["num_keypoints"] = 3
        annotation["keypoints"] = [float(v) for x, y in points for v in (x, y, 2)]
        annotations.append(annotation)
    names = ["red", "left_dot", "right_dot"]
    category = {"id": 1, "name": "dots", "keypoints": names, "skeleton": []}
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (root / "dots.json").write_text(json.dumps(content))
    (root / "config.py").write_text(CONFIG.replace("{root}", str(root)))
    return root


def run_tool(name, *words):
    argv = sys.argv
    sys.argv = [name, *map(str, words)]
    try:
        runpy.run_path(str(ROOT / "tools" / name), run_name="__main__")
    except SystemExit as exit_:
        return exit_.code
    finally:
        sys.argv = argv


@pytest.fixture(scope="module")
def trained(dots):
    assert run_tool("train.py", dots / "config.py", "--work-dir", dots / "work") == 0
    return dots


def test_it_learns_and_keeps_the_best(trained):
    log = next((trained / "work").glob("2*"))
    records = read_scalars(log)
    train = [r["loss"] for r in records if "iter" in r]
    val = [r["loss"] for r in records if "iter" not in r]
    assert len(val) == 4
    assert train[-1] < 0.8 * train[0]
    assert val[-1] < 0.9 * val[0]
    best = read_checkpoint(trained / "work" / "best_PCK@0.2_mean.pth")["meta"]
    assert best["skeleton"]["flip_pairs"] == [["left_dot", "right_dot"]]
    assert best["dataset"]["box_source"] == "ground truth"
    assert best["best"]["score"] == max(r["PCK@0.2/mean"] for r in records if "iter" not in r)


def test_testing_repeats_the_score_and_writes_the_poses(trained, capsys):
    best = trained / "work" / "best_PCK@0.2_mean.pth"
    assert run_tool("test.py", trained / "config.py", best, "--work-dir", trained / "test") == 0
    metrics = json.loads((trained / "test" / "metrics.json").read_text())
    assert metrics["PCK@0.2/mean"] == read_checkpoint(best)["meta"]["best"]["score"]
    how = metrics["protocol"]
    assert how["box_source"] == "ground truth"
    assert "MSRACodec(sigma=1" in how["codec"]
    assert "mirror" in how["flip"]
    assert how["evaluator"][0].startswith("PCK at 0.2 x bbox")
    assert how["people"] == 24
    errors = read_errors(trained / "test" / "errors.npz")
    form = ScoreForm(errors.weights, errors.pooled)
    again = observed_scores(errors.right()[None], errors.valid, form)[0, -1]
    assert again == pytest.approx(metrics["PCK@0.2/mean"], abs=1e-9)
    results = json.loads((trained / "test" / "results.json").read_text())
    assert sorted(r["image_id"] for r in results) == list(range(1, 25))
    assert all(len(r["keypoints"]) == 9 for r in results)
    assert "ground truth" in capsys.readouterr().out


def test_an_interrupted_run_continues_to_the_same_weights(trained):
    words = [trained / "config.py", "--work-dir", trained / "parts"]
    assert run_tool("train.py", *words, "--cfg-options", "train_cfg.max_epochs=2") == 0
    assert run_tool("train.py", *words, "--resume") == 0
    whole = read_checkpoint(trained / "work" / "epoch_4.pth")["state_dict"]
    parts = read_checkpoint(trained / "parts" / "epoch_4.pth")["state_dict"]
    assert all(np.array_equal(whole[key].numpy(), parts[key].numpy()) for key in whole)


def test_the_dump_of_a_real_config_is_the_config(trained):
    original = load_config(trained / "config.py")
    assert load_config(trained / "work" / "config.py").to_dict() == original.to_dict()


def spoilt(dots, folder, spoil):
    """A copy of the data set with something wrong."""
    folder = folder / "spoilt"
    (folder / "images").mkdir(parents=True)
    for path in (dots / "images").iterdir():
        os.link(path, folder / "images" / path.name)
    (folder / "dots.json").write_text((dots / "dots.json").read_text())
    (folder / "config.py").write_text(CONFIG.replace("{root}", str(folder)))
    spoil(folder)
    return folder / "config.py"


def truncate(folder):
    path = folder / "images" / "7.jpg"
    content = path.read_bytes()
    path.unlink()
    path.write_bytes(content[: len(content) // 2])


def test_a_missing_image_stops_before_training(dots, tmp_path, capsys):
    config = spoilt(dots, tmp_path, lambda folder: (folder / "images" / "7.jpg").unlink())
    assert run_tool("train.py", config, "--work-dir", tmp_path / "w") == 2
    assert "7.jpg" in capsys.readouterr().err


def test_a_truncated_image_is_named_without_a_traceback(dots, tmp_path, capsys):
    config = spoilt(dots, tmp_path, truncate)
    assert run_tool("train.py", config, "--work-dir", tmp_path / "w") == 2  # found by a worker process
    message = capsys.readouterr().err
    assert "7.jpg" in message
    assert "Traceback" not in message
    assert len(message.strip().splitlines()) == 1


def test_a_truncated_image_is_skipped_and_reported_where_set(dots, tmp_path):
    cfg = load_config(
        spoilt(dots, tmp_path, truncate),
        {"train_dataloader.dataset.on_bad_image": "skip", "val_dataloader.dataset.on_bad_image": "skip"},
    )
    cfg.work_dir = str(tmp_path / "w")
    cfg.train_cfg.max_epochs = 1
    PoseRunner.from_cfg(cfg).train()
    assert "7.jpg" in (tmp_path / "w" / "faulty_images.txt").read_text()
    assert (tmp_path / "w" / "epoch_1.pth").is_file()


def test_missing_images_that_may_be_skipped_are_told_in_the_log(dots, tmp_path, capsys):
    config = spoilt(dots, tmp_path, lambda folder: (folder / "images" / "7.jpg").unlink())
    skip = [f"{stage}_dataloader.dataset.on_bad_image=skip" for stage in ("train", "val")]
    words = [config, "--work-dir", tmp_path / "w", "--cfg-options", "train_cfg.max_epochs=1", *skip]
    assert run_tool("train.py", *words) == 0
    log = next((tmp_path / "w").glob("*/*.log")).read_text()
    told = [line for line in log.splitlines() if "1 of 24 images not found" in line]
    assert len(told) == 1  # both data sets are of the same file, and mmengine's log drops a repeated warning
    assert " - WARNING - " in told[0]
    assert told[0].endswith("7.jpg; other people take their place")
    assert log.count("1 image(s) could not be read and were skipped: 7.jpg") == 2
    assert "UserWarning" not in capsys.readouterr().err


def test_a_score_of_another_name_stops_before_training(dots, tmp_path, capsys):
    words = [dots / "config.py", "--work-dir", tmp_path / "w", "--cfg-options"]
    assert run_tool("train.py", *words, "default_hooks.checkpoint.save_best=PCK@0.5/mean") == 2
    assert "no score 'PCK@0.5/mean'; did you mean 'PCK@0.2/mean'" in capsys.readouterr().err
    assert not (tmp_path / "w").exists()


@pytest.mark.parametrize("kind", [PCKMetric, OKSMetric, PredictionWriter])
def test_the_scores_that_evaluators_announce_are_those_they_give(dots, tmp_path, kind):
    cfg = load_config(dots / "config.py", {"skeleton.sigmas": [0.1, 0.1, 0.1]})
    dataset = DATASETS.build(cfg.val_dataloader.dataset)
    options = {PCKMetric: {"norm": "bbox", "threshold": 0.3}, PredictionWriter: {"out_dir": tmp_path / "out"}}
    metric = kind(**options.get(kind, {}))
    metric.dataset_meta = dataset.metainfo
    announced = metric.score_names()
    assert list(tmp_path.iterdir()) == []
    people = [dataset.table[row] for row in range(len(dataset))]
    poses = [
        Pose(p.keypoints, np.ones(3, np.float32), p.box_xyxy, 1.0, int(p.image_id), int(p.person_id))
        for p in people
    ]
    assert dict.fromkeys(metric.compute_metrics(poses), "greater") == announced
    assert bool(announced) is (kind is not PredictionWriter)


def test_a_broken_annotation_stops_before_training(dots, tmp_path):
    cfg = load_config(
        spoilt(dots, tmp_path, lambda folder: (folder / "dots.json").write_text('{"images": ['))
    )
    cfg.work_dir = str(tmp_path / "w")
    with pytest.raises(DataError, match=r"dots\.json"):
        PoseRunner.from_cfg(cfg).train()
