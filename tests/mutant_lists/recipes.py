"""What configs state."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

_TABLES = (
    "test_recipes.py::test_a_config_states_what_its_recipe_does "
    "test_configs.py::test_parts_agree_with_each_other"
)

_COCO_BASE = "configs/_base_/datasets/coco_256x192.py"

CONFIGS = (
    Mutant(
        "configs/_base_/models/hourglass.py",
        "    type=PoseEstimator,",
        "    type=PoseEstimator, flip_test=False,",
        _TABLES,
        why="the paper's scores without the flip test",
    ),
    Mutant(
        "configs/_base_/models/hrnet.py",
        "    type=PoseEstimator,",
        "    type=PoseEstimator, flip_test=False,",
        _TABLES,
    ),
    Mutant(
        "configs/_base_/datasets/coco_paper.py",
        "train_dataloader.update(batch_size=16)",
        'train_dataloader.update(batch_size=16); train_dataloader["dataset"]["crop"]["convention"] = "udp"',
        _TABLES,
        why="trained on crops of another convention than the test's",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_paper.py",
        "train_dataloader.update(batch_size=16)",
        'train_dataloader.update(batch_size=16); train_dataloader["dataset"]["crop"].update(padding=1.0)',
        _TABLES,
        why="trained on tighter crops than the test's",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_paper.py",
        "train_dataloader.update(batch_size=16)",
        "train_dataloader.update(batch_size=64)",
        _TABLES,
    ),
    Mutant(
        _COCO_BASE,
        "test_evaluator = [dict(type=OKSMetric)]",
        "test_evaluator = [dict(type=OKSMetric, rescore_threshold=None)]",
        _TABLES,
        why="COCO's test without rescoring",
    ),
    Mutant(
        _COCO_BASE,
        'ann_file="annotations/person_keypoints_val2017.json", image_dir="val2017"',
        'ann_file="annotations/person_keypoints_train2017.json", image_dir="train2017"',
        _TABLES,
        why="COCO is validated on what it is trained on",
    ),
    Mutant(
        _COCO_BASE,
        'COCO_val2017_detections_AP_H_56_person.json",',
        'COCO_val2017_detections_AP_H_70_person.json",',
        "test_recipes.py::test_a_config_states_what_its_recipe_does",
        why="other boxes than the published scores'",
    ),
    Mutant(
        "configs/_base_/datasets/lsp_extended_256x256.py",
        'subset=dict(type=hashed_split, part="val"),',
        'subset=dict(type=hashed_split, part="test"),',
        _TABLES,
        why="the checkpoint is chosen on the test people",
    ),
    Mutant(
        "configs/_base_/datasets/lsp_extended_256x256.py",
        'test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="torso")]',
        'test_evaluator = [dict(type=PCKMetric, threshold=0.2, norm="bbox")]',
        _TABLES,
    ),
    Mutant(
        "configs/_base_/datasets/mpii_256x256.py",
        'ann_file="annot/valid.json",',
        'ann_file="annot/train.json",',
        _TABLES,
        why="MPII is validated on what it is trained on",
    ),
    Mutant(
        "configs/_base_/schedules/paper.py",
        "milestones=[1 / 2]",
        "milestones=[3 / 5]",
        "test_recipes.py::test_a_config_states_what_its_recipe_does",
    ),
    Mutant(
        "configs/_base_/schedules/paper.py",
        "end=11",
        "end=10",
        "test_recipes.py::test_a_config_states_what_its_recipe_does",
    ),
    Mutant(
        "configs/_base_/schedules/hrnet_release.py",
        "milestones=[170 / 210, 200 / 210]",
        "milestones=[180 / 210, 200 / 210]",
        "test_recipes.py::test_a_config_states_what_its_recipe_does",
    ),
)
