"""Strokes, text and people on one image: which pixel gets which colour, at any size and with any input."""

from __future__ import annotations

import tracemalloc
from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.skeletons import COCO17
from posekit.structures import Pose, Skeleton
from posekit.visualization import draw_people, draw_pose, draw_poses
from posekit.visualization.drawing import BOX, CENTRE, IDS, LEFT, RIGHT
from posekit.visualization.strokes import Layer, stroke
from posekit.visualization.text import BLACK, WHITE, ink_on, plate_size_hw, write_text

PAIR = Skeleton("pair", ("left_hand", "left_foot"), limbs=(("left_hand", "left_foot"),))
RED = (200, 0, 0)


def black(height: int = 100, width: int = 120) -> np.ndarray:
    return np.zeros((height, width, 3), np.uint8)


def lined(start, end, *layers, canvas=None) -> np.ndarray:
    canvas = black() if canvas is None else canvas
    stroke(canvas, np.array(start, np.float64), np.array(end, np.float64), layers)
    return canvas


# --- strokes --------------------------------------------------------------------------------------------


def test_a_line_covers_its_width_and_shares_the_pixels_on_its_edge():
    canvas = lined((10, 20), (50, 20), Layer(3, RED, 1.0))
    assert canvas[17:24, 30, 0].tolist() == [0, 0, 200, 200, 200, 0, 0]
    # Two pixels wide: one in the middle, half of the next on either side.
    assert lined((10, 20), (50, 20), Layer(2, RED, 1.0))[17:24, 30, 0].tolist() == [0, 0, 100, 200, 100, 0, 0]
    assert lined((10, 20), (50, 20), Layer(3, RED, 0.25))[20, 30, 0] == 50
    # A round end reaches 1.5 + 0.5 pixels beyond the last centre.
    assert canvas[20, 48:54, 0].tolist() == [200, 200, 200, 200, 0, 0]


def test_layers_lie_on_each_other_and_a_radius_makes_a_ring():
    canvas = lined((40, 30), (40, 30), Layer(9, (0, 100, 0), 1.0), Layer(1, RED, 1.0, radius=6))
    assert canvas[30, 38:50].tolist() == [[0, 100, 0]] * 7 + [[0, 0, 0]] + [list(RED)] + [[0, 0, 0]] * 3
    assert canvas[36, 40].tolist() == list(RED)


def test_bands_change_nothing():
    """A long line is drawn in bands; in one piece, by the same definition, it must be the same."""
    start, end = np.array([-30.0, 3.0]), np.array([260.0, 390.0])
    banded = lined(start, end, Layer(5, RED, 0.7), canvas=black(400, 250))
    ys, xs = np.mgrid[:400, :250].astype(np.float64)
    points = np.stack([xs, ys], axis=-1)
    along = np.clip(((points - start) @ (end - start)) / ((end - start) ** 2).sum(), 0, 1)
    distance = np.linalg.norm(points - start - along[..., None] * (end - start), axis=-1)
    expected = np.rint(200 * 0.7 * np.clip(3 - distance, 0, 1))
    np.testing.assert_array_equal(banded[..., 0], expected)


def test_a_line_from_far_left_to_far_right_crosses_the_picture():
    canvas = lined((-1e7, 50), (1e7, 50), Layer(3, RED, 1.0))
    assert (canvas[49:52, :, 0] == 200).all()
    assert not canvas[:48].any()
    assert not canvas[53:].any()


def test_a_large_picture_is_not_copied_for_every_line():
    canvas = black(3000, 3000)
    tracemalloc.start()
    lined((-1e6, -1e6), (1e6, 1e6), Layer(20, RED, 1.0), canvas=canvas)
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert (canvas[np.arange(3000), np.arange(3000), 0] == 200).all()
    assert peak < 3e6  # the picture has 27 MB


def test_text_touches_its_own_place_alone():
    canvas, empty = black(), black()
    write_text(canvas, "Åg", (20, 30), height=20, background=(0, 0, 90))
    plate_height, plate_width = plate_size_hw("Åg", 20)
    rows, columns = np.nonzero(canvas.any(axis=2))
    assert (rows.min(), rows.max()) == (30, 30 + plate_height)
    assert (columns.min(), columns.max()) == (20, 20 + plate_width)
    write_text(empty, "far", (500, -300))
    assert (empty == 0).all()


