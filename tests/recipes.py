"""What every config's recipe is, as published or as meant here: a row for each config of ``configs/``.

Those of faces, athletes and everyday photos are in files beside this one. The words that rows are made of
(data sets, crops, networks, schedules) and the letters of their sources are those of ``recipe_words.py``.
"""

from __future__ import annotations

from typing import Any

import recipes_athletes
import recipes_everyday
import recipes_faces
from recipe_words import (
    _MSRA,
    _NORMAL,
    _PAPER_TARGETS,
    _PLAIN,
    _RELEASES,
    _UDP,
    COCO,
    COCO_256,
    COCO_384,
    COCO_ANNOTATED,
    COCO_DETECTED,
    CROWDPOSE,
    FOCAL,
    HRNET_COCO,
    HRNET_MPII,
    HRNET_SCHEDULE,
    MPII,
    MPII_256,
    MPII_TIGHT,
    MSE,
    PAPER,
    PAPER_HOURGLASS,
    PAPER_HRNET,
    PAPER_SCHEDULE,
    PYTORCH_POSE_SCHEDULE,
    SIMPLE_COCO,
    SIMPLE_SCHEDULE,
    STRETCHED,
    VITPOSE_COCO,
    VITPOSE_SCHEDULE,
    augmentation,
    focal,
    hourglass,
    hrnet,
    one_cycle,
    pytorch_pose,
    short,
    simple,
    vitpose,
)

RECIPES: dict[str, dict[str, Any]] = {
    **recipes_faces.RECIPES,
    **recipes_athletes.RECIPES,
    **recipes_everyday.RECIPES,
}

for _variant in ("w32", "w48"):  # H
    for _data, _crop, _augment, _sigma in (
        (COCO, COCO_256, HRNET_COCO, 2),
        (COCO, COCO_384, HRNET_COCO, 3),
        (MPII, MPII_256, HRNET_MPII, 2),
    ):
        _name = "coco" if _data is COCO else "mpii"
        RECIPES[f"hrnet/hrnet_{_variant}_{_name}_{{}}x{{}}.py".format(*_crop["input"])] = {
            **_data,
            **_crop,
            "augment": _augment,
            **hrnet(_variant, _sigma),
            **HRNET_SCHEDULE,
        }

for _depth in (50, 101, 152):  # S
    for _data, _crop, _augment in ((COCO, COCO_256, SIMPLE_COCO), (MPII, MPII_256, HRNET_MPII)):
        _name = "coco_256x192" if _data is COCO else "mpii_256x256"
        RECIPES[f"simple_baseline/simplebaseline_r{_depth}_{_name}.py"] = {
            **_data,
            **_crop,
            "augment": _augment,
            **simple(_depth),
            **SIMPLE_SCHEDULE,
        }

for _name, _backbone, _decay in (  # V
    ("b_simple", {"variant": "b", "decoder": "simple", "drop_path": 0.3}, 0.75),
    ("s", {"variant": "s", "drop_path": 0.1}, 0.8),
    ("b", {"variant": "b", "drop_path": 0.3}, 0.75),
    ("l", {"variant": "l", "drop_path": 0.5}, 0.8),
    ("h", {"variant": "h", "drop_path": 0.55}, 0.85),
):
    RECIPES[f"vitpose/vitpose_{_name}_coco_256x192.py"] = {
        **COCO,
        **COCO_256,
        "crop": (0.75, 1.25, "udp"),
        "augment": VITPOSE_COCO,
        **vitpose(_backbone, _decay),
        **VITPOSE_SCHEDULE,
    }

for _stacks in (1, 2, 8):  # P
    RECIPES[f"hourglass/hourglass_s{_stacks}_mpii_256x256.py"] = {
        **MPII,
        **MPII_256,
        "augment": HRNET_MPII,
        **pytorch_pose(_stacks),
        **PYTORCH_POSE_SCHEDULE,
    }

for _network, _parts in (("hourglass_s8", PAPER_HOURGLASS), ("hrnet_w32", PAPER_HRNET)):  # X
    for _end, _data in (
        ("mpii_{}", MPII_TIGHT),
        ("coco_{}", COCO_DETECTED),
        ("coco_{}_gt_boxes", COCO_ANNOTATED),
    ):
        for _loss, _words in (("mse", MSE), ("focal", FOCAL)):
            RECIPES[f"paper/{_network}_{_end.format(_loss)}.py"] = {
                **_data,
                **STRETCHED,
                "augment": PAPER,
                **_parts,
                "loss": _words,
                **PAPER_SCHEDULE,
            }
