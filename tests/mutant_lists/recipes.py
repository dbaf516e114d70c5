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

_RECIPE = "test_recipes.py::test_a_config_states_what_its_recipe_does"
_APART = "test_config_data.py::test_nobody_is_trained_and_scored"
_BOXES = "test_config_data.py::test_boxes_are_those_of_the_recipe"
_CROWDPOSE = "configs/_base_/datasets/crowdpose_256x192.py"
_COCO_PAPER = "configs/_base_/datasets/coco_paper.py"

RECIPES = (
    Mutant(_CROWDPOSE, "rotation=40, scale=0.5", "rotation=45, scale=0.35", _RECIPE),
    Mutant(
        _CROWDPOSE,
        '(val_dataloader, "test")',
        '(val_dataloader, "trainval")',
        _APART,
        why="CrowdPose is validated on what it is trained on",
    ),
    Mutant(
        _CROWDPOSE,
        'detections="annotations/det_for_crowd_test_0.1_0.5.json"',
        "detections=None",
        _BOXES,
        why="the annotated boxes in the place of the published detections",
    ),
    Mutant(
        _COCO_PAPER,
        'boxes="detected_matched", detections=f"{_folder}/COCO_train2017',
        'boxes="annotated", detections=f"{_folder}/COCO_train2017',
        _BOXES,
        why="trained on annotated boxes, tested on a detector's",
    ),
    Mutant(_COCO_PAPER, 'sampling="uniform"', 'sampling="clipped_normal"', _RECIPE),
    Mutant(
        "configs/_base_/datasets/mpii_paper.py",
        "update(box_aspect=3 / 4)",
        "update(box_aspect=1.0)",
        "test_config_data.py::test_a_standing_body_fills_the_input_but_for_the_padding",
        why="people a quarter smaller in the crop than the release's",
    ),
    Mutant(
        _COCO_BASE,
        "shuffle=True",
        "shuffle=False",
        "test_config_data.py::test_only_training_is_random",
        why="batches of one photo's people, in the file's order",
    ),
    Mutant(
        "configs/_base_/datasets/lsp_extended_256x256.py",
        'subset=dict(type=hashed_split, part="train"),',
        "subset=None,",
        _APART,
        why="trained on everybody, the test people among them",
    ),
    Mutant(
        "configs/_base_/datasets/mpii_256x256.py",
        'save_best="PCKh@0.5/mean_weighted"',
        'save_best="PCKh@0.1/mean_weighted"',
        _RECIPE,
    ),
    Mutant(
        "configs/_base_/datasets/coco_384x288.py",
        "for _loader in (train_dataloader, val_dataloader, test_dataloader):",
        "for _loader in (train_dataloader, val_dataloader):",
        "test_config_data.py::test_people_are_cut_alike_in_training_validation_and_test",
        why="tested at another size than trained at",
    ),
    Mutant("configs/_base_/models/hrnet.py", "sigma=2, radius=6", "sigma=2", _RECIPE),
    Mutant(
        "configs/_base_/models/hrnet_release.py",
        "type=JointsMSELoss",
        "type=JointsMSELoss, use_weight=False",
        _RECIPE,
    ),
    Mutant(
        "configs/_base_/models/simple_baseline_release.py",
        'channel_order="bgr",',
        'channel_order="rgb",',
        _RECIPE,
        why="the released weights saw blue, green, red",
    ),
    Mutant(
        "configs/_base_/schedules/simple_baseline_release.py",
        "[90 / 140, 120 / 140]",
        "[100 / 140, 120 / 140]",
        _RECIPE,
    ),
    Mutant("configs/_base_/schedules/pytorch_pose.py", "lr=2.5e-4", "lr=2.5e-3", _RECIPE),
    Mutant("configs/_base_/schedules/one_cycle.py", "eta_max=2e-3", "eta_max=1e-2", _RECIPE),
    Mutant("configs/_base_/schedules/short.py", "11 / 12", "10 / 12", _RECIPE),
)
