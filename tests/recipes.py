"""What every recipe states, as tables to read beside the papers and the releases; a config is in one of them.

Parts are given with the defaults of their classes filled in, so that a default that changes is seen here.
Sources, by their letter:

H   the HRNet release: ``experiments/{coco,mpii}/hrnet/*.yaml``, ``lib/dataset/JointsDataset.py`` S   the
SimpleBaseline release: ``experiments/{coco,mpii}/resnet*/*.yaml`` P   pytorch-pose: its README and the
defaults of ``example/main.py`` X   Xu & Feng 2020, section 3; where the paper says nothing, the choice of
posekit (batch 16, HRNet's targets) M   MMPose: ``td-hm_hrnet-w32_8xb64-210e_crowdpose-256x192.py`` T   Zhang
et al. (TCDCN), ECCV 2014, and a port of it: network, losses and weights, rate, weight decay; the rest is O W
Feng et al. (wing loss), CVPR 2018: network, loss, rotation, mirror image, box shift; the rest is O O
posekit's own: sized for a CPU, for a data set of a few thousand people, or an example to copy
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


# --- recipes ---------------------------------------------------------------------------------------------

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
