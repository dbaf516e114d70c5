"""What every config reads: whose people train, validate and test it, by which boxes, cut how.

On data sets laid out as they are published (``toy_data_sets``), and so without any of their files.
"""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import pytest
import toy_data_sets
from numpy.testing import assert_allclose
from test_configs import CONFIGS, ROOT

from posekit.datasets.mpii import load_mpii
from posekit.engine.configs.config import load_config
from posekit.registry import DATASETS

STAGES = ("train", "val", "test")


@pytest.fixture(scope="module")
def roots(tmp_path_factory):
    return toy_data_sets.write_all(tmp_path_factory.mktemp("data"))


@lru_cache(maxsize=1)
def load(name, root):
    return load_config(ROOT / name, {"data_root": str(root)})


def root_of(name, roots):
    return roots[Path(load_config(ROOT / name).data_root).name]


@lru_cache(maxsize=1)
def data_sets(name, root):
    """The data sets of a config's stages."""
    cfg = load(name, root)
    return {stage: DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"]) for stage in STAGES}


def height_in_input(dataset):
    """How high a body of ``toy_data_sets`` is in the input of the data set's first sample, pixels."""
    placed = dataset.crop.place(dataset.table.boxes_xyxy[0])
    return toy_data_sets.HEIGHT * dataset.crop.warp(placed)[1, 1]


def reads_mpii(name):
    return load_config(ROOT / name).train_dataloader["dataset"]["source"]["type"] is load_mpii


@pytest.mark.parametrize("name", [name for name in CONFIGS if reads_mpii(name)])
def test_the_body_fills_the_input_but_for_the_padding(name, roots):
    """The releases' crops show a body of 400 px 205 px high in 256; so must a crop of another aspect."""
    for dataset in data_sets(name, root_of(name, roots)).values():
        high = dataset.crop.input_size_hw[0] / dataset.crop.padding
        assert_allclose(height_in_input(dataset), high, rtol=0.02)
