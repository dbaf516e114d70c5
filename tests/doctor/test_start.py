"""The quick part: what it sees at the start of a training, and that it changes nothing."""

from __future__ import annotations

import json
import random
import re

import doctor_cases as cases
import numpy as np
import pytest
import torch
from doctor_cases import people, plant
from toy_people import SKELETON, write_coco
from toy_pose_config import write_config

from posekit.datasets import load_coco
from posekit.doctor.start import quick_findings
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner


def load(folder, content, name="people.json"):
    path = folder / name
    path.write_text(json.dumps(content), "utf-8")
    source = {"type": load_coco, "ann_file": str(path), "image_dir": str(folder), "skeleton": "mpii16"}
    return {"source": source}, load_coco(str(path), str(folder), "mpii16", on_bad_record="skip")


@pytest.mark.parametrize("as_written", [True, False])
def test_a_clean_set(tmp_path, as_written, monkeypatch):
    if not as_written:
        monkeypatch.setattr("posekit.doctor.start._SMALL", 0)
    settings, table = load(tmp_path, people())
    finding, *others = quick_findings([(settings, table, True)], [])
    assert [one.sentence for one in others] == []
    assert (finding.kind, finding.of) == ("picture_unreadable", 64)  # there are none


def test_a_small_file_is_looked_at_as_it_is_written(tmp_path):
    content = people()
    plant(content, cases.corners, 1)
    settings, table = load(tmp_path, content)
    kinds = [finding.kind for finding in quick_findings([(settings, table, True)], [])]
    assert kinds == ["picture_unreadable", "boxes_as_corners"]


def test_training_people_in_validation(tmp_path):
    settings, table = load(tmp_path, people())
    some = table.select(np.arange(10))
    found = quick_findings([(settings, table, False)], [some, table])
    assert [(f.kind, f.count, f.of) for f in found if f.part.startswith("validation")] == [
        ("people_in_training", 10, 10),
        ("people_in_training", len(table), len(table)),
    ]


def test_of_several_sets_a_finding_names_its_own(tmp_path):
    sets = {}
    for folder in ("a", "b"):
        (tmp_path / folder).mkdir()
        sets[folder] = load(tmp_path / folder, people(), "val.json")
    trained = [(settings, table, False) for settings, table in sets.values()]
    validated = [sets["a"][1], sets["b"][1]]
    found = {f.part for f in quick_findings(trained, validated, (), ["mine", "theirs"])}
    assert found == {"training (a/val.json)", "training (b/val.json)"} | {
        "validation (mine: a/val.json)",
        "validation (theirs: b/val.json)",
    }
    of_one = quick_findings(trained, validated[:1])
    (first, second) = [f.found for f in of_one if "validation" in f.part]
    assert "is a training person (a/val.json):" in first
    assert "is a training person (b/val.json):" in second
    twice = quick_findings(trained[:1], [sets["a"][1]] * 2)
    assert {f.part for f in twice} >= {"validation (val.json, set 1)", "validation (val.json, set 2)"}


def test_people_without_keypoints_are_passed_by(tmp_path):
    settings, _ = load(tmp_path, people())
    source = {**settings["source"], "skeleton": "none"}
    table = load_coco(source["ann_file"], source["image_dir"], "none")
    assert quick_findings([({"source": source}, table, True)], [table]) == []


def test_of_many_people_whole_images_are_looked_at(tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.doctor.start._PEOPLE", 60)
    content = people()
    plant(content, cases.centre, 1)
    settings, table = load(tmp_path, content)
    finding = next(f for f in quick_findings([(settings, table, True)], []) if f.kind == "boxes_as_centre")
    assert 30 < finding.count <= finding.of <= 70


def test_no_random_number_is_drawn(tmp_path):
    settings, table = load(tmp_path, people())

    def state():
        numbers = np.random.get_state()[1].tolist()  # noqa: NPY002 (the global one is what must stay)
        return random.getstate(), numbers, torch.get_rng_state().tolist()

    before = state()
    quick_findings([(settings, table, True)], [table])
    assert state() == before


@pytest.fixture
def run(tmp_path, monkeypatch):
    """Trains the small COCO set for an epoch with other settings; returns its warnings."""
    monkeypatch.chdir(tmp_path)
    write_coco(tmp_path)

    def train(**changes):
        cfg = load_config(write_config(tmp_path), changes)
        cfg.work_dir = "work"
        runner = PoseRunner.from_cfg(cfg)
        runner.train()
        log = next((tmp_path / "work").rglob("*.log")).read_text("utf-8")
        return re.findall(r"WARNING - (\w+(?: \([^)]*\))? data: \w+|the data.*|tools.*)", log)

    return train


def test_a_training_warns_once(run):
    skeleton = {**SKELETON, "flip_pairs": []}
    *told, last = run(skeleton=skeleton)
    assert last == "tools/check_dataset.py CONFIG looks closer, and draws examples"
    assert {"training data: no_flip_pairs", "validation data: people_in_training"} <= set(told)
    assert len(set(told)) == len(told)


def test_a_warning_names_the_set_as_the_config_does(run):
    own = {
        "type": "TopDownDataset",
        "source": {"type": "load_coco", "ann_file": "people.json", "image_dir": "images"},
        "crop": {"type": "Crop", "input_size_hw": (64, 48)},
    }
    joined = {"type": "JoinedDataset", "datasets": {"mine": own, "theirs": own}}
    each = [{"type": "OnEachSet", "metrics": {"type": "OKSMetric"}}]
    told = run(**{"val_dataloader.dataset": joined, "val_evaluator": each, "default_hooks.checkpoint": None})
    sets = ("mine", "theirs")
    assert {f"validation ({name}: people.json) data: people_in_training" for name in sets} <= set(told)


def test_it_can_be_done_without(run):
    assert run(**{"default_hooks.doctor": None}) == []


def test_a_fault_of_the_doctor_stops_no_training(run, monkeypatch):
    def fail(*_):
        raise RuntimeError("ill")

    monkeypatch.setattr("posekit.doctor.start.quick_findings", fail)
    assert run() == ["the data could not be looked at: RuntimeError: ill"]
