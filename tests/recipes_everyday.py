"""The recipes of everyday photos: a row for each config of ``configs/everyday``; see ``recipes.py``."""

from __future__ import annotations

from typing import Any

from recipe_words import _UDP, MSE, focal, one_cycle
from recipes_athletes import _SCRATCH

RECIPES: dict[str, dict[str, Any]] = {}

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
RECIPES["everyday/lite0_coco17_256x192.py"] = RECIPES["everyday/lite0_coco17_160x128.py"] | {
    "train": everyday(256, 192, nobody=_EMPTY),
    "input": (256, 192),
    "crop": (0.75, 1.1, "udp"),
    "codec": _UDP.format(sigma=2).replace("outside='drop'", "outside='keep'"),
    "rates": ["OneCycleLR(eta_max=0.0008, by_epoch=True, convert_to_iter_based=True, pct_start=0.05)"],
    "epochs": (10, 1),
}
_SHARP, _BLURRED = "blur_prob=0.1, blur_sigma=(0.3, 1.2)", "blur_prob=0.35, blur_sigma=(0.3, 3)"
RECIPES["everyday/lite0_coco17_256x192_longer.py"] = RECIPES["everyday/lite0_coco17_256x192.py"] | {
    "train": {
        name: row | {"pixels": row["pixels"].replace(_SHARP, _BLURRED)}
        for name, row in RECIPES["everyday/lite0_coco17_256x192.py"]["train"].items()
    },
    "loss": MSE,
    "epochs": (14, 1),
}
_LONGER = RECIPES["everyday/lite0_coco17_256x192_longer.py"]
_MORE_OFTEN = {"coco": 900, "tiny_coco": 600}
RECIPES["everyday/lite0_coco17_256x192_crowds.py"] = _LONGER | {
    "train": {
        name: row
        | {"ratio": _MORE_OFTEN.get(name, row["ratio"])}
        | (
            {}
            if "nobody" in name
            else {"pixels": f"[PasteCutouts(folder='cutouts', prob=0.4, data_root='data'), {row['pixels']}]"}
        )
        for name, row in _LONGER["train"].items()
    },
    "epochs": (6, 1),
}
_SHARED = ["conv_stem.", "bn1.", *(f"blocks.{stage}." for stage in range(5))]
_PYRAMID = [f"decoder.{layers}.{level}." for layers in ("lateral", "smooth") for level in range(3)]
_LARGE = RECIPES["everyday/lite0_coco17_160x128.py"]
RECIPES["everyday/lite0_small_coco17_160x128.py"] = _LARGE | {
    "backbone": _LARGE["backbone"].replace("options=None", "options={'out_indices': (1, 2, 3)}"),
    "start": " ".join(
        [
            "posekit/weights/lite0_coco17_160x128.safetensors strict",
            *(f"backbone.{name}" for name in _SHARED),
            *_PYRAMID,
        ]
    ),
    "rates": ["OneCycleLR(eta_max=0.002, by_epoch=True, convert_to_iter_based=True, pct_start=0.1)"],
    "epochs": (20, 1),
}
