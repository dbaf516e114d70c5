"""What NMEMetric writes of each face gives back its scores; its groups by name."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from metrics.test_evaluators import make_table, meta, poses_of, run

from posekit.errors import ConfigError, DataError
from posekit.metrics.errors import read_errors
from posekit.metrics.evaluators import NMEMetric, PCKMetric
from posekit.skeletons import IBUG68
from posekit.study.measures import measure_of
from posekit.study.statistics import observed_scores

GROUPS = {"yaw": ["frontal", "turned"]}


@pytest.fixture
def table():
    made = make_table(IBUG68, count=30)
    visible = made.visible.copy()
    visible[:, :10] = (np.arange(30)[:, None] + np.arange(10)) % 3 > 0
    visible[4, 36] = 0  # no outer corner of an eye, no size
    return replace(made, visible=visible, extra={"yaw": np.arange(30) % 4 - 1})


def noisy(table):
    rng = np.random.default_rng(0)
    return [
        replace(pose, keypoints=(pose.keypoints + rng.normal(0, 5, (68, 2))).astype(np.float32))
        for pose in poses_of(table)
    ]


def test_the_scores_come_back(table, tmp_path):
    path = tmp_path / "errors.npz"
    metric = NMEMetric(groups=GROUPS, errors_file=str(path))
    metric.dataset_meta = meta(table)
    metric.process(None, noisy(table))
    scores = metric.evaluate(30)
    errors = read_errors(path)
    assert (errors.score, errors.statistic) == ("NME/inter_ocular",) * 2
    assert errors.group_names == ("yaw=frontal", "yaw=turned", "yaw=2")
    assert len(errors.person_id) == 29
    assert errors.threshold == 0.08
    measure = measure_of(errors)
    assert (measure.lower, measure.parts) == (True, "groups")
    found = observed_scores(measure.values[None], measure.counted, measure.form)[0]
    assert found[-1] == pytest.approx(scores["NME/inter_ocular"])
    for name, value in zip(measure.names, found, strict=False):
        assert value == pytest.approx(scores[f"NME/inter_ocular/{name}"])
    assert len(found) == 5  # and the headline


def test_names_of_groups_are_names():
    for wrong in ("frontal", [0, 1]):
        with pytest.raises(ConfigError, match="'groups': expected the names of 'yaw', found"):
            NMEMetric(groups={"yaw": wrong})


def test_a_file_of_joints_has_no_groups_and_one_of_distances_both_fields(table, tmp_path):
    path = tmp_path / "errors.npz"
    run(PCKMetric(0.2, "bbox", errors_file=str(path)), meta(table), noisy(table))
    assert not read_errors(path).of_distances
    with np.load(path) as file:
        fields = dict(file)
    assert "groups" not in fields
    np.savez(path, **fields, group_names=np.array(["a"]))
    with pytest.raises(DataError, match="field 'groups' is missing"):
        read_errors(path)
    np.savez(path, **fields, group_names=np.array(["a"]), groups=np.zeros((3, 1), np.int64))
    with pytest.raises(DataError, match=r"field 'groups': expected the shape \(P, G\)"):
        read_errors(path)
