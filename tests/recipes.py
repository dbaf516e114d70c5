"""What every config's recipe is, as published or as meant here: a row for each config of ``configs/``.

The words that rows are made of (data sets, crops, networks, schedules) and the letters of their sources are
those of ``recipe_words.py``.
"""

from __future__ import annotations

from typing import Any

from recipe_words import (
    _HEAD,
    _MSRA,
    _NORMAL,
    _PAPER_TARGETS,
    _PLAIN,
    _RELEASES,
    _UDP,
    ATHLETES,
    COCO,
    COCO_256,
    COCO_384,
    COCO_ANNOTATED,
    COCO_DETECTED,
    CROWDPOSE,
    FACES,
    FOCAL,
    HRNET_COCO,
    HRNET_MPII,
    HRNET_SCHEDULE,
    LSP,
    MPII,
    MPII_256,
    MPII_TIGHT,
    MSE,
    MTFL,
    PAPER,
    PAPER_HOURGLASS,
    PAPER_HRNET,
    PAPER_SCHEDULE,
    PYTORCH_POSE_SCHEDULE,
    SCENES,
    SIMPLE_COCO,
    SIMPLE_SCHEDULE,
    STRETCHED,
    augmentation,
    focal,
    hourglass,
    hrnet,
    one_cycle,
    pytorch_pose,
    short,
    simple,
)

RECIPES: dict[str, dict[str, Any]] = {}

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

