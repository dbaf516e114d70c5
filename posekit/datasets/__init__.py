"""Annotation files -> tables of people -> samples."""

from posekit.datasets.balance import BalancedSampler, pose_copies
from posekit.datasets.bottomup import BottomUpDataset
from posekit.datasets.coco import load_coco
from posekit.datasets.faces import (
    load_300w,
    load_aflw,
    load_cofw,
    load_face_csv,
    load_mtfl,
    load_wflw,
)
from posekit.datasets.lsp import load_lsp
from posekit.datasets.mixture import KeyedDataset
from posekit.datasets.mpii import load_mpii
from posekit.datasets.pose_groups import with_pose_groups
from posekit.datasets.sampler import EpochSampler, SampleKey
from posekit.datasets.several import JoinedDataset, MixedDataset
from posekit.datasets.split import hashed_split
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import TopDownDataset
from posekit.io.images import read_image
from posekit.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16, SKELETONS, get_skeleton

__all__ = [
    "COCO17",
    "CROWDPOSE14",
    "LSP14",
    "MPII16",
    "SKELETONS",
    "BalancedSampler",
    "BottomUpDataset",
    "EpochSampler",
    "JoinedDataset",
    "KeyedDataset",
    "MixedDataset",
    "PersonTable",
    "SampleKey",
    "TopDownDataset",
    "get_skeleton",
    "hashed_split",
    "load_300w",
    "load_aflw",
    "load_coco",
    "load_cofw",
    "load_face_csv",
    "load_lsp",
    "load_mpii",
    "load_mtfl",
    "load_wflw",
    "pose_copies",
    "read_image",
    "with_pose_groups",
]
