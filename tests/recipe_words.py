"""What every recipe states, as tables to read beside the papers and the releases; a config is in one of them.

Parts are given with the defaults of their classes filled in, so that a default that changes is seen here.
Sources, by their letter:

- H: the HRNet release: ``experiments/{coco,mpii}/hrnet/*.yaml``, ``lib/dataset/JointsDataset.py``
- S: the SimpleBaseline release: ``experiments/{coco,mpii}/resnet*/*.yaml``
- P: pytorch-pose: its README and the defaults of ``example/main.py``
- X: Xu & Feng 2020, section 3; where the paper says nothing, the choice of posekit (batch 16, HRNet's
  targets)
- V: the ViTPose release: ``configs/body/.../coco/ViTPose_*_coco_256x192.py``; 8 GPUs
- M: MMPose: ``td-hm_hrnet-w32_8xb64-210e_crowdpose-256x192.py``
- T: Zhang et al. (TCDCN), ECCV 2014, and a port of it: network, losses and weights, rate, weight decay; the
  rest is O
- W: Feng et al. (wing loss), CVPR 2018: network, loss, rotation, mirror image, box shift; the rest is O
- O: posekit's own: sized for a CPU, for a data set of a few thousand people, or an example to copy
"""

from __future__ import annotations

from typing import Any

# --- data sets -------------------------------------------------------------------------------------------

_OKS = "score = box score x mean keypoint score above 0.2; OKS-NMS 0.9; top 20 per image"
_COCO_FILE = "load_coco annotations/person_keypoints_{0}2017.json {0}2017"
_RELEASED = "detections=person_detection_results/COCO_val2017_detections_AP_H_56_person.json"
_OWN = "detections=person_detection_results/COCO_train2017_detections_fasterrcnn.json"

# H: the boxes of the test are a Faster R-CNN's (person AP 56.4), in validation the annotated ones.
COCO = {
    "skeleton": "coco17",
    "data_root": "data/coco",
    "train": _COCO_FILE.format("train"),
    "val": _COCO_FILE.format("val"),
    "test": f"{_COCO_FILE.format('val')} {_RELEASED}",
    "protocol": f"OKS AP/AR as pycocotools; {_OKS}",
    "best": "AP",
}
# X: Faster R-CNN boxes throughout.
COCO_DETECTED = COCO | {
    "train": f"{_COCO_FILE.format('train')} boxes=detected_matched {_OWN}",
    "val": f"{_COCO_FILE.format('val')} boxes=detected_matched {_RELEASED}",
}
COCO_ANNOTATED = COCO | {
    stage: f"{_COCO_FILE.format(part)} boxes=annotated"
    for stage, part in (("train", "train"), ("val", "val"), ("test", "val"))
}
# H: the mean of the score is weighted by the joints' counts; @0.1 is really 0.11 there.
MPII = {
    "skeleton": "mpii16",
    "data_root": "data/mpii",
    "train": "load_mpii annot/train.json images split=train",
    "val": "load_mpii annot/valid.json images head_boxes=annot/gt_valid.mat split=val",
    "test": "load_mpii annot/valid.json images head_boxes=annot/gt_valid.mat split=val",
    "protocol": "PCKh at 0.5, 0.1, 0.11 x head size (0.6 x head-box diagonal), percent",
    "best": "PCKh@0.5/mean_weighted",
}
# X: tight boxes.
MPII_TIGHT = MPII | {
    "train": "load_mpii annot/train.json images box_aspect=0.75 split=train",
    "val": "load_mpii annot/valid.json images box_aspect=0.75 head_boxes=annot/gt_valid.mat split=val",
    "test": "load_mpii annot/valid.json images box_aspect=0.75 head_boxes=annot/gt_valid.mat split=val",
}
# O: one file in three parts.
LSP = {
    "skeleton": "lsp14",
    "data_root": "data/lsp_extended",
    "train": "load_coco train.json images part=train",
    "val": "load_coco train.json images part=val",
    "test": "load_coco train.json images part=test",
    "protocol": "PCK at 0.2 x torso size, percent",
    "best": "PCK@0.2/mean12",
}
# O: whole pictures of rendered people; tested on those that it is validated on.
SCENES = {
    "skeleton": "mpii16",
    "data_root": "data/scenes",
    **{stage: f"load_coco annotations/person_keypoints_{part}.json images/{part}"
       for stage, part in (("train", "train"), ("val", "val"), ("test", "val"))},
    "best": "AP",
}  # fmt: skip
# W: faces of Helen and AFW; not the official protocol.
FACES = {
    "skeleton": "ibug68",
    "data_root": "data/face300w",
    "train": "load_face_csv helen_train.csv helen_train num_val=100 part=train",
    "val": "load_face_csv helen_train.csv helen_train num_val=100 part=val",
    "test": "load_face_csv afw.csv afw",
    "protocol": "NME and failure rate in percent of the size 'inter_ocular'",
    "best": "NME/inter_ocular",
}
# T: MTFL's faces; a part of the training's validates, the test is AFLW's.
MTFL = {
    "skeleton": "mtfl5",
    "data_root": "data/mtfl",
    "train": "load_mtfl train/labels.csv train/images num_test=1000 num_val=1000 part=train",
    "val": "load_mtfl train/labels.csv train/images num_test=1000 num_val=1000 part=val",
    "test": "load_mtfl test/labels.csv test/images",
    "protocol": "NME and failure rate in percent of the size 'inter_pupil' | accuracy in percent of gender, "
    "smile, glasses, pose, of people whose label is known",
    "best": "NME/inter_pupil",
}
# M: trained on its train and val images, validated and tested on its test images.
CROWDPOSE = {
    "skeleton": "crowdpose14",
    "data_root": "data/crowdpose",
    "train": "load_coco annotations/mmpose_crowdpose_trainval.json images",
    "val": "load_coco annotations/mmpose_crowdpose_test.json images",
    "test": "load_coco annotations/mmpose_crowdpose_test.json images "
    "detections=annotations/det_for_crowd_test_0.1_0.5.json",
    "protocol": "OKS AP/AR as crowdposetools, area 0.53 x box; easy: crowd index below 0.2, medium: below "
    f"0.8; {_OKS}",
    "best": "AP",
}

