"""Pictures: what is drawn where and in which colour, sheets' layout, and curves from records."""

from __future__ import annotations

from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.structures import PersonRecord, Pose, Skeleton
from posekit.visualization import (
    contact_sheet,
    crop_photo,
    draw_people,
    draw_pose,
    overlay_heatmaps,
    prediction_sheet,
    save_image,
    scores_from_visible,
)
from posekit.visualization.cases import pose_error
from posekit.visualization.drawing import BOX, CENTRE, LEFT, RIGHT, side_colour, side_of
from posekit.visualization.sheets import FRAME, PAPER
from posekit.visualization.text import write_text

SKELETON = Skeleton(
    "three", ("left_hand", "right_hand", "head"), limbs=(("left_hand", "head"), ("left_hand", "right_hand"))
)
GRAY = np.full((100, 120, 3), 128, np.uint8)


def differs(a: np.ndarray, b: np.ndarray) -> np.ndarray:
    """bool (H, W): where two pictures differ."""
    return (a != b).any(axis=2)


@pytest.mark.parametrize(
    ("name", "side"),
    [
        ("left_knee", "left"),
        ("Right-Ankle", "right"),
        ("l_wrist", "left"),
        ("r_eye", "right"),
        ("leftEar", "left"),
        ("front_left_hoof", "left"),
        ("nose", "centre"),
        ("lip", "centre"),
        ("cleft_chin", "centre"),
    ],
)
def test_side_follows_from_the_name(name, side):
    assert side_of(name) == side


def test_a_limb_has_a_side_only_if_its_ends_share_it():
    assert side_colour("left_hip", "left_knee") == LEFT
    assert side_colour("right_shoulder", "neck") == RIGHT
    assert side_colour("left_hip", "right_hip") == CENTRE
    assert side_colour("neck", "head_top") == CENTRE


def test_palette_is_okabe_and_itos():
    assert (LEFT, RIGHT, CENTRE) == ((86, 180, 233), (213, 94, 0), (240, 228, 66))


def test_draw_pose_puts_each_keypoints_colour_at_its_centre_and_leaves_the_input():
    points = np.array([[30.0, 40.0], [90.0, 40.0], [60.0, 80.0]])
    before = GRAY.copy()
    drawn = draw_pose(GRAY, points, None, SKELETON)
    assert (before == GRAY).all()
    assert drawn.dtype == np.uint8
    assert tuple(drawn[40, 30]) == LEFT
    assert tuple(drawn[40, 90]) == RIGHT
    assert tuple(drawn[80, 60]) == CENTRE
    # The limbs' middles: left hand - head is the left's, hand - hand has no side; no line joins 1 and 2.
    assert tuple(drawn[60, 45]) == LEFT
    assert tuple(drawn[40, 60]) == CENTRE
    assert tuple(drawn[60, 75]) == (128, 128, 128)


def test_drawing_is_symmetric_about_a_pixel_centre():
    """An integer is a pixel's centre: a disc at (60, 50) must mirror onto itself about that pixel."""
    drawn = draw_pose(np.full((101, 121, 3), 128, np.uint8), np.array([[60.0, 50.0]]))
    assert (drawn == drawn[:, ::-1]).all()
    assert (drawn == drawn[::-1]).all()


def test_unsure_keypoints_fade_and_become_hollow_and_absent_ones_are_not_drawn():
    point = np.array([[60.0, 50.0]])
    strength = [
        np.abs(draw_pose(GRAY, point, np.array([score])).astype(int) - 128).sum()
        for score in (0.0, 0.1, 0.39, 1.0)
    ]
    assert strength[0] == 0
    assert strength == sorted(strength)
    hollow = draw_pose(GRAY, point, np.array([0.2]), thickness=4)
    filled = draw_pose(GRAY, point, np.array([0.9]), thickness=4)
    assert tuple(filled[50, 60]) == CENTRE
    assert tuple(hollow[50, 60]) != CENTRE


def test_scores_from_visible():
    np.testing.assert_allclose(scores_from_visible(np.array([0, 1, 2], np.uint8)), [0, 0.25, 1])


def test_points_that_are_not_finite_or_far_outside_do_no_harm():
    points = np.array([[np.nan, 5], [1e7, -1e7], [60, 50]])
    drawn = draw_pose(GRAY, points, None, SKELETON, thickness=2)
    assert tuple(drawn[50, 60]) == CENTRE
    assert (draw_pose(GRAY, points[:2], None) == GRAY).all()


