"""What every config reads: whose people train, validate and test it, by which boxes, cut how.

On data sets laid out as they are published (``toy_data_sets``), and so without any of their files. A picture
lies in its own part's folder alone, so that what builds here reads the right folders.
"""

from __future__ import annotations

from fnmatch import fnmatch
from pathlib import Path
from typing import Any, NamedTuple

import pytest
import toy_data_sets
from numpy.testing import assert_allclose
from test_configs import CONFIGS as ALL
from test_configs import ROOT
from toy_data_sets import OWN, PEOPLE, RELEASED

from posekit.datasets import TopDownDataset, load_coco
from posekit.engine.configs.config import load_config
from posekit.engine.configs.dump import config_text
from posekit.io.files import read_json
from posekit.registry import DATASETS

STAGES = ("train", "val", "test")
# Others have their own tests: test_config_mixtures.py, test_config_faces.py, bottomup/test_by_config.py.
_OTHERS = ("everyday/", "faces/", "study/face_", "families/scenes_")
CONFIGS = [name for name in ALL if not name.startswith(_OTHERS)]

# Configs that do not keep training, validation and test apart as their data set does, and why.
THE_SAME_PEOPLE = {"checks/*": "it learns a few photos by heart"}
# Validated and tested on different people; elsewhere on the same, as the releases and the papers do.
THREE_PARTS = ("lsp/*", "study/*", "families/*")

GT, CROWD = "ground truth", "det_for_crowd_test_0.1_0.5.json"
# Whose boxes are cut in training, validation and test; the first pattern that fits.
BOXES = {
    "paper/*_gt_boxes.py": (GT, GT, GT),
    # Xu & Feng 2020: a Faster R-CNN's, in training too.
    "paper/*_coco_*": (
        f"{OWN}, matched to {PEOPLE} of {PEOPLE} people at IoU 0.5",
        f"{RELEASED}, matched to {PEOPLE} of {PEOPLE} people at IoU 0.5",
        RELEASED,
    ),
    # The releases' published tables have the released detections.
    "hrnet/*_coco_*": (GT, GT, RELEASED),
    "simple_baseline/*_coco_*": (GT, GT, RELEASED),
    "vitpose/*": (GT, GT, RELEASED),
    # MMPose's table: YOLOv3's.
    "crowdpose/*": (GT, GT, CROWD),
    # MPII states the position of people in its test set too; LSP's and one's own people are alone or boxed.
    "*": (GT, GT, GT),
}


class Config(NamedTuple):
    """A config and its built data sets, by stage."""

    name: str
    cfg: Any
    sets: dict[str, TopDownDataset]

    def images(self, stage: str) -> set[int]:
        """The ids of the images that people of a stage are on."""
        table = self.sets[stage].table
        return set(table.image_ids[table.image_index].tolist())


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return toy_data_sets.write_all(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=CONFIGS)
def config(request, roots):
    name = request.param
    root = roots[Path(load_config(ROOT / name).data_root).name]
    cfg = load_config(ROOT / name, {"data_root": str(root)})
    return Config(name, cfg, {s: DATASETS.build(cfg[f"{s}_dataloader"]["dataset"]) for s in STAGES})


def fits(name, patterns):
    return any(fnmatch(name, pattern) for pattern in patterns)


def test_nobody_is_trained_and_scored(config):
    train, val, test = (config.images(stage) for stage in STAGES)
    if fits(config.name, THE_SAME_PEOPLE):
        assert train == val == test
        return
    assert not train & (val | test)
    if fits(config.name, THREE_PARTS):
        assert not val & test
        assert (len(train), len(val), len(test)) == (PEOPLE, 500, 500)
    else:
        assert val == test
        # By its number the part that is published as the training part, or as that to validate on.
        assert max(train) < 100 < min(val)


def test_boxes_are_those_of_the_recipe(config):
    expected = next(boxes for pattern, boxes in BOXES.items() if fnmatch(config.name, pattern))
    assert tuple(config.sets[stage].metainfo["box_source"] for stage in STAGES) == expected
    for stage, source in zip(STAGES, expected, strict=True):
        table = config.sets[stage].table
        # All of a detector's boxes are tested, the unlikely ones too.
        assert len(table) == len(config.images(stage)) * (2 if source in (RELEASED, CROWD) else 1)
        detected = 0 if source == GT else toy_data_sets.LOWER
        x1, y1, x2, _ = table.boxes_xyxy[table.box_scores > 0.5].mean(axis=0)
        assert y1 == pytest.approx(toy_data_sets.TOP + detected, abs=1)
        if config.cfg[f"{stage}_dataloader"]["dataset"]["source"]["type"] is load_coco:
            # Annotated boxes shrink by one on the release's path, detections do not.
            assert x2 - x1 == toy_data_sets.WIDTH - (source == GT)


def test_people_are_cut_alike_in_training_validation_and_test(config):
    train, val, test = (config.sets[stage].crop for stage in STAGES)
    assert train == val == test


def test_only_training_is_random(config):
    assert [config.cfg[f"{stage}_dataloader"]["sampler"]["shuffle"] for stage in STAGES] == [
        True,
        False,
        False,
    ]
    assert config.sets["val"].augment is None
    assert config.sets["test"].augment is None
    # A network that learns photos by heart knows nothing of their mirror images.
    assert (config.sets["train"].augment is None) == fits(config.name, THE_SAME_PEOPLE)


def test_a_standing_body_fills_the_input_but_for_the_padding(config):
    """The releases' crops show a body of 400 px 205 px high in 256; so must a crop of another aspect."""
    for dataset in config.sets.values():
        scale = dataset.crop.warp(dataset.crop.place(dataset.table.boxes_xyxy[0]))[1, 1]
        high = dataset.crop.input_size_hw[0] / dataset.crop.padding
        assert_allclose(toy_data_sets.HEIGHT * scale, high, rtol=0.02)


def test_changes_of_a_short_training_are_of_one_config():
    config = ROOT / "study/lsp_mobilenetv2_frozen_96x96.py"
    changes = read_json(ROOT / "study/lsp_changes.json")
    plain = load_config(config)
    assert changes.pop("plain") == {"options": {}}
    for name, change in changes.items():
        changed = load_config(config, change["options"])
        assert config_text(changed) != config_text(plain), name
        for part in ("augment", "pixels"):
            settings = dict(changed.train_dataloader.dataset.get(part) or {"type": dict})
            assert settings.pop("type")(**settings) is not None