# --- crops and augmentation ------------------------------------------------------------------------------


def augmentation(rotation: float, scale: tuple[float, float], **others: Any) -> dict[str, Any]:
    """Uniform, without half bodies and half the crops mirrored, unless stated otherwise."""
    return {
        "flip_prob": 0.5,
        "rotation": rotation,
        "rotation_prob": 1.0,
        "scale": scale,
        "sampling": "uniform",
        "half_body_prob": 0.0,
        "half_body_min_keypoints": 8,
        "shift": 0.0,
        "truncate_prob": 0.0,
        "truncate_min_keypoints": 4,
    } | others


_NORMAL = {"rotation_prob": 0.6, "sampling": "clipped_normal"}
# H, S: the crop keeps the input's aspect and anchors at W/2; 25 % around the box.
_RELEASES = {"prediction": {"flip_test": True, "test_scales": (1.0,)}}
COCO_256 = {"input": (256, 192), "crop": (0.75, 1.25, "hrnet")} | _RELEASES
COCO_384 = {"input": (384, 288), "crop": (0.75, 1.25, "hrnet")} | _RELEASES
MPII_256 = {"input": (256, 256), "crop": (1.0, 1.25, "hrnet")} | _RELEASES
# X: height : width = 4 : 3, stretched to a square; the maps of image and mirror image averaged.
STRETCHED = {"input": (256, 256), "crop": (0.75, 1.25, "hrnet")} | _RELEASES
HRNET_COCO = augmentation(45, (0.65, 1.35), half_body_prob=0.3, **_NORMAL)  # H
HRNET_MPII = augmentation(30, (0.75, 1.25), **_NORMAL)  # H, S, P
SIMPLE_COCO = augmentation(40, (0.7, 1.3), **_NORMAL)  # S
VITPOSE_COCO = augmentation(40, (0.5, 1.5), half_body_prob=0.3, half_body_min_keypoints=8, **_NORMAL)  # V
PAPER = augmentation(30, (0.65, 1.35))  # X
ATHLETES = augmentation(45, (0.7, 1.3))  # O: they hang, dive and lie

# --- networks, targets, losses ---------------------------------------------------------------------------

_MSRA = (
    "MSRACodec(alignment='strided', no_peak='zero', quarter_border='both', radius={radius}, "
    "refine='quarter', rounding='truncate', shift_flip=None, sigma={sigma}, touching='keep')"
)
_UDP = (
    "UDPCodec(blur_kernel=11, max_step=2.0, no_peak='zero', outside='drop', radius=None, rescale='max', "
    "rounding='truncate', sigma={sigma}, touching='keep')"
)
IMAGENET = ((123.675, 116.28, 103.53), (58.395, 57.12, 57.375), "rgb")
_HEAD = {"kernel_size": 1, "keypoint_weights": None}
_PLAIN = {"colours": IMAGENET, "head": _HEAD, "start": None, "frozen": ()}
MSE = "MSELoss(reduction='mean')"
JOINTS = "JointsMSELoss(use_weight=True)"  # H, S, P: half of the squared error


def focal(delta: float) -> str:
    return f"FocalMSELoss(delta={delta}, gamma=1, normalise=False, reduction='mean')"


FOCAL = focal(1e-3)  # X


def hrnet(variant: str, sigma: float) -> dict[str, Any]:
    """H: from ImageNet, a window of three sigma."""
    start = {"w32": "hrnet_w32-36af842e.pth 36af842e", "w48": "hrnet_w48-8ef0771d.pth 8ef0771d"}[variant]
    return _PLAIN | {
        "backbone": f"HRNet(variant='{variant}')",
        "start": f"data/weights/{start}",
        "codec": _MSRA.format(sigma=sigma, radius=None),
        "loss": JOINTS,
    }


