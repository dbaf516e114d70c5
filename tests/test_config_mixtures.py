"""What the mixtures of configs/everyday read, on data sets laid out as theirs."""

from __future__ import annotations

import numpy as np
import pytest
import toy_data_sets
from numpy.testing import assert_allclose
from test_configs import CONFIGS, ROOT

from posekit.engine.configs.config import load_config
from posekit.registry import DATASETS

STAGES = ("train", "val", "test")
FACE = 5  # the first of COCO's keypoints, which LSP-extended does not label


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy_data_sets.write_everyday(tmp_path_factory.mktemp("data"))


@pytest.fixture(scope="module", params=[name for name in CONFIGS if name.startswith("everyday/")])
def sets(request, root):
    cfg = load_config(ROOT / request.param, {"data_root": str(root)})
    return {stage: DATASETS.build(cfg[f"{stage}_dataloader"]["dataset"]) for stage in STAGES}


def test_nobody_is_trained_and_scored(sets):
    mixture = dict(zip(sets["train"].names, sets["train"].parts, strict=True))
    train, val, test = (part.table.person_ids for part in (mixture["athletes"], sets["val"], sets["test"]))
    assert (len(train), len(val), len(test)) == (toy_data_sets.PEOPLE, 500, 500)
    assert len({*train, *val, *test}) == len(train) + len(val) + len(test)
    assert all("val2017" not in part.table.image_dir for part in mixture.values())


def test_each_part_weighs_what_it_knows(sets):
    mixture = dict(zip(sets["train"].names, sets["train"].parts, strict=True))
    assert_allclose(mixture["athletes"]._weights[0], [0.8] * FACE + [1] * 12)
    assert_allclose(mixture["photos"]._weights[0], [1.05, 0.6, *[0.9] * 15])
    assert (mixture["coco"].table.visible > 0).all()
    for name in (name for name in mixture if "nobody" in name):
        part = mixture[name]
        assert part.empty
        assert part.table.box_source == "windows without people"
        assert (part[0].weight == 1).all()


def test_people_are_cut_alike_and_training_alone_is_random(sets):
    crops = {part.crop.input_size_hw for part in (*sets["train"].parts, sets["val"], sets["test"])}
    assert len(crops) == 1
    assert all(part.augment is not None and part.pixels is not None for part in sets["train"].parts)
    for stage in ("val", "test"):
        assert sets[stage].augment is sets[stage].pixels is None
    # Boxes of LSP-extended have a margin already.
    paddings = dict(
        zip(sets["train"].names, (part.crop.padding for part in sets["train"].parts), strict=True)
    )
    assert paddings.pop("athletes") == sets["val"].crop.padding == sets["test"].crop.padding == 1.1
    assert set(paddings.values()) == {1.25}


def test_twelve_joints_are_scored(sets):
    assert np.flatnonzero((sets["val"].table.visible > 0).any(axis=0)).tolist() == list(range(FACE, 17))
