"""The column that says how far a face is turned."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from metrics.test_evaluators import make_table

from posekit.datasets import TopDownDataset, with_pose_groups
from posekit.datasets.balance import align_shapes, first_component
from posekit.errors import ConfigError
from posekit.skeletons import MTFL5


def turned(degrees):
    """Five points of a head that turns to either side, in any place and size, in plane upright."""
    head = np.array([[-30.0, -20, 10], [30, -20, 10], [0, 0, 40], [-20, 25, 15], [20, 25, 15]])
    angle = np.radians(degrees)[:, None]
    x = head[:, 0] * np.cos(angle) + head[:, 2] * np.sin(angle)
    points = np.stack([x, np.broadcast_to(head[:, 1], x.shape)], axis=2)
    rng = np.random.default_rng(0)
    return points * rng.uniform(0.5, 2, (len(points), 1, 1)) + rng.uniform(0, 200, (len(points), 1, 2))


def table_of(degrees):
    made = make_table(MTFL5, count=len(degrees))
    return replace(
        made, keypoints=turned(degrees).astype(np.float32), visible=np.full((len(degrees), 5), 2, np.uint8)
    )


DEGREES = np.linspace(-60, 60, 41)


def test_the_groups_follow_yaw_to_either_side():
    table = table_of(DEGREES)
    grouped = with_pose_groups(table)
    groups = grouped.extra["yaw"]
    assert groups.dtype == np.int64
    assert set(groups.tolist()) == {0, 1, 2}
    order = np.argsort(np.abs(DEGREES), kind="stable")
    # With the turn the group rises; the mean of the shapes is not frontal to the degree.
    assert (np.diff(groups[order]) < 0).sum() <= 1
    np.testing.assert_array_equal(groups, groups[::-1])
    far = np.abs(first_component(align_shapes(table.keypoints.astype(float))[0]).projections)
    np.testing.assert_array_equal(groups, (far >= 0.1).astype(int) + (far >= 0.2))


def test_edges_column_and_those_without_all_keypoints():
    table = table_of(DEGREES)
    table.visible[[0, 7], 2] = 0
    groups = with_pose_groups(table, column="turn", edges=[0.15]).extra["turn"]
    assert (groups[[0, 7]] == -1).all()
    assert set(np.delete(groups, [0, 7]).tolist()) == {0, 1}


def test_it_is_a_source_of_a_data_set():
    table = table_of(DEGREES)
    source = {"type": "with_pose_groups", "source": table}
    dataset = TopDownDataset(source, subset=[3, 20], check_images=False)
    np.testing.assert_array_equal(dataset.table.extra["yaw"], with_pose_groups(table).extra["yaw"][[3, 20]])


@pytest.mark.parametrize("edges", [[], [0.2, 0.1], [0, 0.1], [[0.1]]])
def test_edges_that_do_not_ascend(edges):
    with pytest.raises(ConfigError, match="'edges': expected ascending numbers above 0"):
        with_pose_groups(table_of(DEGREES), edges=edges)


def test_what_is_there_and_what_is_not():
    grouped = with_pose_groups(table_of(DEGREES))
    with pytest.raises(ConfigError, match="has a column 'yaw'; name another"):
        with_pose_groups(grouped)
    table = table_of(DEGREES)
    table.visible[:, 0] = 0
    with pytest.raises(ConfigError, match="has all keypoints"):
        with_pose_groups(table)