RECIPES["paper/hourglass_s8_mpii_focal_sigma6.py"] = RECIPES["paper/hourglass_s8_mpii_focal.py"] | {
    "codec": _MSRA.format(sigma=6, radius=6)
}

RECIPES["crowdpose/hrnet_w32_crowdpose_256x192.py"] = {  # M
    **CROWDPOSE,
    **COCO_256,
    "augment": augmentation(40, (0.5, 1.5), half_body_prob=0.3, half_body_min_keypoints=6, **_NORMAL),
    **hrnet("w32", 2),
    **HRNET_SCHEDULE,
}

# O: rendered people, who fill their boxes.
_QUICK = {
    "skeleton": "mpii16",
    "data_root": "data/posekit_people",
    "input": (96, 96),
    "crop": (1.0, 1.05, "udp"),
    **_RELEASES,
    "augment": augmentation(10, (0.9, 1.1)),
    **_PLAIN,
    "backbone": hourglass(1, depth=3, features=64),
    "codec": _UDP.format(sigma=1.5),
    "loss": focal(0.1),
    **one_cycle(12, 8, rate=3e-3),
    "epochs": (12, 4),
    "optimiser": "AdamW(lr=0.003, weight_decay=0.0001, fused=True)",
}
_MPII_FILE = "load_mpii annotations/mpii_{}.json images/{} {}"
_HEADS = "head_boxes=annotations/gt_valid.mat split=val"
RECIPES["quickstart/people_mpii.py"] = _QUICK | {
    "train": _MPII_FILE.format("train", "train", "split=train"),
    "val": _MPII_FILE.format("valid", "val", _HEADS),
    "test": _MPII_FILE.format("valid", "val", _HEADS),
    "protocol": MPII["protocol"],
    "best": MPII["best"],
}
_COCO_PEOPLE = "load_coco annotations/person_keypoints_{0}.json images/{0}"
RECIPES["quickstart/people_coco.py"] = _QUICK | {
    "train": _COCO_PEOPLE.format("train"),
    "val": _COCO_PEOPLE.format("val"),
    "test": _COCO_PEOPLE.format("val"),
    "protocol": COCO["protocol"],
    "best": COCO["best"],
}

# O: photos learnt by heart, trained and scored on the same, without augmentation and mirror images.
_BY_HEART = {
    **COCO,
    "val": COCO["train"],
    "test": COCO["train"],
    "crop": (0.75, 1.25, "udp"),
    "prediction": {"flip_test": False, "test_scales": (1.0,)},
    "augment": None,
    **_PLAIN,
    "codec": _UDP.format(sigma=2),
    "loss": focal(0.1),
    "optimiser": "Adam(lr=0.001)",
    "rates": ["OneCycleLR(eta_max=0.001, by_epoch=True, convert_to_iter_based=True, pct_start=0.15)"],
    "epochs": (60, 10),
    "batch": (4, 4),
}
RECIPES["checks/overfit_coco_hrnet_w32.py"] = _BY_HEART | {
    "input": (128, 96),
    "backbone": "HRNet(variant='w32')",
}
RECIPES["checks/overfit_coco_hourglass_s2.py"] = _BY_HEART | {
    "input": (128, 128),
    "crop": (1.0, 1.25, "udp"),
    "backbone": hourglass(2),
}

# O: an example to copy.
RECIPES["custom/custom_keypoints.py"] = {
    "skeleton": "horse6",
    "data_root": "data/custom",
    "train": "load_coco train.json images",
    "val": "load_coco val.json images",
    "test": "load_coco val.json images",
    "protocol": "PCK at 0.2 x bbox size, percent",
    "best": "PCK@0.2/mean",
    **COCO_256,
    "augment": HRNET_COCO | {"half_body_prob": 0.0},
    **_PAPER_TARGETS,
    "backbone": "HRNet(variant='w32')",
    "loss": MSE,
    **short(60, [45, 55]),
}