RECIPES["faces/cnn6_300w_64x64_wing.py"] = {  # W
    **FACES,
    **_PLAIN,
    "input": (64, 64),
    "crop": (1.0, 1.25, "hrnet"),
    "augment": augmentation(30, (0.9, 1.1), shift=0.05),
    "backbone": "FaceCNN(batch_norm=False, variant='cnn6')",
    "codec": None,
    "loss": "WingLoss(epsilon=2.0, omega=10.0)",
    "head": {"pool": 2, "hidden": [1024], "dropout": 0.0},
    **_RELEASES,
    **one_cycle(120, 32, 3e-4),
    "epochs": (120, 10),
}
# W: the second of two stages: what the first is off by is left of the rotation.
RECIPES["faces/cnn6_300w_64x64_wing_two_stages.py"] = RECIPES["faces/cnn6_300w_64x64_wing.py"] | {
    "augment": augmentation(10, (0.9, 1.1), shift=0.05),
}
# T: the landmarks' loss is half the squared error of coordinates / 40.
_TASK_LOSSES = {
    "landmarks": "L2Loss() x 1 in units of 40",
    "gender": "gender: 2 from 1 x 0.1",
    "smile": "smile: 2 from 1 x 0.1",
    "glasses": "glasses: 2 from 1 x 0.1",
    "pose": "pose: 5 from 1 x 0.3, mirrored (1, 5) (2, 4)",
}
_GREY = {"colours": "grey per_image", "head": {"pool": 1, "hidden": (), "dropout": 0.0}}
_TCDCN = {
    **MTFL,
    **_PLAIN,
    **_GREY,
    "input": (40, 40),
    "crop": (1.0, 2.0, "hrnet"),
    "augment": augmentation(30, (0.85, 1.25), shift=0.1),
    "backbone": "TCDCN(in_channels=1, local=False, variant='eccv2014')",
    "codec": None,
    "loss": _TASK_LOSSES,
    **_RELEASES,
    "optimiser": "SGD(lr=0.003, momentum=0.9, weight_decay=0.0005)",
    "rates": [(0.003, 80)],
    "epochs": (80, 4),
    "batch": (128, 128),
}
RECIPES["faces/tcdcn_mtfl_40x40.py"] = _TCDCN
RECIPES["faces/tcdcn_mtfl_40x40_landmarks.py"] = _TCDCN | {
    "loss": {"landmarks": _TASK_LOSSES["landmarks"]},
    "protocol": MTFL["protocol"].split(" | ")[0],
}
RECIPES["faces/tcdcn_mtfl_40x40_finetune.py"] = _TCDCN | {
    "loss": {
        name: words.replace(" x 0.1", " x 0.0").replace(" x 0.3", " x 0.0")
        for name, words in _TASK_LOSSES.items()
    },
    "optimiser": "SGD(lr=0.003, momentum=0.9, weight_decay=0.0)",
    "rates": [(0.003, 20)],
    "epochs": (20, 2),
}
RECIPES["study/face_tcdcn_mtfl_40x40.py"] = _TCDCN | {
    "optimiser": "SGD(lr=0.03, momentum=0.9, weight_decay=0.0005)",
    "rates": [(0.03, 12)],
    "epochs": (12, 2),
}
RECIPES["faces/tcdcn_300w_40x40.py"] = {  # T: the first three layers are kept
    **FACES,
    **_PLAIN,
    **_GREY,
    "input": (40, 40),
    "crop": (1.0, 1.25, "hrnet"),
    "augment": augmentation(30, (0.9, 1.1), shift=0.05),
    "backbone": "TCDCN(in_channels=1, local=False, variant='eccv2014')",
    "start": "work_dirs/tcdcn_mtfl_40x40/best_NME_inter_pupil.pth strict conv1. conv2. conv3.",
    "codec": None,
    "loss": "L2Loss() in units of 40",
    **_RELEASES,
    **one_cycle(120, 32),
    "epochs": (120, 10),
}
_GROUPS = "with_pose_groups [load_face_csv {0}.csv {0}]"
_FACE_STUDY = RECIPES["faces/cnn6_300w_64x64_wing.py"] | {  # O
    "val": _GROUPS.format("helen_train") + " num_val=100 part=val",
    "test": _GROUPS.format("afw"),
    "epochs": (24, 6),
}
RECIPES["study/face_losses_300w_64x64.py"] = _FACE_STUDY
RECIPES["study/face_losses_300w_64x64_two_stages.py"] = _FACE_STUDY | {
    "augment": augmentation(10, (0.9, 1.1), shift=0.05),
}
RECIPES["study/face_losses_300w_64x64_pdb.py"] = _FACE_STUDY | {"epochs": (8, 2)}
RECIPES["study/face_losses_300w_64x64_heatmap.py"] = _FACE_STUDY | {
    "crop": (1.0, 1.25, "udp"),
    "backbone": "Hourglass(blocks=1, depth=2, features=64, stacks=1)",
    "codec": _UDP.format(sigma=1.0),
    "loss": MSE,
    "head": _HEAD,
    **one_cycle(24, 16),
    "epochs": (24, 6),
}
RECIPES["faces/mobilenetv2_300w_128x128.py"] = {  # O
    **FACES,
    **_PLAIN,
    "input": (128, 128),
    "crop": (1.0, 1.25, "udp"),
    "augment": augmentation(30, (0.85, 1.15), shift=0.1),
    "backbone": "TimmBackbone(decoder='pyramid', name='mobilenetv2_100', options={'out_indices': (1, 2, 3)}, "
    "stride=4, width=48)",
    "start": "data/weights/mobilenet_v2-b0353104.pth b0353104 strict",
    "codec": _UDP.format(sigma=1.5),
    "loss": focal(0.1),
    **_RELEASES,
    **one_cycle(60, 16),
    "epochs": (60, 5),
    "frozen": tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
}
RECIPES["faces/mobilenetv2_300w_128x128_two_stages.py"] = RECIPES["faces/mobilenetv2_300w_128x128.py"] | {
    "augment": augmentation(10, (0.85, 1.15), shift=0.1),
}

RECIPES["crowdpose/hrnet_w32_crowdpose_256x192.py"] = {  # M
    **CROWDPOSE,
    **COCO_256,
    "augment": augmentation(40, (0.5, 1.5), half_body_prob=0.3, half_body_min_keypoints=6, **_NORMAL),
    **hrnet("w32", 2),
    **HRNET_SCHEDULE,
}

# O: LSP-extended for a GPU ...
for _network, _backbone in (("hourglass_s2", hourglass(2)), ("hrnet_w32", "HRNet(variant='w32')")):
    for _loss, _words in (("mse", MSE), ("focal", FOCAL)):
        RECIPES[f"lsp/{_network}_lsp_256x256_{_loss}.py"] = {
            **LSP,
            **MPII_256,
            "augment": ATHLETES,
            **_PAPER_TARGETS,
            "backbone": _backbone,
            "loss": _words,
            **short(60, [45, 55]),
        }
