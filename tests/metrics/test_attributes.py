"""Accuracy and confusion of attributes, counted by hand, and the evaluator that asks for them."""

from __future__ import annotations

from types import SimpleNamespace

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posekit.errors import ConfigError, DataError
from posekit.metrics.attributes import accuracy, attribute_scores, confusion
from posekit.metrics.evaluators import AttributeMetric
from posekit.skeletons import MTFL5
from posekit.structures import Pose

POSE = np.array([1, 3, 3, 5, -1])
GLASSES = np.array([1, 2, 2, 2, 2])


def test_rows_are_true_and_columns_predicted_labels():
    matrix = confusion(POSE, np.array([3, 3, 3, 1, 1]), np.array([1, 3, 5]))
    assert matrix.tolist() == [[0, 1, 0], [0, 2, 0], [1, 0, 0]]
    assert accuracy(matrix) == 2 / 4
    assert np.isnan(accuracy(np.zeros((2, 2))))


def test_labels_that_are_not_listed_are_refused():
    with pytest.raises(ValueError, match=r"among \[1, 3\], found"):
        confusion(POSE, POSE, np.array([1, 3]))
    with pytest.raises(ValueError, match="one shape"):
        confusion(POSE, POSE[:2], np.array([1, 3, 5]))


@settings(max_examples=50, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(st.lists(st.tuples(st.integers(-1, 3).filter(bool), st.integers(1, 3)), max_size=30))
def test_the_matrix_counts_everybody_known_once(pairs):
    truth, predicted = np.array(pairs, int).reshape(-1, 2).T
    matrix = confusion(truth, predicted, np.array([1, 2, 3]))
    known = truth != -1
    assert matrix.sum() == known.sum()
    assert np.trace(matrix) == ((truth == predicted) & known).sum()
    assert (matrix.sum(axis=1) == [(truth == label).sum() for label in (1, 2, 3)]).all()


def test_scores_are_percent_and_people():
    labels = np.array([1, 2])
    scores = attribute_scores(
        {"a": (labels, np.array([[3, 1], [0, 0]])), "b": (labels, np.eye(2, dtype=int))}
    )
    assert scores["accuracy/a"] == 75
    assert scores["accuracy/mean"] == 87.5
    assert scores["confusion/a/1/2"] == 1
    assert "accuracy/mean" not in attribute_scores({"a": (labels, np.eye(2, dtype=int))})


def metric_of(extra=None, **settings):
    table = SimpleNamespace(
        extra={"pose": POSE, "glasses": GLASSES, "share": np.array([0.5] * 5), "none": np.full(5, -1)},
        person_ids=np.array([11, 12, 13, 14, 15]),
    )
    metric = AttributeMetric(**{"attributes": ["pose", "glasses"], **settings})
    metric.dataset_meta = {
        "table": table,
        "skeleton": MTFL5,
        "box_source": "ground truth",
        "ann_file": "a.csv",
    }
    return metric


def poses(people=(15, 14, 13, 12, 11), **changes):
    guess = {11: (1, 1), 12: (3, 1), 13: (3, 2), 14: (4, 2), 15: (2, 2)}
    return [
        Pose(
            np.zeros((5, 2), np.float32), np.ones(5, np.float32), np.zeros(4, np.float32), person_id=person,
            extra={**{"pose": np.int64(guess[person][0]), "glasses": np.int64(guess[person][1])}, **changes},
        )
        for person in people
    ]  # fmt: skip


def test_predictions_find_their_people_and_unknown_labels_are_left_out():
    metric = metric_of(matrix=True)
    metric.process(None, poses())
    scores = metric.evaluate(5)
    assert scores["accuracy/pose"] == 75  # of 4 known
    assert scores["accuracy/glasses"] == 80
    assert scores["accuracy/mean"] == 77.5
    assert scores["confusion/pose/5/4"] == 1
    assert scores["confusion/glasses/2/1"] == 1
    names = metric.score_names()
    assert names["accuracy/pose"] == "greater"
    assert names["confusion/pose/1/1"] is None


def test_somebody_without_a_prediction_is_an_error():
    metric = metric_of()
    metric.process(None, poses(people=(11, 12, 13, 15)))
    with (
        pytest.raises(
            DataError, match=r"1 people of a.csv with a label have no prediction, the first has id 14"
        ),
        pytest.warns(UserWarning, match="4 of the 5"),
    ):
        metric.evaluate(5)
    metric = metric_of(attributes=["pose"])
    metric.process(None, poses(people=(11, 12, 13, 14)))  # whose pose is known
    with pytest.warns(UserWarning, match="4 of the 5"):
        assert metric.evaluate(5) == {"accuracy/pose": 75}


def test_predictions_of_another_kind_are_told():
    metric = metric_of()
    metric.process(None, [SimpleNamespace(**{**vars(p), "extra": {}}) for p in poses()])
    with pytest.raises(DataError, match=r"the predictions have no 'pose', found \[\]; expected a network"):
        metric.evaluate(5)
    metric = metric_of()
    metric.process(None, poses(pose=np.array([0.5, 0.5])))
    with pytest.raises(DataError, match="a whole number of each person, found float64 of shape"):
        metric.evaluate(5)


@pytest.mark.parametrize(
    ("attributes", "message"),
    [
        ("pose", "must be a list of columns"),
        ([], "must be a list of columns"),
        (["hat"], "names 'hat'; expected a column of whole numbers of a.csv, found .*'glasses'"),
        (["share"], "names 'share'; expected a column of whole numbers"),
        (["none"], "nobody in a.csv has a label of 'none'"),
    ],
)
def test_columns_that_cannot_be_scored(attributes, message):
    with pytest.raises(ConfigError, match=message):
        metric_of(attributes=attributes)
