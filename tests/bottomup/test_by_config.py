"""Networks of whole pictures by config alone: trained, resumed, tested, bundled, shown a photo; refusals."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference
import torch
import toy_data_sets
from bottomup.toy_scenes import HEADS, STICKS, write_scenes
from numpy.testing import assert_allclose
from toy_training import run

from posekit import Predictor
from posekit.datasets import BottomUpDataset, load_coco
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import ConfigError
from posekit.inference import write_bundle
from posekit.io.checkpoint import read_checkpoint
from posekit.metrics.evaluators import OKSMetric, OnEachSet
from posekit.registry import DATASETS

CONFIG = """
from torch.optim import Adam

from posekit.bottomup import PartAffinityHead, TagHead
from posekit.codecs import MSRACodec, UDPCodec
from posekit.datasets.bottomup import BottomUpDataset
from posekit.datasets.coco import load_coco
from posekit.datasets.sampler import EpochSampler
from posekit.datasets.topdown import TopDownDataset
from posekit.metrics.evaluators import OKSMetric
from posekit.models.estimator import PoseEstimator
from posekit.models.heads import HeatmapHead
from posekit.models.hrnet import HRNet
from posekit.models.losses import MSELoss
from posekit.transforms import Augment, Crop

skeleton = {skeleton}
data_root = "."
model = dict(type=PoseEstimator, backbone=dict(type=HRNet, variant="w16-tiny"), head={head})
_pictures = dict(
    type={dataset},
    source=dict(type=load_coco, ann_file="people.json", image_dir="images"),
    crop=dict(type=Crop, input_size_hw=(64, 64), padding=1.0, convention="udp"),
)
_shuffled = dict(type=EpochSampler, shuffle=True)
train_dataloader = dict(
    batch_size=2, num_workers=0, sampler=_shuffled, dataset=dict(augment=dict(type=Augment), **_pictures)
)
val_dataloader = dict(
    batch_size=2, num_workers=0, sampler=dict(type=EpochSampler, shuffle=False), dataset=_pictures
)
val_evaluator = [dict(type=OKSMetric, rescore_threshold=None, nms_threshold=None)]
test_dataloader, test_evaluator = val_dataloader, val_evaluator
optim_wrapper = dict(optimizer=dict(type=Adam, lr=0.001))
train_cfg = dict(max_epochs=2)
"""
FIELDS = "dict(type=PartAffinityHead, stride=4, width=8)"
TAGS = (
    "dict(type=TagHead, codec=dict(type=UDPCodec, sigma=1.5), width=8, blocks=0, "
    "grouper=dict(heat_threshold=0.0, most_peaks=3))"
)
HEATMAPS = "dict(type=HeatmapHead, codec=dict(type=MSRACodec), loss=dict(type=MSELoss))"


def written(folder, head=FIELDS, dataset="BottomUpDataset", **changes):
    """The toy scenes and a config of them, with the folder as the current one."""
    if not (folder / "people.json").exists():
        write_scenes(folder)
    path = folder / "scenes.py"
    path.write_text(CONFIG.format(skeleton={**STICKS, **changes}, head=head, dataset=dataset))
    return path


@pytest.mark.parametrize("head", [FIELDS, TAGS], ids=["fields", "tags"])
def test_the_whole_way(head, tmp_path, monkeypatch, capsys):
    monkeypatch.chdir(tmp_path)
    config = written(tmp_path, head)
    assert run("train", config, "--work-dir", "whole") == 0
    one = "train_cfg.max_epochs=1"
    assert run("train", config, "--work-dir", "parts", "--cfg-options", one) == 0
    assert run("train", config, "--work-dir", "parts", "--resume") == 0
    whole, parts = (read_checkpoint(f"{name}/epoch_2.pth")["state_dict"] for name in ("whole", "parts"))
    assert whole.keys() == parts.keys()
    assert all(torch.equal(whole[name], parts[name]) for name in whole)
    # Fields know nobody yet, which has a score, too; tags take anything for somebody here.
    # As the exact predictor below computes: of maps that have hardly learnt, last digits choose the cells.
    assert run("test", config, "whole/epoch_2.pth", "--work-dir", "tested", "--backend", "eager") == 0
    assert "none: the network finds the people" in capsys.readouterr().out
    assert 0 <= json.loads((tmp_path / "tested" / "metrics.json").read_text())["AP"] < 0.5
    results = json.loads((tmp_path / "tested" / "results.json").read_text())
    assert bool(results) == (head == TAGS)
    # A bundle, and config and checkpoint, find on photos whom the test found.
    write_bundle("scenes.safetensors", load_config(config), "whole/epoch_2.pth")
    for words, settings in (
        ((str(config), "whole/epoch_2.pth"), {"exact": True}),
        ((), {"checkpoint": "scenes.safetensors"}),
    ):
        predictor = Predictor(*words, device="cpu", images_at_once=2, **settings)
        people = predictor([f"images/{number}.png" for number in range(len(HEADS))])
        assert [one.error for one in people] == [None] * len(HEADS)
        if words:
            found = [pose.keypoints for poses in people for pose in poses]
            wanted = [np.reshape(one["keypoints"], (-1, 3))[:, :2] for one in results]
            assert_allclose(np.sort(np.reshape(found, -1)), np.sort(np.reshape(wanted, -1)), atol=1e-3)
    assert run("demo", "images/1.png", "--config", config, "--checkpoint", "whole/epoch_2.pth") == 0
    drawn = json.loads((tmp_path / "work_dirs/demo/1/results.json").read_text())
    assert bool(drawn) == (head == TAGS)
    assert (tmp_path / "work_dirs/demo/1/1.png").is_file()


@pytest.mark.parametrize(
    ("head", "dataset", "message"),
    [
        (
            FIELDS,
            "TopDownDataset",
            "PartAffinityHead finds the people of whole pictures itself: expected a B",
        ),
        (HEATMAPS, "BottomUpDataset", "HeatmapHead sees one person's crop: expected a TopDownDataset, found"),
    ],
)
def test_a_head_and_data_of_another_kind_are_refused(head, dataset, message, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(written(tmp_path, head, dataset))
    cfg.work_dir = str(tmp_path / "work")
    for stage in ("train", "val", "test"):
        with pytest.raises(ConfigError, match=message):
            getattr(PoseRunner.from_cfg(cfg), stage)()


def test_fields_without_limbs_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    cfg = load_config(written(tmp_path, limbs=[]))
    cfg.work_dir = str(tmp_path / "work")
    with pytest.raises(ConfigError, match=r"PartAffinityHead and its fields need 'limbs', .*such as tags"):
        PoseRunner.from_cfg(cfg)


def test_detections_are_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    config = written(tmp_path)
    found = [{"image_id": 10, "category_id": 1, "bbox": [1, 1, 9, 9], "score": 0.9}]
    (tmp_path / "found.json").write_text(json.dumps(found))
    cfg = load_config(config, {"test_dataloader.dataset.source.detections": "found.json"})
    cfg.work_dir = str(tmp_path / "work")
    with pytest.raises(ConfigError, match="given no detections: leave 'detections' out"):
        PoseRunner.from_cfg(cfg).test()


@pytest.mark.parametrize("name", ["fields_256x256", "tags_256x256", "topdown_128x96"])
def test_configs_read_the_rendered_scenes(name, tmp_path):
    toy_data_sets.write_rendered(tmp_path)
    path = reference.ROOT / f"configs/families/scenes_mobilenetv2_{name}.py"
    cfg = load_config(path, {"data_root": str(tmp_path)})
    train, val, test = (DATASETS.build(cfg[f"{s}_dataloader"]["dataset"]) for s in ("train", "val", "test"))
    kinds = [isinstance(one, BottomUpDataset) for one in (train, val, test)]
    assert kinds == ["topdown" not in name] * 3
    ids = [{int(data[row].image_id) for row in range(len(data))} for data in (train, val, test)]
    assert ids[1] == ids[2]
    assert max(ids[0]) < 100 < min(ids[1])
    assert (train.augment is not None, val.augment, test.augment) == (True, None, None)
    assert train.crop == val.crop == test.crop


def test_several_sets_of_whole_pictures_are_scored_one_by_one(tmp_path):
    path = write_scenes(tmp_path)
    scenes = BottomUpDataset(load_coco(str(path), str(tmp_path / "images"), STICKS))
    metric = OnEachSet({"type": OKSMetric})
    with pytest.raises(ConfigError, match="'one' has whole pictures; test each such set by itself"):
        metric.dataset_meta = {"sets": {"one": scenes.metainfo}}
