"""Scores and predictions do not depend on the number of processes, nor do the samples of a training."""

from __future__ import annotations

import json
import math
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import toy_training
from evaluate_together import compare
from toy_people import picture, write_picture
from toy_processes import Processes

from posekit.datasets import EpochSampler, SampleKey
from posekit.engine.configs.config import load_config
from posekit.engine.hooks.loss import ValidationLossHook
from posekit.engine.processes.group import finish, start_group
from posekit.engine.runner import PoseRunner
from posekit.parallel import world_size

PEOPLE = 23
CONFIG = """
from mmengine.dataset import DefaultSampler
from torch.optim import SGD

from posekit.codecs import MSRACodec
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import OKSMetric, PCKMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hourglass import Hourglass
from posekit.models.losses import MSELoss
from posekit.transforms import Augment, Crop

skeleton = dict(name="three", keypoints=["nose", "left", "right"], flip_pairs=[("left", "right")],
                sigmas=[0.1] * 3)
data_root = "{root}"
model = dict(
    type=PoseEstimator,
    backbone=dict(type=Hourglass, stacks=1, features=4, depth=1),
    head=dict(type=HeatmapHead, codec=dict(type=MSRACodec, sigma=1), loss=dict(type=MSELoss)),
)
_crop = dict(type=Crop, input_size_hw=(32, 32))
_source = dict(type=load_coco, ann_file="people.json", image_dir="images")
train_dataloader = dict(
    batch_size=2,
    dataset=dict(type=TopDownDataset, source=_source, crop=_crop, on_bad_image="skip",
                 augment=dict(type=Augment, rotation=30, scale=0.2)),
)
test_dataloader = dict(
    batch_size=4,
    sampler=dict(type=EpochSampler, shuffle=False),
    dataset=dict(type=TopDownDataset, source=_source, crop=_crop, on_bad_image="skip"),
)
test_evaluator = [dict(type=PCKMetric, norm="bbox", threshold=0.5), dict(type=OKSMetric)]
optim_wrapper = dict(optimizer=dict(type=SGD, lr=0.01))
train_cfg = dict(max_epochs=1)
default_hooks = dict(curves=None)
"""