def test_ink_stands_out_from_its_plate():
    assert ink_on((240, 228, 66)) == BLACK
    assert ink_on((0, 114, 178)) == WHITE


# --- people ---------------------------------------------------------------------------------------------


def pose(keypoints, box, score=0.9) -> Pose:
    points = np.array(keypoints, np.float32)
    return Pose(points, np.ones(len(points), np.float32), np.array(box, np.float32), score)


def test_nobody_leaves_the_image_as_it_is():
    image = np.random.default_rng(0).integers(0, 256, (50, 60, 3), dtype=np.uint8)
    drawn = draw_poses(image, [], COCO17)
    assert (drawn == image).all()
    assert drawn is not image


def test_boxes_have_their_ids_colour_and_skeletons_lie_on_them():
    people = [
        pose([[40, 60], [40, 140]], [20, 50, 80, 150]),
        pose([[120, 60], [120, 140]], [100, 50, 160, 150]),
    ]
    drawn = draw_poses(black(200, 200), people, PAIR, ids=[3, 8])
    assert tuple(drawn[120, 20]) == IDS[3]
    assert tuple(drawn[120, 100]) == IDS[1]
    assert tuple(drawn[100, 40]) == LEFT
    plain = draw_poses(black(200, 200), people, PAIR)
    assert tuple(plain[120, 20]) == tuple(plain[120, 100]) == BOX
    assert not draw_poses(black(200, 200), people, PAIR, boxes=False, labels=False)[120, 20].any()


@pytest.mark.parametrize(("scores", "front"), [([0.9, 0.1], LEFT), ([0.1, 0.9], RIGHT)])
def test_the_surer_person_is_in_front(scores, front):
    """The first one's left hand lies where the second one's right hand does."""
    hands = Skeleton("hands", ("left_hand", "right_hand"))
    there, elsewhere = [40.0, 60.0], [90.0, 60.0]
    people = [[there, elsewhere], [elsewhere, there]]
    boxes = [[2, 2, 118, 98]] * 2
    drawn = draw_people(black(), people, None, hands, boxes_xyxy=boxes, box_scores=scores)
    assert tuple(drawn[60, 40]) == front


def test_labels_name_id_and_score_and_stay_inside_the_image():
    written = []
    person = pose([[10, 10], [10, 20]], [-50, -40, 30, 60], 0.876)
    import posekit.visualization.drawing as drawing

    original = drawing.write_text

    def spy(canvas, text, xy, **settings):
        written.append((text, xy))
        original(canvas, text, xy, **settings)

    drawing.write_text = spy
    try:
        draw_poses(black(), [person], PAIR, ids=[7])
        draw_poses(black(), [pose([[10, 10]], [100, 90, 300, 400], float("nan"))], ids=[2])
        draw_poses(black(), [pose([[10, 10]], [100, 90, 300, 400])], labels=False)
        clear = replace(person, extra={"person_score": np.float32(0.951)})
        draw_poses(black(), [clear])
        draw_poses(black(), [clear, person])
    finally:
        drawing.write_text = original
    assert [text for text, _ in written] == ["#7 0.88", "#2", "0.95", "0.88", "0.88"]
    assert written[0][1] == (0, 0)
    (x, y), (height, width) = written[1][1], plate_size_hw("#2", 9)
    assert 0 <= x <= 120 - width
    assert 0 <= y <= 100 - height


def test_a_label_that_would_hide_a_small_image_is_shortened_and_left_out():
    def plates(side: int) -> int:
        """Pixels of the plate, which has the id's colour as the box has."""
        person = pose([[side / 2, side / 2]], [side * 0.45, side * 0.45, side * 0.6, side * 0.9])
        drawn, boxed = (
            (draw_poses(black(side, side), [person], ids=ids, labels=labels) == IDS[1]).all(axis=2).sum()
            for ids, labels in (([1], True), ([1], False))
        )
        return int(drawn - boxed)

    assert plates(20) == plates(64) == 0  # nothing fits; the id alone does, with and without score
    assert plates(300) > 100


