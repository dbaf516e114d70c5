"""The synthetic people: bodies, colours, visibility, and the rules they keep."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest

from posekit.skeletons import MPII16
from posekit.synthetic import body, look, poses, shapes, writer
from posekit.synthetic.figure import Shape, make_figure
from posekit.synthetic.props import Prop
from posekit.synthetic.records import annotate
from posekit.synthetic.scene import Scene


def upright():
    return poses.PoseAngles(0.0, 0.0, 0.0, np.zeros(3), np.zeros(3), np.zeros((2, 4)), np.zeros((2, 4)))


def test_upright_body_by_hand():
    sizes = body.sample_proportions(np.random.default_rng(0))
    joints = body.build_body(sizes, upright()).joints
    at = {name: joints[body.JOINT[name]] for name in MPII16.keypoints}
    legs, spine = sizes.thigh + sizes.shin, sizes.torso + sizes.neck + sizes.head
    assert at["left_ankle"] == pytest.approx([sizes.hip, -legs, 0])  # facing us, its left is our right
    assert at["head_top"] == pytest.approx([0, spine, 0])
    assert at["right_wrist"][0] == pytest.approx(-sizes.shoulder)
    assert legs + spine + body.ANKLE_HEIGHT == pytest.approx(1)


@pytest.mark.parametrize(("column", "expected"), [(0, [0, 0, 1]), (1, [1, 0, 0])])
def test_left_arm_raised_by_90_degrees_points_forward_or_left(column, expected):
    sizes = body.sample_proportions(np.random.default_rng(0))
    arms = np.zeros((2, 4))
    arms[0, column] = 90
    joints = body.build_body(sizes, replace(upright(), arms=arms)).joints
    upper = joints[body.JOINT["left_elbow"]] - joints[body.JOINT["left_shoulder"]]
    assert upper / sizes.upper_arm == pytest.approx(np.array(expected), abs=1e-12)


def test_bones_keep_their_lengths_and_joints_their_limits():
    rng = np.random.default_rng(1)
    for _ in range(100):
        pose, sizes = poses.sample_pose(rng), body.sample_proportions(rng)
        for angles, limits in (
            (pose.arms, poses.ARM_LIMITS),
            (pose.legs, poses.LEG_LIMITS),
            (pose.spine, poses.SPINE_LIMITS),
            (pose.head, poses.HEAD_LIMITS),
        ):
            assert (angles >= limits[:, 0]).all()
            assert (angles <= limits[:, 1]).all()
        joints = body.build_body(sizes, pose).joints
        for one, two, length in (
            ("right_hip", "right_knee", sizes.thigh),
            ("left_elbow", "left_wrist", sizes.forearm),
            ("pelvis", "thorax", sizes.torso),
            ("upper_neck", "head_top", sizes.head),
        ):
            found = np.linalg.norm(joints[body.JOINT[one]] - joints[body.JOINT[two]])
            assert found == pytest.approx(length)


def test_left_and_right_arms_and_legs_come_from_one_distribution():
    rng = np.random.default_rng(2)
    drawn = [poses.sample_pose(rng) for _ in range(3000)]
    for limbs in (np.array([p.arms for p in drawn]), np.array([p.legs for p in drawn])):
        difference = limbs[:, 0] - limbs[:, 1]
        error = difference.std(axis=0) / np.sqrt(len(drawn))
        assert (np.abs(difference.mean(axis=0)) < 4 * error).all()


def limb_colours(person):
    """RGB (side, limb, 3) as painted: upper arm, forearm, thigh, shin."""
    sides = []
    for row in range(2):
        arm, leg = person.sleeves[row], person.legs[row]
        pairs = [(arm, person.sleeve_length, k) for k in (1, 2)] + [
            (leg, person.leg_length, k) for k in (1, 2)
        ]
        sides.append([cloth if length >= k else person.skin for cloth, length, k in pairs])
    return np.array(sides)


def test_limb_colours_tell_neither_side_nor_joint():
    rng = np.random.default_rng(3)
    colours = np.array([limb_colours(look.sample_look(rng)) for _ in range(4000)])  # person, side, limb, rgb
    error = colours.std() * np.sqrt(2 / len(colours))
    mean, spread = colours.mean(axis=0), colours.std(axis=0)
    assert np.abs(mean[0] - mean[1]).max() < 4 * error  # left against right
    assert np.abs(spread[0] - spread[1]).max() < 4 * error
    # Arm against leg: upper arm and thigh, forearm and shin.
    assert np.abs(mean[:, :2] - mean[:, 2:]).max() < 4 * error
    assert np.abs(spread[:, :2] - spread[:, 2:]).max() < 4 * error


def test_a_colour_belongs_to_a_garment_not_to_a_joint():
    rng = np.random.default_rng(4)
    looks = [look.sample_look(rng) for _ in range(500)]
    alike = [np.array_equal(*p.sleeves) and np.array_equal(*p.legs) for p in looks]
    odd_left = sum(not np.array_equal(p.sleeves[0], p.top) for p in looks)
    odd_right = sum(not np.array_equal(p.sleeves[1], p.top) for p in looks)
    assert 0.6 < np.mean(alike) < 0.95
    assert abs(odd_left - odd_right) < 4 * np.sqrt(odd_left + odd_right)


def test_outline_of_a_capsule_by_hand():
    centres, axes = np.array([[[0.0, 0.0], [10.0, 0.0]]]), np.tile(2 * np.eye(2), (1, 2, 1, 1))
    heights, points = shapes.ellipse_pair_hulls(centres, axes)
    assert heights[0, 0] == pytest.approx(12)
    assert heights[0, 10] == pytest.approx(2)
    assert points[0, 0] == pytest.approx([12, 0])
    asked = np.array([[5.0, 1.9], [5.0, 2.1], [11.9, 0.0], [-2.1, 0.0]])
    assert shapes.contains(heights, asked)[:, 0].tolist() == [True, False, True, False]
    assert shapes.topmost(np.concatenate([heights, heights + 1]), asked).tolist() == [1, 1, 1, 1]
    assert shapes.topmost(np.zeros((0, 20)), asked).tolist() == [-1] * 4


def standing_figure():
    person = body.build_body(body.sample_proportions(np.random.default_rng(0)), upright())
    dressed = look.sample_look(np.random.default_rng(0))
    return make_figure(person, dressed, np.array([0.0, -1.0]), 6.0).place(200.0, np.array([130.0, 120.0]))


def test_visibility_flags_of_a_hidden_and_a_cut_off_joint():
    figure = standing_figure()
    elbow = figure.joints[body.JOINT["left_elbow"]]
    corners = elbow + np.array([[-12, -12], [12, -12], [12, 12], [-12, 12]])
    prop = Prop([Shape("prop", corners, np.zeros(3), True)], shapes.polygon_hull(corners)[0][None])
    cut = int(figure.joints[body.JOINT["left_knee"], 1]) + 20  # below the knees
    note = annotate(Scene((cut, 260), [figure, prop], [0], [], []), np.random.default_rng(0)).people[0]
    flags = dict(zip(MPII16.keypoints, note.visible.tolist(), strict=True))
    assert flags.pop("left_elbow") == 1
    assert note.covered == 1
    assert (flags.pop("left_ankle"), flags.pop("right_ankle")) == (0, 0)
    assert {name for name, flag in flags.items() if flag != 2} == set()
    assert note.box_xyxy[3] == cut


def test_area_counts_only_what_is_seen():
    figure = standing_figure()
    whole = annotate(Scene((260, 260), [figure], [0], [], []), np.random.default_rng(0)).people[0].area
    wall = np.array([[-9.0, -9], [130, -9], [130, 300], [-9, 300]])
    prop = Prop([Shape("prop", wall, np.zeros(3), True)], shapes.polygon_hull(wall)[0][None])
    half = annotate(Scene((260, 260), [figure, prop], [0], [], []), np.random.default_rng(0)).people[0].area
    silhouette = np.zeros((260, 260), np.uint8)
    for shape in figure.shapes:
        cv2.fillPoly(silhouette, [np.rint(shape.points).astype(np.int32)], 1)
    assert whole == pytest.approx(silhouette.sum(), rel=0.12)
    assert half == pytest.approx(whole / 2, rel=0.15)


@pytest.fixture(scope="module")
def main_people():
    notes = [writer.make_image(0, "val", k)[1] for k in range(200)]
    return [person for note in notes for person in note.people if person.role == "main"]


def test_head_size_is_at_most_a_tenth_of_the_height(main_people):
    for person in main_people:
        head = 0.6 * np.linalg.norm(person.head_box[1] - person.head_box[0])
        assert head <= 0.1 * person.stature
        assert head <= 0.1 * np.ptp(person.joints[:, 1])  # bent bodies too


def test_at_least_30_percent_are_hidden_or_cut_off_by_others(main_people):
    affected = [person.covered > 0 or (person.visible == 0).any() for person in main_people]
    assert np.mean(affected) >= 0.3
    covered = [person.covered for person in main_people if person.covered]
    assert 1 <= np.median(covered) <= 4
    assert max(covered) <= 7
    assert max((person.visible == 0).sum() for person in main_people) <= 5


def test_views_and_sizes_vary(main_people):
    facing = [p.joints[13, 0] > p.joints[12, 0] for p in main_people]  # left shoulder on our right
    assert 0.75 < np.mean(facing) < 0.95
    assert np.percentile([p.stature for p in main_people], 95) > 1.6 * np.percentile(
        [p.stature for p in main_people], 5
    )
