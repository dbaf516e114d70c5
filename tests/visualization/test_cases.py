"""Errors of predictions and the order they are shown in; what the network is fed."""

from __future__ import annotations

import numpy as np
import pytest
import toy_people

from posekit.codecs import MegviiCodec, MSRACodec, UDPOffsetCodec
from posekit.datasets import LSP14, TopDownDataset, load_coco
from posekit.errors import DataError
from posekit.metrics.oks import GroundTruth, pair_oks
from posekit.structures import PersonRecord, Pose, Sample, Skeleton
from posekit.visualization import cases, draw_errors, draw_sample, encode_targets, pose_error, sample_sheet
from posekit.visualization import samples as sample_module
from posekit.visualization.cases import _chosen, _ranked, error_words
from posekit.visualization.drawing import CENTRE, LEFT
from posekit.visualization.samples import crop_of, describe_people
from posekit.visualization.sheets import FRAME
from posekit.visualization.text import WHITE

DOTS = Skeleton("dots", ("left_dot", "right_dot"), sigmas=(0.1, 0.2))


def person(keypoints, visible, skeleton_box=(0, 0, 30, 40), head=float("nan"), number=0) -> PersonRecord:
    return PersonRecord(
        image_path="nowhere.png",
        image_id=number,
        person_id=number,
        box_xyxy=np.array(skeleton_box, np.float32),
        box_score=1.0,
        keypoints=np.array(keypoints, np.float32),
        visible=np.array(visible, np.uint8),
        head_size=head,
    )


def predicted(record: PersonRecord, off_xy) -> Pose:
    points = record.keypoints + np.array(off_xy, np.float32)
    return Pose(
        points, np.full(len(points), 0.5, np.float32), record.box_xyxy, 1.0, record.image_id, record.person_id
    )


# --- errors ---------------------------------------------------------------------------------------------


def test_error_in_heads_and_torsos():
    keypoints = np.zeros((14, 2))
    names = LSP14.keypoints
    keypoints[names.index("right_hip")] = (0, 40)
    keypoints[names.index("left_shoulder")] = (30, 0)  # the diagonals: 50 and |(10, 0)| = 10
    keypoints[names.index("left_hip")] = (10, 0)
    record = person(keypoints, [2] * 14, head=20.0)
    pose = predicted(record, (3, 4))
    assert pose_error(record, pose, "head", LSP14) == pytest.approx(5 / 20)
    assert pose_error(record, pose, "torso", LSP14) == pytest.approx(5 / 50)
    unlabelled = person(keypoints, [2, 2, 0] + [2] * 11)
    assert np.isnan(pose_error(unlabelled, pose, "torso", LSP14))


def test_oks_by_hand_and_by_the_metric():
    record = person([[10, 10], [20, 20]], [2, 1])
    pose = predicted(record, [(3, 4), (0, 0)])
    # exp(-25 / (2 * 500 * 0.04)) and 1.
    assert pose_error(record, pose, "oks", DOTS, area=500.0) == pytest.approx(1 - (np.exp(-0.625) + 1) / 2)
    truth = GroundTruth(
        np.array([0]), np.array([1]), np.array([0]), np.array([0]),
        np.concatenate([record.keypoints, [[2], [1]]], axis=1)[None].astype(float),
        np.array([[0.0, 0, 30, 40]]), np.array([1200.0]), np.array([False]), np.array([False]),
    )  # fmt: skip
    zero = np.array([0])
    expected = pair_oks(truth, pose.keypoints[None].astype(float), zero, zero, np.array(DOTS.sigmas))
    # Without an area, that of the box: 30 x 40.
    assert pose_error(record, pose, "oks", DOTS) == pytest.approx(1 - expected[0], abs=1e-6)


def test_errors_that_cannot_be_measured():
    record = person([[10, 10], [20, 20]], [2, 0])
    pose = predicted(record, [(np.nan, 0), (0, 0)])
    assert pose_error(record, pose) == np.inf
    # What is not labelled does not count, finite or not.
    assert pose_error(record, predicted(record, [(0, 0), (np.nan, 0)])) == 0
    with pytest.raises(ValueError, match="norm: expected one of"):
        pose_error(record, pose, "foot")
    with pytest.raises(ValueError, match="expected a skeleton"):
        pose_error(record, predicted(record, (0, 0)), "torso")
    with pytest.raises(ValueError, match="expected a skeleton with sigmas"):
        pose_error(record, predicted(record, (0, 0)), "oks")
    with pytest.raises(DataError, match="norm 'torso' needs"):
        pose_error(record, predicted(record, (0, 0)), "torso", DOTS)
    assert error_words(np.inf, "box") == "not finite"
    assert error_words(0.25, "head") == "25.0 % of the head"
    assert error_words(0.25, "oks") == "OKS 0.75"


@pytest.mark.parametrize(
    ("which", "ranks"),
    [("worst", [0, 1, 2, 3]), ("best", [6, 7, 8, 9]), ("both", [0, 1, 8, 9]), ("spread", [0, 3, 6, 9])],
)
def test_which_ranks_are_shown(which, ranks):
    assert _chosen(10, 4, which) == ranks
    assert _chosen(2, 4, which) == [0, 1]
    assert _chosen(10, 3, "both") == [0, 1, 9]
    with pytest.raises(ValueError, match="which: expected one of"):
        _chosen(10, 4, "middling")