# ... and for a CPU. PCK of the torso forgives what a small input loses; the boxes have a margin already.
_SMALL = {
    **LSP,
    "input": (96, 96),
    "crop": (1.0, 1.1, "udp"),
    **_RELEASES,
    "augment": ATHLETES,
    **_PLAIN,
    "codec": _UDP.format(sigma=1.5),
}
for _loss, _words in (("mse", MSE), ("focal", FOCAL)):
    RECIPES[f"lsp/hourglass_small_lsp_96x96_{_loss}.py"] = _SMALL | {
        "backbone": hourglass(1, depth=3, features=64),
        "loss": _words,
        **one_cycle(20, 16),
    }
    RECIPES[f"lsp/hrnet_tiny_lsp_128x128_{_loss}.py"] = {
        **LSP,
        **MPII_256,
        "input": (128, 128),
        "augment": ATHLETES,
        **_PLAIN,
        "backbone": "HRNet(variant='w16-tiny')",
        "codec": _MSRA.format(sigma=1.5, radius=4),
        "loss": _words,
        **short(30, [22, 27]),
    }
_SCRATCH = _SMALL | {
    "input": (128, 128),
    "backbone": "TimmBackbone(decoder='pyramid', name='mobilenetv2_100', options=None, stride=4, width=None)",
    "loss": MSE,
    **one_cycle(8, 32),
}
# Compared with what starts at random, it does not begin without its file.
_PRETRAINED = _SCRATCH | {"start": "data/weights/mobilenet_v2-b0353104.pth b0353104 strict"}
RECIPES["lsp/mobilenetv2_lsp_128x128_scratch.py"] = _SCRATCH
RECIPES["lsp/mobilenetv2_lsp_128x128_pretrained.py"] = _PRETRAINED
RECIPES["lsp/mobilenetv2_lsp_128x128_pretrained_focal01.py"] = _PRETRAINED | {"loss": focal(0.1)}
RECIPES["lsp/mobilenetv2_lsp_160x160_bundled.py"] = _SCRATCH | {
    "input": (160, 160),
    "loss": focal(0.1),
    **one_cycle(10, 32, rate=1e-3),
}
_STUDY = RECIPES["lsp/hourglass_small_lsp_96x96_mse.py"] | one_cycle(6, 16)
RECIPES["study/lsp_hourglass_96x96.py"] = _STUDY
RECIPES["study/lsp_hrnet_tiny_96x96.py"] = _STUDY | {"backbone": "HRNet(variant='w16-tiny')"}
RECIPES["study/lsp_mobilenetv2_pretrained_128x128.py"] = _PRETRAINED
_CONVERGED = {"input": (96, 96), **one_cycle(40, 32), "epochs": (40, 4)}
RECIPES["study/lsp_mobilenetv2_scratch_96x96.py"] = _SCRATCH | _CONVERGED
RECIPES["study/lsp_mobilenetv2_pretrained_96x96.py"] = _PRETRAINED | _CONVERGED
_FAMILY = _PRETRAINED | {"input": (96, 96), **one_cycle(12, 32), "epochs": (12, 4)}
_NO_MAPS = {"codec": None, "head": {}}
_POINTS = {
    "backbone": _FAMILY["backbone"].replace("'pyramid'", "'none'").replace("stride=4", "stride=32"),
    "codec": None,
    "head": {"dropout": 0.0, "hidden": (), "pool": 1},
}
RECIPES |= {
    f"families/lsp_{name}_96x96.py": _FAMILY | others
    for name, others in {
        "mobilenetv2_heatmaps": {},
        "mobilenetv2_focal": {
            "loss": "PenaltyReducedFocalLoss(alpha=2.0, beta=4.0, positives='peak', reduction='positives')"
        },
        "mobilenetv2_l1": _POINTS | {"loss": "L1Loss()"},
        "mobilenetv2_rle": _POINTS | {"loss": "RLELoss(base='laplace', density='each_axis', residual=True)"},
        "mobilenetv2_integral": _NO_MAPS | {"loss": "EuclideanLoss()", "head": {"kernel_size": 1}},
        "mobilenetv2_simcc": {
            "backbone": _FAMILY["backbone"].replace("stride=4", "stride=8"),
            "codec": "SimCCCodec(bounds='bins', centre='exact', flip='exact', label_smoothing=0.0, "
            "max_step=2.0, no_peak='zero', normalise=True, refine='none', scores='relative', sigma=4.0, "
            "smoothing='gaussian', split=2.0)",
            "loss": "AxisKLLoss(beta=1.0, label_beta=10.0, label_softmax=False, reduction='mean')",
            "head": {"kernel_size": 1},
        },
        "vitpose_small": {
            "backbone": "ViTPose(decoder='simple', drop_path=0.1, expert=0, input_size_hw=(96, 96), "
            "options={'depth': 6, 'embed_dim': 192, 'num_heads': 6}, variant='s')",
            "start": None,
            "head": {"keypoint_weights": None, "kernel_size": 3},
        },
        "cpm_small": {
            "backbone": "CPM(batch_norm=True, centre=False, features=32, stages=3)",
            "start": None,
        },
    }.items()
}

