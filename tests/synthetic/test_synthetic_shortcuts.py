"""The synthetic people cannot be told by shortcuts."""

from __future__ import annotations

import cv2
import numpy as np
import pytest
from scipy.io import loadmat
from synthetic_cases import crop_geometry, load, make_data

CROP = 64


PCKH_JOINTS = [k for k in range(16) if k not in (6, 7)]  # MPII scores all but pelvis and thorax


@pytest.fixture(scope="module")
def data(tmp_path_factory):
    return make_data(tmp_path_factory)


def crops(data, split, name):
    """RGB crops (N, 64, 64, 3), joints (N, 16, 2) in them, labelled (N, 16), crop sides (N,)."""
    images, joints, labelled, sides = [], [], [], []
    for person in load(data / "annotations" / name):
        image = cv2.imread(str(data / "images" / split / person["image"]))[..., ::-1]
        corner, side = crop_geometry(person)
        zoom = CROP / side
        warp = np.array([[zoom, 0, -zoom * corner[0]], [0, zoom, -zoom * corner[1]]])
        images.append(cv2.warpAffine(cv2.GaussianBlur(image, (0, 0), 0.4 / zoom), warp, (CROP, CROP)))
        joints.append((np.array(person["joints"]) - 1 - corner) * zoom)
        labelled.append(np.array(person["joints_vis"]) > 0)
        sides.append(side)
    return np.stack(images), np.stack(joints), np.stack(labelled), np.array(sides)


@pytest.fixture(scope="module")
def cropped(data):
    train, val = crops(data, "train", "mpii_train.json"), crops(data, "val", "mpii_valid.json")
    boxes = loadmat(data / "annotations/gt_valid.mat")["headboxes_src"]
    heads = 0.6 * np.linalg.norm(boxes[1] - boxes[0], axis=0) * CROP / val[3]
    return train, val, heads


def pckh(predicted, val, heads):
    """PCKh@0.5 in percent over all labelled joints of the crops."""
    error = np.linalg.norm(predicted - val[1], axis=-1) / heads[:, None]
    return 100 * (error[:, PCKH_JOINTS] <= 0.5)[val[2][:, PCKH_JOINTS]].mean()


def mean_pose(train):
    return np.array([train[1][train[2][:, k], k].mean(axis=0) for k in range(16)])


def test_the_measure_gives_the_truth_100(cropped):
    _, val, heads = cropped
    assert pckh(val[1], val, heads) == 100


def test_mean_and_median_pose_stay_below_30(cropped):
    train, val, heads = cropped
    median = np.array([np.median(train[1][train[2][:, k], k], axis=0) for k in range(16)])
    assert pckh(mean_pose(train)[None], val, heads) < 30
    assert pckh(median[None], val, heads) < 30


@pytest.mark.parametrize("side", [8, 16, 32])
@pytest.mark.parametrize("normalised", [False, True])
def test_nearest_neighbour_in_pixels_stays_below_30(cropped, side, normalised):
    train, val, heads = cropped
    pixels = []
    for images in (train[0], val[0]):
        small = np.stack([cv2.resize(i, (side, side), interpolation=cv2.INTER_AREA) for i in images])
        flat = small.reshape(len(images), -1).astype(np.float64)
        pixels.append(
            (flat - flat.mean(1, keepdims=True)) / flat.std(1, keepdims=True) if normalised else flat
        )
    distance = (pixels[0] ** 2).sum(axis=1)[None] - 2 * pixels[1] @ pixels[0].T
    nearest = distance.argmin(axis=1)
    copied = np.where(train[2][nearest][..., None], train[1][nearest], mean_pose(train))
    assert pckh(copied, val, heads) < 30


@pytest.mark.parametrize("with_prior", [False, True])
def test_colour_lookup_stays_below_30(cropped, with_prior):
    """Per joint, the likelihood of each of 512 colours, smoothed, with and without where it usually is."""
    train, val, heads = cropped
    bins = [(images // 32).astype(int) @ [64, 8, 1] for images in (train[0], val[0])]
    everywhere = np.bincount(bins[0].ravel(), minlength=512) + 1.0
    y, x = np.mgrid[:CROP, :CROP]
    predicted = np.zeros_like(val[1])
    for k, centre in enumerate(mean_pose(train)):
        rows = np.flatnonzero(train[2][:, k])
        places = np.clip(np.rint(train[1][rows, k]).astype(int), 0, CROP - 1)
        here = np.bincount(bins[0][rows, places[:, 1], places[:, 0]], minlength=512) + 0.1
        gain = np.log(here / here.sum() / (everywhere / everywhere.sum()))
        spread = train[1][rows, k].std(axis=0)
        prior = -(((x - centre[0]) / spread[0]) ** 2 + ((y - centre[1]) / spread[1]) ** 2) / 2
        for row, colours in enumerate(bins[1]):
            score = cv2.GaussianBlur(gain[colours].astype(np.float32), (0, 0), 1.5) + with_prior * prior
            predicted[row, k] = np.unravel_index(score.argmax(), score.shape)[::-1]
    assert pckh(predicted, val, heads) < 30