def test_without_boxes_a_label_stands_on_the_keypoints_that_are_drawn():
    keypoints, scores = [[[0, 0], [60, 70], [70, 90]]], [[0.0, 1.0, 1.0]]
    drawn = draw_people(black(), keypoints, scores, ids=[4])
    assert (drawn == IDS[4]).all(axis=2)[40:68, 60:].any()
    assert not drawn[:30, :40].any()


@pytest.mark.parametrize(
    ("keypoints", "scores", "message"),
    [
        (np.zeros((2, 3)), None, r"keypoints: expected \(K, 2\), found shape \(2, 3\)"),
        (np.zeros((2, 2)), np.ones(3), r"scores: expected 2.*found shape \(3,\)"),
        (np.zeros((3, 2)), None, "skeleton 'pair' has 2, found 3"),
    ],
)
def test_what_does_not_fit_is_said(keypoints, scores, message):
    with pytest.raises(ValueError, match=message):
        draw_pose(black(), keypoints, scores, PAIR)


def test_other_images_and_numbers_are_refused():
    for image in (np.zeros((9, 9), np.uint8), np.zeros((9, 9, 4), np.uint8), np.zeros((9, 9, 3))):
        with pytest.raises(ValueError, match=r"expected uint8 \(H, W, 3\)"):
            draw_poses(image, [])
    with pytest.raises(ValueError, match="ids: expected 1, one per person, found 2"):
        draw_poses(black(), [pose([[1, 1]], [0, 0, 9, 9])], ids=[1, 2])


def test_scores_that_are_nan_or_zero_leave_a_joint_and_its_limbs_out():
    points = np.array([[30.0, 50], [90, 50]])
    for bad in (np.nan, 0.0):
        drawn = draw_pose(black(), points, np.array([1.0, bad]), PAIR)
        assert tuple(drawn[50, 30]) == LEFT
        assert not drawn[:, 45:].any()


@settings(max_examples=25, deadline=None)
@given(
    st.integers(1, 80),
    st.integers(1, 80),
    st.lists(st.tuples(*[st.floats(-1e5, 1e5) | st.just(float("nan"))] * 7), max_size=3),
)
def test_any_people_can_be_drawn_on_any_image(height, width, rows):
    values = np.array(rows).reshape(-1, 7)
    keypoints = values[:, :4].reshape(-1, 2, 2)
    boxes = np.concatenate([values[:, :2], values[:, :2] + np.abs(values[:, 4:6])], axis=1)
    drawn = draw_people(
        black(height, width),
        keypoints,
        None,
        PAIR,
        boxes_xyxy=boxes,
        box_scores=values[:, 6],
        ids=range(len(rows)),
    )
    assert drawn.shape == (height, width, 3)


@pytest.mark.parametrize("side", [64, 640, 2560])
def test_a_drawing_has_the_same_look_at_any_resolution(side):
    """Limb, marker and box take the same share of the picture, apart from the least width of a pixel."""
    points = np.array([[0.5, 0.2], [0.5, 0.8]]) * side
    drawn = draw_pose(black(side, side), points, None, PAIR)
    limb = (drawn[side // 2] == LEFT).all(axis=1).sum()
    assert limb == pytest.approx(max(1.0, side / 110), abs=1)
    marker = drawn[round(0.2 * side)].any(axis=1).sum() / max(1.0, side / 110)
    assert 3 < marker < 6.5
    nobody = np.zeros((1, 0, 2))
    box = draw_people(black(side, side), nobody, boxes_xyxy=np.array([[0.1, 0.1, 0.9, 0.9]]) * side)
    assert (box[side // 2, : side // 2] == BOX).all(axis=1).sum() == pytest.approx(
        max(1, side / 157), abs=1.5
    )


def test_without_a_skeleton_the_points_are_yellow():
    assert tuple(draw_people(black(), [[[60.0, 50.0]]])[50, 60]) == CENTRE