# O: many people of a picture, by fields, by tags, and one by one in boxes.
_SCENES = {
    **SCENES,
    **_PLAIN,
    **_RELEASES,
    "start": "data/weights/mobilenet_v2-b0353104.pth b0353104 strict",
    "frozen": tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
    "input": (256, 256),
    "crop": (1.0, 1.0, "udp"),
    "augment": augmentation(20, (0.6, 1.1), shift=0.1),
    "protocol": "OKS AP/AR as pycocotools; score = box score; no OKS-NMS; top 20 per image",
    **one_cycle(4, 8),
    "epochs": (4, 2),
}
RECIPES |= {
    "families/scenes_mobilenetv2_fields_256x256.py": _SCENES
    | {
        "backbone": _FAMILY["backbone"].replace("stride=4", "stride=8"),
        "codec": None,
        "loss": "PartAffinityHead(assembler=None, field_weight=1.0, stages=2, stride=8, "
        "targets={'sigma': 8.0, 'width': 6.0}, width=64)",
        "head": {},
    },
    "families/scenes_mobilenetv2_tags_256x256.py": _SCENES
    | {
        "backbone": _FAMILY["backbone"],
        "codec": _UDP.format(sigma=2.0),
        "loss": "TagHead(blocks=1, grouper=None, tag_loss=None, width=32)",
        "head": {},
    },
    "families/scenes_mobilenetv2_topdown_128x96.py": _SCENES
    | {
        "backbone": _FAMILY["backbone"],
        "input": (128, 96),
        "crop": (0.75, 1.25, "udp"),
        "augment": augmentation(20, (0.75, 1.25), shift=0.1),
        "codec": _UDP.format(sigma=1.5),
        "loss": focal(0.1),
        "protocol": COCO["protocol"],
        "batch": (16, 16),
    },
}

# O: four sets and windows without anybody, for everyday photos; less blur and noise than by default.
_COCO_PART = "load_coco {0}/annotations/person_keypoints_train2017.json {0}/train2017"
_NOBODY = "load_backgrounds {0}/annotations/person_keypoints_train2017.json {0}/train2017 margin=2 windows=20"
_TURNED = "Augment(flip_prob=0.5, rotation={0}, scale=(0.65, 1.3), shift=0.1, truncate_prob={1})"
_CHANGED = (
    "Pixels(jitter_prob=0.6, grey_prob=0.05, blur_prob=0.1, blur_sigma=(0.3, 1.2), motion_prob=0.05, "
    "motion_length=(3, 5), noise_prob=0.1, noise_std=(2, 8), jpeg_prob=0.1, occlude_prob=0.2)"
)


def part(ratio: int, people: str, augment: str, padding: float = 1.25, **others: Any) -> dict[str, Any]:
    crop = f"Crop(input_size_hw={{}}, padding={padding}, convention='udp')"
    row = {"ratio": ratio, "people": people, "crop": crop, "augment": augment, "pixels": _CHANGED}
    return row | others