def test_people_without_truth_are_left_out_of_a_ranking_of_errors():
    records = [
        person([[10, 10], [20, 20]], visible, number=i) for i, visible in enumerate([(2, 2), (0, 0), (2, 2)])
    ]
    poses = [predicted(record, (off, 0)) for record, off in zip(records, (1, 0, 9), strict=True)]
    ranked = _ranked(records, poses, None, None, "box", None)
    assert [case.row for case in ranked] == [2, 0]
    # Nobody is labelled: the mean score ranks, the lowest first.
    nobody = [person([[10, 10], [20, 20]], (0, 0), number=i) for i in range(2)]
    poses = [predicted(record, (0, 0)) for record in nobody]
    poses[1].scores[:] = 0.25
    ranked = _ranked(nobody, poses, None, None, "box", None)
    assert [(case.row, case.words) for case in ranked] == [(1, "score 0.25"), (0, "score 0.50")]


def test_errors_are_lines_from_the_truth_to_the_prediction():
    image = np.zeros((100, 100, 3), np.uint8)
    truth, off = np.array([[20.0, 20], [20, 60]]), np.array([[60.0, 0], [60, 0]])
    drawn = draw_errors(image, truth + off, truth, np.array([True, False]), None, DOTS)
    assert tuple(drawn[20, 50]) == WHITE
    assert tuple(drawn[20, 80]) == LEFT
    assert not drawn[60, 20:70].any()
    missing = draw_errors(image, truth * np.nan, truth, np.array([True, True]), None, DOTS)
    assert not missing.any()


# --- samples --------------------------------------------------------------------------------------------


def sample(points, weight, size_hw=(64, 48)) -> Sample:
    image = np.zeros((3, *size_hw), np.uint8)
    image[0] = 50
    return Sample(
        image, np.array(points, np.float32), np.array(weight, np.float32), np.eye(2, 3),
        np.array([0, 0, 48, 64], np.float32), np.float32(1), np.int64(17), np.int64(4),
    )  # fmt: skip


@pytest.mark.parametrize("codec", [MSRACodec(sigma=1), UDPOffsetCodec(radius=1.5), MegviiCodec()])
def test_targets_are_the_codecs_label_maps(codec):
    targets, weights = encode_targets([sample([[20, 28], [0, 0]], [1, 0])] * 2, codec, (16, 12))
    assert targets.shape == (2, 2, 16, 12)
    assert targets[0, 0].max() == pytest.approx(codec.peak)
    row, column = np.unravel_index(targets[0, 0].argmax(), (16, 12))
    assert abs(row - 7) <= 1
    assert abs(column - 5) <= 1
    assert not targets[0, 1].any()
    assert weights.tolist() == [[1, 0], [1, 0]]


def test_a_samples_keypoints_are_full_without_a_target_hollow_and_without_weight_absent():
    one = sample([[12, 32], [36, 32]], [1, 1])
    picture = draw_sample(one, DOTS, weight=np.array([1, 0]), panel_px=256)
    assert picture.shape == (256, 192, 3)
    # Input pixel p lies at (p + 0.5) 4 - 0.5.
    assert tuple(picture[130, 50]) == LEFT
    # Through the ring's hole the crop is seen, darkened by the rim alone.
    assert picture[130, 146, 1:].max() < 30
    none = draw_sample(sample([[12, 32], [36, 32]], [0, 0]), DOTS, panel_px=256)
    assert (none == (50, 0, 0)).all()


def test_sample_sheet_shows_crop_and_target_with_their_ids(monkeypatch):
    seen = {}
    monkeypatch.setattr(
        sample_module,
        "contact_sheet",
        lambda pictures, _, captions, **__: seen.update(p=pictures, c=captions),
    )
    sample_sheet([sample([[20, 28], [0, 0]], [1, 0])], DOTS, MSRACodec(sigma=1), (16, 12), panel_px=64)
    assert seen["c"] == ["image 17 / person 4"]
    (picture,) = seen["p"]
    assert picture.shape == (64, 48 + 2 + 48, 3)
    assert picture[28, 50 + 20].min() > 130  # the target's peak: nearly white
    np.testing.assert_array_equal(crop_of(sample([[0, 0]], [0]))[0, 0], [50, 0, 0])
    sample_sheet(
        [sample([[20, 28], [0, 0]], [1, 0])], DOTS, None, (64, 48), panel_px=64
    )  # no maps are learnt
    assert seen["p"][0].shape == (64, 48, 3)


def test_numbers_of_a_data_set(tmp_path):
    path = toy_people.write_coco(tmp_path)
    dataset = TopDownDataset(
        {"type": load_coco, "ann_file": str(path), "image_dir": str(tmp_path / "images")}, toy_people.SKELETON
    )
    text = describe_people(dataset)
    people = len(dataset.table)
    assert text.startswith(f"{people} people on 2 images, {path}")
    labelled, hidden = (dataset.table.visible > 0).sum(), (dataset.table.visible == 1).sum()
    assert text.splitlines()[-1].split() == ["all", str(labelled), str(hidden)]
    assert "augmentation: none" in text
    assert "pixels: " not in text
    dataset = TopDownDataset(dataset.table, pixels={"jpeg_prob": 0.7})
    assert "\npixels: Pixels(jitter_prob=0.8, " in describe_people(dataset)
    assert "jpeg_prob=0.7" in describe_people(dataset)
    assert describe_people([1, 2, 3]) == "3 samples of a list"


def test_frame_is_no_keypoints_colour():
    assert FRAME not in (LEFT, CENTRE)
    assert cases.CHOICES[0] == "spread"
