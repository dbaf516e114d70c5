"""The recipes of LSP-extended, its studies, families and scenes: a row each; see ``recipes.py``."""

from __future__ import annotations

from typing import Any

from recipe_words import (
    _MSRA,
    _PAPER_TARGETS,
    _PLAIN,
    _RELEASES,
    _UDP,
    ATHLETES,
    COCO,
    FOCAL,
    LSP,
    MPII_256,
    MSE,
    SCENES,
    augmentation,
    focal,
    hourglass,
    one_cycle,
    short,
)

RECIPES: dict[str, dict[str, Any]] = {}

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
_FINE = ("conv_stem", "bn1", "blocks.0", "blocks.1")
RECIPES["study/lsp_mobilenetv2_frozen_96x96.py"] = (
    _PRETRAINED | _CONVERGED | {"frozen": tuple(f"backbone.backbone.{part}." for part in _FINE)}
)
RECIPES["study/lsp_mobilenetv2_half_scratch_96x96.py"] = RECIPES["study/lsp_mobilenetv2_scratch_96x96.py"] | {
    "backbone": _SCRATCH["backbone"].replace("mobilenetv2_100", "mobilenetv2_050")
}
_FAMILY = _PRETRAINED | {"input": (96, 96), **one_cycle(4, 32), "epochs": (4, 4)}
_NO_MAPS = {"codec": None, "head": {}}
_POINTS = {
    "backbone": _FAMILY["backbone"].replace("'pyramid'", "'none'").replace("stride=4", "stride=32"),
    "codec": None,
    "head": {"dropout": 0.0, "hidden": (), "pool": 1},
}
_TOMPSON = {"backbone": "Tompson(batch_norm=True, features=24, hidden=[96, 64])", "start": None}
RECIPES |= {
    f"families/lsp_{name}_96x96.py": _FAMILY | others
    for name, others in {
        "mobilenetv2_heatmaps": {},
        "mobilenetv2_focal": {
            "loss": "PenaltyReducedFocalLoss(alpha=2.0, beta=4.0, positives='peak', reduction='positives')"
        },
        "mobilenetv2_l1": _POINTS | {"loss": "L1Loss()"},
        "mobilenetv2_cascade": {
            "backbone": _FAMILY["backbone"].replace("stride=4", "stride=8"),
            "codec": None,
            "loss": "L1Loss()",
            "head": {"pool": 6},
        },
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
            "backbone": "CPM(batch_norm=True, centre=False, features=24, stages=3, trunk=24)",
            "start": None,
        },
        "tompson_small": _TOMPSON,
        "tompson_refined": _TOMPSON
        | {
            "backbone": "TompsonTrunk(banks=2, batch_norm=True, contrast=True, dropout=0.0, features=24, "
            "hidden=[96, 64], kernel=9)",
            "head": {"kernel_size": 1},
        },
        "hourglass_small": {"backbone": "Hourglass(blocks=1, depth=3, features=64, stacks=2)", "start": None},
        "hrnet_tiny": {"backbone": "HRNet(variant='w16-tiny')", "start": None},
        "simplebaseline_small": {
            "backbone": "SimpleBaseline(deconv_width=64, depth=18, width=32)",
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