def simple(depth: int) -> dict[str, Any]:
    """S: from ImageNet, a window of three sigma, photos as blue, green, red."""
    digits = {50: "19c8e357", 101: "5d3b4d8f", 152: "b121ed2d"}[depth]
    return _PLAIN | {
        "backbone": f"SimpleBaseline(deconv_width=256, depth={depth}, width=64)",
        "start": f"data/weights/resnet{depth}-{digits}.pth {digits}",
        "codec": _MSRA.format(sigma=2, radius=None),
        "loss": JOINTS,
        "colours": (*IMAGENET[:2], "bgr"),
    }


def vitpose(backbone: dict[str, Any], decay: float) -> dict[str, Any]:
    """V: UDP, the mean over everything, AdamW with rates that fall from layer to layer."""
    stated = {"decoder": "classic", "expert": 0, "input_size_hw": (256, 192), "options": None, **backbone}
    simple = stated["decoder"] == "simple"
    return _PLAIN | {
        "backbone": f"ViTPose({', '.join(f'{k}={v!r}' for k, v in sorted(stated.items()))})",
        "head": _HEAD | {"kernel_size": 3 if simple else 1},
        "codec": _UDP.format(sigma=2),
        "loss": MSE,
        "optimiser": "AdamW(lr=0.0005, betas=(0.9, 0.999), weight_decay=0.1) "
        f"LayerDecay{{'layer_decay': {decay}}} {{'max_norm': 1}}",
    }


def hourglass(stacks: int, **others: Any) -> str:
    sizes = {"blocks": 1, "depth": 4, "features": 256} | others
    return f"Hourglass({', '.join(f'{k}={v}' for k, v in sizes.items())}, stacks={stacks})"


# P: sigma 1, MPII's mean colour, nothing divided by but 255.
def pytorch_pose(stacks: int) -> dict[str, Any]:
    return _PLAIN | {
        "backbone": hourglass(stacks),
        "codec": _MSRA.format(sigma=1, radius=None),
        "loss": JOINTS,
        "colours": ((112.302, 113.22, 110.3385), (255.0, 255.0, 255.0), "rgb"),
    }


# X: a 13 x 13 window; sigma 2, or 6 to the letter.
_PAPER_TARGETS = _PLAIN | {"codec": _MSRA.format(sigma=2, radius=6)}
PAPER_HOURGLASS = _PAPER_TARGETS | {"backbone": hourglass(8)}
PAPER_HRNET = _PAPER_TARGETS | {"backbone": "HRNet(variant='w32')"}

# --- schedules -------------------------------------------------------------------------------------------

# H: 4 GPUs with 32 people each.
HRNET_SCHEDULE = {
    "optimiser": "Adam(lr=0.001)",
    "rates": [(1e-3, 170), (1e-4, 30), (1e-5, 10)],
    "epochs": (210, 1),
    "batch": (32, 128),
}
# S: 4 GPUs with 32 people each.
SIMPLE_SCHEDULE = HRNET_SCHEDULE | {"rates": [(1e-3, 90), (1e-4, 30), (1e-5, 20)], "epochs": (140, 1)}
# V: 500 steps of warm-up.
VITPOSE_SCHEDULE = {
    "rates": [
        "LinearLR(start_factor=0.001, begin=0, end=500, by_epoch=False)",
        "MultiStepLR(milestones=[170, 200], gamma=0.1, by_epoch=True)",
    ],
    "epochs": (210, 10),
    "batch": (64, 512),
}
# X: 1e-6 for 10 epochs, 1e-3, from 100 1e-5, from 150 1e-6.
PAPER_SCHEDULE = {
    "optimiser": "Adam(lr=0.001)",
    "rates": [(1e-6, 10), (1e-3, 90), (1e-5, 50), (1e-6, 50)],
    "epochs": (200, 1),
    "batch": (16, 16),
}
# P
PYTORCH_POSE_SCHEDULE = {
    "optimiser": "RMSprop(lr=0.00025)",
    "rates": [(2.5e-4, 60), (2.5e-5, 30), (2.5e-6, 10)],
    "epochs": (100, 1),
    "batch": (6, 6),
}


def short(epochs: int, milestones: list[int]) -> dict[str, Any]:
    """O: an epoch of warm-up, divided by ten twice."""
    warm_up = "LinearLR(start_factor=0.01, begin=0, end=1, by_epoch=True, convert_to_iter_based=True)"
    steps = f"MultiStepLR(milestones={milestones}, gamma=0.1, by_epoch=True)"
    return {
        "optimiser": "Adam(lr=0.001)",
        "rates": [warm_up, steps],
        "epochs": (epochs, 1),
        "batch": (32, 32),
    }


def one_cycle(epochs: int, batch: int, rate: float = 2e-3) -> dict[str, Any]:
    """O: AdamW, up and down once within its epochs."""
    cycle = f"eta_max={rate}, by_epoch=True, convert_to_iter_based=True"
    return {
        "optimiser": "AdamW(lr=0.002, weight_decay=0.0001)",
        "rates": [f"OneCycleLR({cycle})"],
        "epochs": (epochs, 1),
        "batch": (batch, batch),
    }