def test_lines_grow_with_the_resolution_and_shrink_with_the_person():
    def width(side: int, extent: float) -> int:
        points = np.array([[side / 2, side / 2 - extent / 2], [side / 2, side / 2 + extent / 2]])
        pair = Skeleton("pair", ("a", "b"), limbs=(("a", "b"),))
        drawn = draw_pose(np.zeros((side, side, 3), np.uint8), points, None, pair)
        return int((drawn[side // 2] == CENTRE).all(axis=1).sum())

    assert width(200, 120) < width(1000, 600) < width(3000, 1800)
    assert width(1000, 60) < width(1000, 600)


def test_boxes_and_text_mark_what_they_should():
    large, box = np.repeat(np.repeat(GRAY, 4, axis=0), 4, axis=1), np.array([20, 30, 80, 90]) * 4
    boxed = draw_people(large, np.zeros((1, 0, 2)), boxes_xyxy=[box])
    assert tuple(boxed[120, 200]) == tuple(boxed[240, 80]) == tuple(boxed[360, 200]) == BOX
    assert tuple(boxed[240, 200]) == (128, 128, 128)
    labelled = draw_people(large, np.zeros((1, 0, 2)), boxes_xyxy=[box], box_scores=[0.5])
    assert differs(labelled, boxed).any()
    assert (draw_people(GRAY, np.zeros((1, 0, 2)), boxes_xyxy=[[np.nan, 0, 1, 1]]) == GRAY).all()
    canvas = GRAY.copy()
    write_text(canvas, "posé 姿", (10, 10), height=20)
    rows, columns = np.nonzero(differs(canvas, GRAY))
    assert rows.min() >= 8
    assert rows.max() <= 34
    assert columns.min() >= 9


@settings(max_examples=20, deadline=None)
@given(
    st.integers(8, 60),
    st.integers(8, 60),
    st.lists(st.tuples(st.floats(-1e4, 1e4), st.floats(-1e4, 1e4), st.floats(0, 1)), min_size=3, max_size=3),
)
def test_any_pose_can_be_drawn_on_any_picture(height, width, rows):
    values = np.array(rows)
    drawn = draw_pose(np.zeros((height, width, 3), np.uint8), values[:, :2], values[:, 2], SKELETON)
    assert drawn.shape == (height, width, 3)


@pytest.mark.parametrize(("alignment", "where"), [("strided", (40, 20)), ("aligned", (41, 20))])
def test_overlay_shows_a_peak_where_the_codec_reads_it(alignment, where):
    heatmaps = np.zeros((2, 16, 32), np.float32)
    heatmaps[1, 5, 10] = 0.7
    drawn = overlay_heatmaps(np.zeros((64, 128, 3), np.uint8), heatmaps, alignment=alignment)
    y, x = np.unravel_index(drawn.astype(int).sum(axis=2).argmax(), drawn.shape[:2])
    # "aligned": 10 * 127 / 31 = 40.97, 5 * 63 / 15 = 21.
    assert abs(x - where[0]) <= 1
    assert abs(y - where[1]) <= 1
    assert tuple(drawn[0, 127]) == (0, 0, 0)


def test_overlay_takes_empty_maps_and_refuses_others():
    assert (overlay_heatmaps(GRAY, np.zeros((3, 8, 8))) <= GRAY).all()
    with pytest.raises(ValueError, match="alignment: expected"):
        overlay_heatmaps(GRAY, np.zeros((8, 8)), alignment="centred")
    with pytest.raises(ValueError, match=r"found shape \(8,\)"):
        overlay_heatmaps(GRAY, np.zeros(8))


def test_contact_sheet_lays_cells_out_row_by_row():
    red, green, blue = (np.full((50, 100, 3), c, np.uint8) for c in [(255, 0, 0), (0, 255, 0), (0, 0, 255)])
    sheet = contact_sheet([red, green, blue], 2, cell_size_hw=(80, 80), gap=10)
    assert sheet.shape == (10 + 2 * 90, 10 + 2 * 90, 3)
    assert tuple(sheet[50, 50]) == (255, 0, 0)
    assert tuple(sheet[50, 140]) == (0, 255, 0)
    assert tuple(sheet[140, 50]) == (0, 0, 255)
    # A 2:1 picture in a square cell has bars above and below; the fourth cell and the gaps are paper.
    assert tuple(sheet[12, 50]) == FRAME
    assert tuple(sheet[140, 140]) == tuple(sheet[5, 5]) == PAPER


def test_contact_sheet_keeps_long_captions_inside_their_cells():
    pictures = [GRAY, GRAY]
    plain = contact_sheet(pictures, 2, ["", ""], cell_size_hw=(60, 60), gap=10)
    sheet = contact_sheet(pictures, 2, ["é" * 200, ""], cell_size_hw=(60, 60), gap=10, title="")
    changed = np.nonzero(differs(sheet, plain))
    assert changed[1].max() <= 10 + 60
    assert changed[0].min() > 10 + 60


def test_contact_sheet_refuses_nothing_and_missing_captions():
    with pytest.raises(ValueError, match="at least one image"):
        contact_sheet([])
    with pytest.raises(ValueError, match="expected 1 captions, found 2"):
        contact_sheet([GRAY], captions=["a", "b"])


def test_crop_photo_returns_the_warp_it_used():
    photo = np.zeros((400, 300, 3), np.uint8)
    photo[195:206, 145:156] = 255
    crop, warp = crop_photo(photo, np.array([100, 100, 200, 300]), (64, 48))
    assert crop.shape == (64, 48, 3)
    x, y = warp @ (150, 200, 1)
    ys, xs = np.nonzero(crop[..., 0] > 128)
    assert abs(xs.mean() - x) < 0.3
    assert abs(ys.mean() - y) < 0.3


def person(tmp_path, image_id: int, visible=(2, 2, 2)) -> PersonRecord:
    path = tmp_path / f"photo_ü_{image_id}.png"
    save_image(path, GRAY)
    return PersonRecord(
        image_path=str(path),
        image_id=image_id,
        person_id=7,
        box_xyxy=np.array([20, 10, 70, 90], np.float32),
        box_score=1.0,
        keypoints=np.array([[30, 40], [60, 40], [45, 20]], np.float32),
        visible=np.array(visible, np.uint8),
    )


def pose_of(record: PersonRecord, off: float) -> Pose:
    return Pose(record.keypoints + np.float32([off, 0]), np.ones(3, np.float32), record.box_xyxy, 1.0,
                record.image_id, record.person_id)  # fmt: skip


def test_pose_error_by_hand(tmp_path):
    record = person(tmp_path, 1, visible=(2, 0, 1))
    pose = pose_of(record, 0.0)
    # Two labelled keypoints, off by 5 (3-4-5) and 0 px; the box is 50 x 80.
    pose.keypoints[0] += (3, 4)
    pose.keypoints[1] += 100
    assert pose_error(record, pose) == pytest.approx(2.5 / np.sqrt(4000))
    assert np.isnan(pose_error(person(tmp_path, 1, visible=(0, 0, 0)), pose))


def test_prediction_sheet_goes_from_worst_to_best(tmp_path, monkeypatch):
    captions = []
    monkeypatch.setattr(
        "posekit.visualization.cases.contact_sheet",
        lambda _pictures, _columns, lines, **_: captions.extend(lines),
    )
    records = [person(tmp_path, i) for i in range(4)]
    poses = [pose_of(record, off) for record, off in zip(records, (1, 20, 0, 5), strict=True)]
    prediction_sheet(records, [*poses, replace(poses[0], image_id=99)], skeleton=SKELETON)
    assert [line.split("id ")[1] for line in captions] == ["1/7", "3/7", "0/7", "2/7"]
    assert captions[0].startswith("1/4 · 31.6 % of the box")
    captions.clear()
    prediction_sheet(records, poses, count=2, errors=[3, 0.1, 9, 2])
    assert captions == ["1/4 · error 9 · id 2/7", "4/4 · error 0.1 · id 1/7"]


def test_prediction_sheet_draws_and_refuses_strangers(tmp_path):
    record = person(tmp_path, 1)
    sheet = prediction_sheet([record], [pose_of(record, 3)], skeleton=SKELETON, cell_size_hw=(96, 96))
    assert (sheet == LEFT).all(axis=2).any()
    assert (sheet == RIGHT).all(axis=2).any()
    with pytest.raises(ValueError, match="no pose belongs"):
        prediction_sheet([record], [replace(pose_of(record, 3), person_id=8)])
    with pytest.raises(ValueError, match="expected 1 errors, found 2"):
        prediction_sheet([record], [pose_of(record, 3)], errors=[1, 2])


def test_save_image_is_rgb_and_non_ascii_and_leaves_nothing_else(tmp_path):
    picture = np.zeros((4, 5, 3), np.uint8)
    picture[..., 0] = 200
    path = save_image(tmp_path / "új" / "kép_图.png", picture)
    assert [p.name for p in path.parent.iterdir()] == [path.name]
    bgr = cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR)
    assert tuple(bgr[0, 0]) == (0, 0, 200)


def test_save_image_refuses_what_it_cannot_write(tmp_path):
    with pytest.raises(ValueError, match="suffix"):
        save_image(tmp_path / "picture.xyz", GRAY)
    with pytest.raises(ValueError, match="float64"):
        save_image(tmp_path / "picture.png", GRAY / 2)
    assert list(tmp_path.iterdir()) == []