@pytest.fixture(scope="module")
def people(tmp_path_factory):
    """23 people on 12 images, of which the file of one is no image: its people are stood in for."""
    root = tmp_path_factory.mktemp("people")
    rng = np.random.default_rng(3)
    names = ["nose", "left", "right"]
    category = {"id": 1, "name": "person", "keypoints": names, "skeleton": []}
    images = [{"id": i + 1, "file_name": f"{i}.png", "height": 60, "width": 70} for i in range(12)]
    for i in range(12):
        write_picture(root / "images" / f"{i}.png", cv2.blur(picture(60, 70, i), (9, 9)))
    (root / "images" / "7.png").write_bytes(b"no image")
    annotations = []
    for i in range(PEOPLE):
        points = rng.uniform((12, 12), (50, 45), (3, 2))
        keypoints = [float(v) for x, y in points for v in (x, y, 2)]
        box = [8.0 + i % 5, 8.0, 45.0, 42.0]
        more = {"iscrowd": 0, "area": 900.0, "bbox": box, "num_keypoints": 3, "keypoints": keypoints}
        annotations.append({"id": 900 - 7 * i, "image_id": i // 2 + 1, "category_id": 1, **more})
    content = {"images": images, "annotations": annotations, "categories": [category]}
    (root / "people.json").write_text(json.dumps(content))
    (root / "config.py").write_text(CONFIG.replace("{root}", str(root)))
    assert toy_training.run("train", root / "config.py", "--work-dir", root / "trained") == 0
    return root


def evaluate(people, work_dir, count, *options):
    words = [people / "config.py", people / "trained" / "epoch_1.pth", "--work-dir", work_dir]
    words += ["--launcher", "pytorch", *options]
    processes = Processes(
        count, lambda rank: toy_training.run("test", *words), work_dir.parent / f"{work_dir.name}_logs"
    )
    assert processes.wait() == [0] * count, processes.printed()
    scores = json.loads((work_dir / "metrics.json").read_text())
    return scores.pop("protocol"), scores, (work_dir / "results.json").read_bytes()


@pytest.mark.parametrize("loader", ["[]", "[workers]", "[padded]"])
def test_any_number_of_processes_scores_alike(people, tmp_path, loader):
    options = {
        "[]": [],
        "[workers]": ["test_dataloader.num_workers=2"],
        # mmengine's sampler, which repeats the first people.
        "[padded]": [
            "test_dataloader.sampler.type=mmengine.dataset.DefaultSampler",
            "test_dataloader.batch_size=1",
        ],
    }[loader]
    counts = (1, 2, 3, 5) if loader == "[]" else (1, 3)
    words = ["--cfg-options", *options] if options else []
    found = [evaluate(people, tmp_path / str(count), count, *words) for count in counts]
    assert len(json.loads(found[0][2])) == PEOPLE - 2
    assert found[0][1]["PCK@0.5/mean"] > 0
    for protocol, scores, results in found[1:]:
        assert protocol["people"] == PEOPLE
        assert scores == found[0][1]
        assert results == found[0][2]


def test_made_up_predictions_are_scored_alike(tmp_path):
    people, found = compare(211, [1, 2, 3, 5], tmp_path, seconds=60)
    assert people > 200
    assert len({tuple(digests) for _, digests in found.values()}) == 1


def test_more_processes_than_batches(people, tmp_path):
    words = ["--cfg-options", "test_dataloader.batch_size=12"]
    found = [evaluate(people, tmp_path / str(count), count, *words) for count in (1, 3)]
    assert found[0][1:] == found[1][1:]


def test_the_validation_loss_is_the_same_to_the_last_bit(tmp_path):
    means = np.exp(np.random.default_rng(0).normal(0, 3, 61))
    sizes = np.random.default_rng(1).integers(1, 9, 61)

    def work(rank):
        start_group("pytorch")
        hook, metrics, count = ValidationLossHook(), {}, world_size()
        runner = SimpleNamespace(model=torch.nn.Linear(1, 1))
        hook.before_val_epoch(runner)
        hook.means = [torch.tensor(mean) for mean in means[rank::count]]
        hook.sizes = sizes[rank::count].tolist()
        hook.after_val_epoch(runner, metrics)
        (tmp_path / f"{count}_{rank}").write_text(repr(metrics["loss"]))
        finish(0)

    for count in (1, 2, 3, 5):
        processes = Processes(count, work, tmp_path / f"logs{count}")
        assert processes.wait() == [0] * count, processes.printed()
    assert {path.read_text() for path in tmp_path.glob("?_?")} == {
        repr(math.fsum(means * sizes) / float(sizes.sum()))
    }


def batches(people, folder, world, rank, size, workers, monkeypatch):
    """The image crops and people of each batch of an epoch, as one process of so many loads them."""
    monkeypatch.setattr("posekit.datasets.sampler.get_dist_info", lambda: (rank, world))
    options = {"train_dataloader.batch_size": size, "train_dataloader.num_workers": workers}
    cfg = load_config(people / "config.py", options)
    cfg.work_dir = str(folder / f"{world}_{rank}_{workers}")
    runner = PoseRunner.from_cfg(cfg)
    loader = runner.build_dataloader(runner._train_dataloader, seed=5)
    loader.sampler.set_epoch(3)
    found = [
        {(int(i), image.numpy().tobytes()) for i, image in zip(batch.person_id, batch.image, strict=True)}
        for batch in loader
    ]
    runner.close()
    return found


def test_a_global_batch_holds_the_same_crops_in_any_number_of_processes(people, tmp_path, monkeypatch):
    alone = batches(people, tmp_path, 1, 0, 6, 0, monkeypatch)
    assert batches(people, tmp_path, 1, 0, 6, 2, monkeypatch) == alone
    for world in (2, 3):
        parts = [
            batches(people, tmp_path, world, rank, 6 // world, rank % 2, monkeypatch) for rank in range(world)
        ]
        together = [set().union(*step) for step in zip(*parts, strict=True)]
        assert together[:3] == alone[:3]
        assert together[3] >= alone[3]  # the last one is rounded up


# --- the sampler -----------------------------------------------------------------------------------------


def shares(monkeypatch, world, size, **settings):
    for rank in range(world):
        monkeypatch.setattr("posekit.datasets.sampler.get_dist_info", lambda rank=rank: (rank, world))
        sampler = EpochSampler(range(size), **settings)
        keys = list(sampler)
        assert len(keys) == len(sampler)
        yield [key.index for key in keys]


def test_whole_batches_are_dealt_in_turn(monkeypatch):
    settings = {"shuffle": False, "round_up": False, "batch_size": 3}
    assert list(shares(monkeypatch, 2, 11, **settings)) == [[0, 1, 2, 6, 7, 8], [3, 4, 5, 9, 10]]
    assert list(shares(monkeypatch, 3, 4, **settings)) == [[0, 1, 2], [3], []]


@pytest.mark.parametrize("size", [11, 12, 17, 5])
@pytest.mark.parametrize("world", [1, 2, 3])
def test_dropping_the_last_batch_drops_what_one_process_drops(monkeypatch, size, world):
    alone = list(EpochSampler(range(size), seed=4, batch_size=6, drop_last=True))
    parts = list(shares(monkeypatch, world, size, seed=4, batch_size=6 // world, drop_last=True))
    assert len(alone) == size // 6 * 6
    assert [row for step in zip(*parts, strict=True) for row in step] == [key.index for key in alone]
    assert all(isinstance(key, SampleKey) for key in alone)
