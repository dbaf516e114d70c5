"""The model zoo as data: one row per published weight file, with what it is expected to score.

A row says everything that is needed to build its network without a config file, and what its config
(``configs/...``) must change to score it as published: codec, colours, flip test and crop convention.

Where the figures come from, besides the files' own pages: the scores of the HRNet and SimpleBaseline releases
from their READMEs; the hourglass' from pytorch-pose's README; MMPose's from its model tables
(``configs/body_2d_keypoint/topdown_heatmap``), whose file names carry the first eight digits of the SHA-256.
ViTPose's from the README of its release (https://github.com/ViTAE-Transformer/ViTPose); which of its files is
which repository on Hugging Face's hub, from the program that converted them, transformers'
``convert_vitpose_to_hf.py``. Where a publisher states no checksum there is none here (the hub states one for
every commit); where it states no score there is none either.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from posekit.io.downloads import WeightFile
from posekit.io.hub import HubPlace
from posekit.models.zoo.row import ZooRow

# Grey levels of 0..255: pytorch-pose subtracts MPII's mean colour and divides by nothing but 255.
_MPII_MEAN = (112.302, 113.22, 110.3385)
_UNSCALED_STD = (255.0, 255.0, 255.0)

_DETECTIONS = "COCO_val2017_detections_AP_H_56_person.json"
_GROUND_TRUTH = "ground truth"


def _columns(table: str) -> Iterator[list[str]]:
    """The words of every line that is not a comment."""
    for line in table.splitlines():
        if line and not line.startswith("#"):
            yield line.split()


def _size_hw(text: str) -> tuple[int, int]:
    height, width = text.split("x")
    return int(height), int(width)


def _scores(data: str, values: Sequence[str]) -> dict[str, float]:
    """Scores in the order in which the releases print them; ``-`` where they print none."""
    names = _COCO_SCORES if data == "coco" else _MPII_SCORES
    return {name: float(value) for name, value in zip(names, values, strict=True) if value != "-"}


_COCO_SCORES = ("AP", "AP50", "AP75", "APM", "APL", "AR")
# What the releases print as Mean@0.1 is taken at 0.11.
_MPII_SCORES = ("PCKh@0.5/mean_weighted", "PCKh@0.11/mean_weighted")
_SKELETONS = {"coco": "coco17", "mpii": "mpii16"}
_BOXES = {"coco": _DETECTIONS, "mpii": _GROUND_TRUTH}

# --- the HRNet release -------------------------------------------------------------------------------------

_HRNET_PAGE = (
    "https://drive.google.com/drive/folders/1hOTihvbyIxsm5ygDpbUuJ7O_tzv4oXjC, folder pose_{data}; "
    "linked from https://github.com/leoxiaobin/deep-high-resolution-net.pytorch"
)
_HRNET = """
# variant, data, input (height x width), parameters, multiply-adds, scores
w32 coco 256x192  28536113   7645003776  .744 .905 .819 .708 .810 .798
w32 coco 384x288  28536113  17201258496  .758 .906 .825 .720 .827 .809
w48 coco 256x192  63595745  15691825152  .751 .906 .822 .715 .818 .804
w48 coco 384x288  63595745  35306606592  .763 .908 .829 .723 .834 .812
w32 mpii 256x256  28536080  10193207296  90.3 37.7
w48 mpii 256x256  63595696  20922236928  - -
"""


def _hrnet_rows() -> Iterator[ZooRow]:
    for variant, data, size, parameters, macs, *scores in _columns(_HRNET):
        name = f"hrnet_{variant}_{data}_{size}"
        expected = _scores(data, scores)
        yield ZooRow(
            name=name,
            config=f"configs/hrnet/{name}.py",
            backbone={"type": "HRNet", "variant": variant},
            skeleton=_SKELETONS[data],
            input_size_hw=_size_hw(size),
            codec={"type": "MSRACodec", "sigma": 3 if size == "384x288" else 2},
            weights=WeightFile(f"pose_hrnet_{variant}_{size}.pth", _HRNET_PAGE.format(data=data)),
            expected=expected,
            expected_source="README of the HRNet release" if expected else "",
            box_source=_BOXES[data],
            parameters=int(parameters),
            macs=int(macs),
        )


# --- the SimpleBaseline release ----------------------------------------------------------------------------

_SIMPLE_PAGE = (
    "https://drive.google.com/drive/folders/13_wJ6nC7my1KKouMkQMqyr9r1ZnLnukP, folder pose_{data}; "
    "linked from https://github.com/microsoft/human-pose-estimation.pytorch"
)
_SIMPLE = """
# ResNet, data, input (height x width), parameters, multiply-adds, scores
50  coco 256x192  33999697   9654239232  .704 .886 .783 .671 .772 .763
101 coco 256x192  52991825  13290700800  .714 .893 .793 .681 .781 .771
152 coco 256x192  68635473  16927162368  .720 .893 .798 .687 .789 .778
50  mpii 256x256  33999440  12871270400  88.532 33.911
101 mpii 256x256  52991568  17719885824  89.131 34.020
152 mpii 256x256  68635216  22568501248  89.620 35.025
"""


def _simple_rows() -> Iterator[ZooRow]:
    for depth, data, size, parameters, macs, *scores in _columns(_SIMPLE):
        name = f"simplebaseline_r{depth}_{data}_{size}"
        yield ZooRow(
            name=name,
            config=f"configs/simple_baseline/{name}.py",
            backbone={"type": "SimpleBaseline", "depth": int(depth)},
            skeleton=_SKELETONS[data],
            input_size_hw=_size_hw(size),
            codec={"type": "MSRACodec", "sigma": 2},
            weights=WeightFile(f"pose_resnet_{depth}_{size}.pth.tar", _SIMPLE_PAGE.format(data=data)),
            expected=_scores(data, scores),
            expected_source="README of the SimpleBaseline release",
            box_source=_BOXES[data],
            parameters=int(parameters),
            macs=int(macs),
            channel_order="bgr",
            note="The release feeds blue, green, red, less ImageNet's means in the order red, green, blue.",
        )


# --- pytorch-pose ------------------------------------------------------------------------------------------

_HOURGLASS_PAGE = "https://github.com/anibali/pytorch-stacked-hourglass"
_HOURGLASS = """
# stacks, first digits of the SHA-256, parameters, multiply-adds, plain mean of PCKh@0.5
1 ce125879   3586960   5804654592  -
2 15e342d9   6730912   8988917760  86.76
8 90e5d470  25594624  28094496768  88.64
"""
_HOURGLASS_NOTE = (
    "The score is the release's own, after its last epoch; its decoding is half a cell off. The page of the "
    "file states 87.33 for two stacks."
)


def _hourglass_rows() -> Iterator[ZooRow]:
    for stacks, checksum, parameters, macs, score in _columns(_HOURGLASS):
        name = f"hourglass_s{stacks}_mpii_256x256"
        file = f"bearpaw_hg{stacks}-{checksum}.pth"
        url = f"{_HOURGLASS_PAGE}/releases/download/v0.0.0/{file}"
        yield ZooRow(
            name=name,
            config=f"configs/hourglass/{name}.py",
            backbone={"type": "Hourglass", "stacks": int(stacks)},
            skeleton=_SKELETONS["mpii"],
            input_size_hw=(256, 256),
            codec={"type": "MSRACodec", "sigma": 1},
            weights=WeightFile(file, _HOURGLASS_PAGE, url, checksum),
            expected={} if score == "-" else {"PCKh@0.5/mean_plain": float(score)},
            expected_source="" if score == "-" else "README of pytorch-pose",
            box_source=_BOXES["mpii"],
            parameters=int(parameters),
            macs=int(macs),
            mean=_MPII_MEAN,
            std=_UNSCALED_STD,
            flip_test=False,
            note="" if score == "-" else _HOURGLASS_NOTE,
        )


# --- MMPose ------------------------------------------------------------------------------------------------

_MMPOSE_PAGE = "https://github.com/open-mmlab/mmpose, configs/body_2d_keypoint/topdown_heatmap"
_MMPOSE_HOST = "https://download.openmmlab.com/mmpose"
_MMPOSE_FOLDERS = {
    "td-hm": "v1/body_2d_keypoint/topdown_heatmap/coco",
    "hrnet": "top_down/hrnet",
    "res50": "top_down/resnet",
    "res101": "top_down/resnet",
    "res152": "top_down/resnet",
}
_MMPOSE = """
# row above, codec, file (with the first digits of its SHA-256 before the date), AP and AR or PCKh@0.5
hrnet_w32_coco_256x192 msra td-hm_hrnet-w32_8xb64-210e_coco-256x192-81c58e40_20220909.pth .749 .804
hrnet_w32_coco_384x288 msra td-hm_hrnet-w32_8xb64-210e_coco-384x288-ca5956af_20220909.pth .761 .811
hrnet_w48_coco_256x192 msra td-hm_hrnet-w48_8xb32-210e_coco-256x192-0e67c616_20220913.pth .756 .809
hrnet_w48_coco_384x288 msra td-hm_hrnet-w48_8xb32-210e_coco-384x288-c161b7de_20220915.pth .767 .817
hrnet_w32_coco_256x192 dark td-hm_hrnet-w32_dark-8xb64-210e_coco-256x192-0e00bf12_20220914.pth .757 .807
hrnet_w32_coco_384x288 dark td-hm_hrnet-w32_dark-8xb64-210e_coco-384x288-9bab4c9b_20220917.pth .766 .815
hrnet_w48_coco_256x192 dark td-hm_hrnet-w48_dark-8xb32-210e_coco-256x192-e1ebdd6f_20220913.pth .764 .814
hrnet_w48_coco_384x288 dark td-hm_hrnet-w48_dark-8xb32-210e_coco-384x288-39c3c381_20220916.pth .772 .821
hrnet_w32_coco_256x192 udp td-hm_hrnet-w32_udp-8xb64-210e_coco-256x192-73ede547_20220914.pth .762 .810
hrnet_w32_coco_384x288 udp td-hm_hrnet-w32_udp-8xb64-210e_coco-384x288-9a3f7c85_20220914.pth .768 .815
hrnet_w48_coco_256x192 udp td-hm_hrnet-w48_udp-8xb32-210e_coco-256x192-3feaef8f_20220913.pth .768 .817
hrnet_w48_coco_384x288 udp td-hm_hrnet-w48_udp-8xb32-210e_coco-384x288-70d7ab01_20220913.pth .773 .821
hrnet_w32_mpii_256x256 msra hrnet_w32_mpii_256x256-6c4f923f_20200812.pth 90.0
hrnet_w48_mpii_256x256 msra hrnet_w48_mpii_256x256-92cab7bd_20200812.pth 90.1
simplebaseline_r50_coco_256x192 msra td-hm_res50_8xb64-210e_coco-256x192-04af38ce_20220923.pth .718 .774
simplebaseline_r101_coco_256x192 msra td-hm_res101_8xb64-210e_coco-256x192-065d3625_20220926.pth .728 .783
simplebaseline_r152_coco_256x192 msra td-hm_res152_8xb32-210e_coco-256x192-0345f330_20220928.pth .736 .791
simplebaseline_r50_mpii_256x256 msra res50_mpii_256x256-418ffc88_20200812.pth 88.2
simplebaseline_r101_mpii_256x256 msra res101_mpii_256x256-416f5d71_20200812.pth 88.8
simplebaseline_r152_mpii_256x256 msra res152_mpii_256x256-3ecba29d_20200812.pth 88.9
"""
# Its MSRA and DARK are strided; every blur has 11 cells, whatever sigma is.
_MMPOSE_CODECS: dict[str, dict[str, Any]] = {
    "msra": {"type": "MSRACodec", "quarter_border": "each"},
    "dark": {"type": "DarkCodec", "alignment": "strided", "touching": "keep", "blur_kernel": 11},
    "udp": {"type": "UDPCodec", "blur_kernel": 11},
}


def _mmpose_rows(released: Mapping[str, ZooRow]) -> Iterator[ZooRow]:
    for base, codec, file, *scores in _columns(_MMPOSE):
        row = released[base]
        names = ("AP", "AR") if "coco" in base else ("PCKh@0.5/mean_weighted",)
        url = f"{_MMPOSE_HOST}/{_MMPOSE_FOLDERS[file.partition('_')[0]]}/{file}"
        checksum = file.rpartition("-")[2].partition("_")[0]
        yield replace(
            row,
            name=f"{base}_mmpose" if codec == "msra" else f"{base}_{codec}_mmpose",
            codec={**_MMPOSE_CODECS[codec], "sigma": row.codec["sigma"]},
            weights=WeightFile(file, _MMPOSE_PAGE, url, checksum),
            expected={name: float(score) for name, score in zip(names, scores, strict=True)},
            expected_source="model tables of MMPose",
            channel_order="rgb",
            crop="udp" if codec == "udp" else "hrnet",
            note="",
        )


# --- ViTPose -----------------------------------------------------------------------------------------------

_VITPOSE = """
# name, repository of usyd-community, variant, decoder, parameters, multiply-adds, AP and AR
vitpose_b_simple_coco_256x192 vitpose-base-simple b simple 85911569 16781672448 .755 .809
vitpose_b_coco_256x192 vitpose-base b classic 89993745 22071214080 .758 .811
vitpose_b_coco_256x192_aic_mpii vitpose-base-coco-aic-mpii b classic 89993745 22071214080 .771 .822
# The README prints B's AR for S too.
vitpose_s_coco_256x192_plus vitpose-plus-small s classic 24290193 8576040960 .758 -
vitpose_b_coco_256x192_plus vitpose-plus-base b classic 89993745 22071214080 .770 .826
vitpose_l_coco_256x192_plus vitpose-plus-large l classic 308543761 64588873728 .786 .841
vitpose_h_coco_256x192_plus vitpose-plus-huge h classic 637207569 128245825536 .794 .848
"""
_VITPOSE_NOTES = {
    "aic_mpii": "Trained on COCO, AI Challenger and MPII.",
    "plus": "ViTPose++, trained on six data sets of people and animals; of its experts COCO's, the first.",
}


def _vitpose_rows() -> Iterator[ZooRow]:
    for name, repo, variant, decoder, parameters, macs, *scores in _columns(_VITPOSE):
        network, _, suffix = name.partition("_256x192")
        place = HubPlace(f"usyd-community/{repo}")
        yield ZooRow(
            name=name,
            config=f"configs/vitpose/{network}_256x192.py",
            backbone={
                "type": "ViTPose",
                "variant": variant,
                "decoder": decoder,
                "input_size_hw": (256, 192),
            },
            skeleton=_SKELETONS["coco"],
            input_size_hw=(256, 192),
            codec={**_MMPOSE_CODECS["udp"], "sigma": 2},
            weights=WeightFile(f"{repo}.safetensors", place.page, place.url, hub=place),
            expected={
                name: float(score) for name, score in zip(("AP", "AR"), scores, strict=True) if score != "-"
            },
            expected_source="README of ViTPose",
            box_source=_BOXES["coco"],
            parameters=int(parameters),
            macs=int(macs),
            crop="udp",
            head={"kernel_size": 3} if decoder == "simple" else {},
            note=_VITPOSE_NOTES.get(suffix.removeprefix("_"), ""),
        )


def _all_rows() -> dict[str, ZooRow]:
    released = {row.name: row for row in (*_hrnet_rows(), *_simple_rows(), *_hourglass_rows())}
    rows = (*released.values(), *_mmpose_rows(released), *_vitpose_rows())
    return {row.name: row for row in rows}


#: Every row by its name.
ZOO: Mapping[str, ZooRow] = _all_rows()