def nobody(ratio: int, name: str) -> dict[str, Any]:
    still = "Augment(flip_prob=0.5, rotation=20, scale=(0.65, 1))"
    return part(ratio, name if " " in name else _NOBODY.format(name), still, empty=True)


def everyday(height: int, width: int, **further: Any) -> dict[str, Any]:
    """The mixture in crops of one size."""
    parts = _EVERYDAY | further
    return {name: row | {"crop": row["crop"].format((height, width))} for name, row in parts.items()}


_ATHLETES = (
    "with_teacher [load_coco lsp_extended/train.json lsp_extended/images skeleton=lsp14] contradicted=drop "
    "near=0.07 part=train predictions=lsp_extended/teacher17.json"
)
_PHOTOS = "load_coco teacher_photos/train.json teacher_photos/images extra=['teacher_scores']"
_EVERYDAY = {
    "athletes": part(4800, _ATHLETES, _TURNED.format(70, 0.2), 1.1, keypoint_weight="keypoint_weight"),
    "photos": part(1600, _PHOTOS, _TURNED.format(40, 0.3), keypoint_weight="teacher_scores"),
    "coco": part(480, _COCO_PART.format("coco"), _TURNED.format(40, 0.3)),
    "tiny_coco": part(320, _COCO_PART.format("tiny_coco"), _TURNED.format(40, 0.3)),
    "coco_nobody": nobody(240, "coco"),
    "tiny_coco_nobody": nobody(240, "tiny_coco"),
}
RECIPES["everyday/lite0_coco17_128x96.py"] = {
    **_SCRATCH,
    "skeleton": "coco17",
    "data_root": "data",
    "train": everyday(128, 96),
    "val": "load_coco lsp_extended/train.json lsp_extended/images part=val skeleton=lsp14",
    "test": "load_coco lsp_extended/train.json lsp_extended/images part=test skeleton=lsp14",
    "best": "PCK@0.2/mean",
    "input": (128, 96),
    "crop": (0.75, 1.1, "udp"),
    "augment": None,
    "backbone": _SCRATCH["backbone"].replace("mobilenetv2_100", "tf_efficientnet_lite0"),
    "start": "data/weights/efficientnet-lite0-57934424.pth 57934424 strict",
    "codec": _UDP.format(sigma=1.5).replace("outside='drop'", "outside='keep'"),
    "loss": focal(0.1),
    "colours": ((127.5,) * 3, (127.5,) * 3, "rgb"),
    "frozen": tuple(f"backbone.backbone.{part}." for part in ("conv_stem", "bn1", "blocks.0", "blocks.1")),
    **one_cycle(24, 32),
    "epochs": (24, 2),
}
# It goes on at the first one's height, so it starts near that.
RECIPES["everyday/lite0_coco17_160x128.py"] = RECIPES["everyday/lite0_coco17_128x96.py"] | {
    "train": everyday(
        160,
        128,
        nobody=nobody(480, "load_backgrounds nobody/nobody.json nobody/images sides=(0.4, 1) windows=2"),
    ),
    "start": None,
    "input": (160, 128),
    "crop": (128 / 160, 1.1, "udp"),
    **one_cycle(12, 32),
    "rates": ["OneCycleLR(eta_max=0.0015, by_epoch=True, convert_to_iter_based=True, pct_start=0.1)"],
}
_EMPTY = nobody(480, "load_backgrounds nobody/nobody.json nobody/images sides=(0.4, 1) windows=2")
RECIPES["everyday/lite0_coco17_128x96_longer.py"] = RECIPES["everyday/lite0_coco17_160x128.py"] | {
    "train": everyday(128, 96, nobody=_EMPTY),
    "input": (128, 96),
    "crop": (0.75, 1.1, "udp"),
    "rates": ["OneCycleLR(eta_max=0.002, by_epoch=True, convert_to_iter_based=True, pct_start=0.1)"],
    "epochs": (34, 2),
}
RECIPES["everyday/lite0_coco17_160x128_longer.py"] = RECIPES["everyday/lite0_coco17_160x128.py"] | {
    "rates": ["OneCycleLR(eta_max=0.001, by_epoch=True, convert_to_iter_based=True, pct_start=0.05)"],
    "epochs": (18, 1),
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
