"""Nothing is kept of a picture: neither in memory nor on the disk."""

from __future__ import annotations

import gc
import weakref

import numpy as np
from toy_predictor import ANN, BOB, BOX_ANN, BOX_BOB, SKELETON, picture, predictor

from posekit.inference.appearance import Appearance
from posekit.inference.tracking import OKSTracker


def test_a_predictor_keeps_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predict = predictor()
    image = picture(96, 160, ANN, BOB)
    alive = weakref.ref(image)
    people = predict(image, [BOX_ANN, BOX_BOB])
    assert len(people) == 2
    del image
    gc.collect()
    assert alive() is None
    assert all(value.size < 100 for pose in people for value in (pose.keypoints, *pose.extra.values()))
    assert list(tmp_path.iterdir()) == []


def test_a_tracker_keeps_one_vector_of_a_person_and_no_picture(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    predict = predictor()
    looks = Appearance(lambda image, poses: image.reshape(-1)[: 2 * len(poses)].reshape(-1, 2) + np.eye(2))
    track = OKSTracker(SKELETON, appearance=looks)
    image = picture(96, 160, ANN, BOB)
    alive = weakref.ref(image)
    track(predict(image, [BOX_ANN, BOX_BOB]), 0.0, image)
    del image
    gc.collect()
    assert alive() is None
    assert [mean.shape for mean in track._looks.values()] == [(2,), (2,)]
    track([], 100.0)
    track([], 200.0)
    assert not track._looks
    assert list(tmp_path.iterdir()) == []
