"""posekit.skeletons: names, pairs and sigmas against the data sets' own."""

from __future__ import annotations

import json

import numpy as np
import pytest
import reference
from numpy.testing import assert_allclose, assert_array_equal

from posekit.errors import ConfigError
from posekit.face_skeletons import FACES
from posekit.skeletons import COCO17, CROWDPOSE14, LSP14, MPII16, SKELETONS, get_skeleton


def test_coco():
    assert_array_equal(COCO17.flip_index, [0, 2, 1, 4, 3, 6, 5, 8, 7, 10, 9, 12, 11, 14, 13, 16, 15])
    # pycocotools' Params.kpt_oks_sigmas.
    coco = [26, 25, 25, 35, 35, 79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89]
    assert_allclose(COCO17.sigmas, np.array(coco) / 1000)
    assert_array_equal(np.flatnonzero(COCO17.upper_body_mask), np.arange(11))


def test_mpii():
    # The HRNet release's flip_pairs and upper_body_ids.
    index = np.arange(16)
    for a, b in [(0, 5), (1, 4), (2, 3), (10, 15), (11, 14), (12, 13)]:
        index[[a, b]] = b, a
    assert_array_equal(MPII16.flip_index, index)
    assert_array_equal(np.flatnonzero(MPII16.upper_body_mask), np.arange(7, 16))
    assert MPII16.sigmas[6] == COCO17.sigmas[11]  # pelvis as hip
    assert MPII16.sigmas[0] == COCO17.sigmas[15]


@pytest.mark.parametrize("skeleton", SKELETONS.values(), ids=SKELETONS)
def test_all(skeleton):
    assert_array_equal(skeleton.flip_index[skeleton.flip_index], np.arange(skeleton.num_keypoints))
    assert len(skeleton.sigmas) == skeleton.num_keypoints
    if skeleton in FACES:  # some of their points stand alone, and a face has no half body
        return
    assert set(skeleton.limb_index.reshape(-1)) == set(range(skeleton.num_keypoints))
    assert bool(skeleton.upper_body) == (skeleton.num_keypoints > 0)


def test_crowdpose_sigmas_are_the_tools():
    sigmas = [79, 79, 72, 72, 62, 62, 107, 107, 87, 87, 89, 89, 79, 79]
    assert_allclose(CROWDPOSE14.sigmas, np.array(sigmas) / 1000)


@pytest.mark.parametrize(
    ("file", "skeleton"),
    [
        ("coco/annotations/person_keypoints_val2017.json", COCO17),
        ("lsp_extended/train.json", LSP14),
        ("crowdpose/test_crowdpose.json", CROWDPOSE14),
    ],
)
def test_names_are_the_files(file, skeleton):
    category = json.loads(reference.path(f"data/{file}").read_text("utf-8"))["categories"][0]
    assert tuple(category["keypoints"]) == skeleton.keypoints


def test_get_skeleton():
    assert get_skeleton("mpii16") is MPII16
    assert get_skeleton(LSP14) is LSP14
    assert get_skeleton(COCO17.to_dict()) == COCO17
    with pytest.raises(ConfigError, match=r"unknown name 'mpi'; expected one of .*mpii16"):
        get_skeleton("mpi")
    with pytest.raises(ConfigError, match="found int"):
        get_skeleton(3)
