"""Pictures: what is drawn where and in which colour, sheets' layout, and curves from records."""

from __future__ import annotations

import json
from dataclasses import replace

import cv2
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from posekit.errors import DataError
from posekit.structures import PersonRecord, Pose, Skeleton
from posekit.visualization import (
    contact_sheet,
    crop_photo,
    draw_box,
    draw_line,
    draw_pose,
    draw_text,
    overlay_heatmaps,
    plot_curves,
    prediction_sheet,
    read_scalars,
    save_image,
    scores_from_visible,
)
from posekit.visualization.cases import pose_error
from posekit.visualization.curves import curves_figure, missing
from posekit.visualization.drawing import CENTRE, LEFT, RIGHT, side_colour, side_of
from posekit.visualization.records import as_percent, collect, epoch_means, find_score, headline_scores
from posekit.visualization.sheets import FRAME, PAPER

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


def test_draw_box_and_line_and_text_mark_what_they_should():
    boxed = draw_box(GRAY, np.array([20, 30, 80, 90]), (1, 2, 3), thickness=3)
    assert tuple(boxed[30, 50]) == tuple(boxed[60, 20]) == tuple(boxed[90, 50]) == (1, 2, 3)
    assert tuple(boxed[60, 50]) == (128, 128, 128)
    assert differs(draw_box(GRAY, np.array([20, 30, 80, 90]), label="Ä"), boxed).any()
    assert (draw_box(GRAY, np.array([np.nan, 0, 1, 1])) == GRAY).all()
    line = draw_line(GRAY, np.array([10.0, 20.0]), np.array([100.0, 20.0]), (9, 9, 9), thickness=3)
    assert tuple(line[20, 60]) == (9, 9, 9)
    assert tuple(line[30, 60]) == (128, 128, 128)
    text = differs(draw_text(GRAY, "posé 姿", (10, 10), height=20), GRAY)
    rows, columns = np.nonzero(text)
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


# --- curves ---------------------------------------------------------------------------------------------


def records(epochs: int = 4, per_epoch: int = 37, interval: int = 10):
    """The records of a run as mmengine logs them: every tenth iteration, none at an epoch's end."""
    for epoch in range(1, epochs + 1):
        for i in range(interval, per_epoch, interval):
            step = (epoch - 1) * per_epoch + i
            yield {
                "lr": 1e-3,
                "loss": 1 / step,
                "acc_pose": step / 1000,
                "epoch": epoch,
                "iter": step,
                "step": step,
            }
        yield {"AP": 0.1 * epoch, "PCKh@0.5/mean_weighted": 10.0 * epoch, "step": epoch}


def test_collect_puts_training_records_at_fractions_of_an_epoch():
    curves = collect(records(epochs=40))
    # 37 iterations an epoch are found from the steps alone.
    np.testing.assert_allclose(curves.train_epoch[:4], np.array([10, 20, 30, 47]) / 37)
    np.testing.assert_allclose(curves.train["loss"][:2], [0.1, 0.05])
    epochs, values = curves.val["AP"]
    np.testing.assert_allclose(epochs[:3], [1, 2, 3])
    np.testing.assert_allclose(values[:3], [0.1, 0.2, 0.3])


def test_an_epoch_that_ends_with_a_record_says_how_long_it_is():
    # The first record comes late, at step 50 of 99: the steps alone would allow epochs of up to 106.
    steps = [(e - 1) * 99 + i for e in range(1, 9) for i in (50, 99)]
    found = collect({"lr": 1, "step": step, "epoch": -(-step // 99)} for step in steps)
    np.testing.assert_allclose(found.train_epoch, np.array(steps) / 99)


def test_a_run_begun_anew_leaves_the_earlier_one_out(tmp_path):
    """The work directory was used before: of the first run, three epochs long, nothing may be left."""
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    write_scalars(first, list(records(epochs=3)))
    write_scalars(second, [{**record, "new": True} for record in records(epochs=1)])
    found = read_scalars(tmp_path)
    assert [record["step"] for record in found if "lr" in record] == [10, 20, 30]
    assert all(record["new"] for record in found)


def test_a_run_resumed_from_epoch_two_goes_on_from_there(tmp_path):
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    write_scalars(first, list(records(epochs=3)))
    later = [{**record, "new": True} for record in records(epochs=3) if record.get("epoch", 3) == 3]
    write_scalars(second, [record for record in later if "lr" in record or record["step"] == 3])
    found = read_scalars(tmp_path)
    assert [record["step"] for record in found if "lr" in record] == [10, 20, 30, 47, 57, 67, 84, 94, 104]
    assert ["new" in record for record in found if "lr" in record] == [False] * 6 + [True] * 3
    assert [record["step"] for record in found if "AP" in record] == [1, 2, 3]


def test_scores_are_shown_in_percent():
    assert as_percent("AP", np.array([0.5])) == 50
    assert as_percent("mpii/PCKh@0.5/mean_weighted", np.array([50.0])) == 50
    assert as_percent("pixels", np.array([7.0])) == 7


@pytest.mark.parametrize(
    ("have", "drawn"),
    [
        (["AP50", "AP", "AR"], ["AP"]),
        (["coco/AP", "mpii/PCKh@0.5/mean_weighted"], ["coco/AP", "mpii/PCKh@0.5/mean_weighted"]),
        (["PCK@0.2/neck", "PCK@0.2/mean", "PCK@0.2/mean12"], ["PCK@0.2/mean12"]),
        (["PCK@0.2/nose", "PCK@0.2/mean"], ["PCK@0.2/mean"]),
        (["loss", "x", "y", "z"], ["x", "y"]),
    ],
)
def test_headline_scores(have, drawn):
    assert headline_scores(have) == drawn


def test_a_score_is_found_by_its_end_and_a_misspelt_one_is_told_from_its_like():
    names = ["coco/AP", "coco/AR", "loss"]
    assert find_score(names, "AR", "run") == "coco/AR"
    with pytest.raises(DataError, match=r"run: there is no score 'coco/AQ'; did you mean 'coco/A[PR]'"):
        find_score(names, "coco/AQ", "run")
    with pytest.raises(DataError, match="no score has been logged yet"):
        find_score([], "AP", "run")


def test_epoch_means_lie_amid_their_epoch():
    epochs, values = np.array([0.5, 1.0, 1.5, 2.0, 2.5, 3.0]), np.array([1.0, 3, 5, np.nan, 2, 4])
    x, y = epoch_means(epochs, values)
    np.testing.assert_allclose(x, [0.75, 1.75, 2.75])
    np.testing.assert_allclose(y, [2, np.nan, 3])
    np.testing.assert_allclose(epoch_means(epochs[:4], values[:4])[0], epochs[:4])


def write_scalars(path, lines):
    """Strings are written as they are, records as a line each."""
    path.parent.mkdir(parents=True, exist_ok=True)
    texts = [line if isinstance(line, str) else json.dumps(line) + "\n" for line in lines]
    path.write_text("".join(texts), "utf-8")


def test_read_scalars_joins_a_resumed_run_and_forgives_a_killed_ones_last_line(tmp_path):
    first, second = (tmp_path / day / "vis_data" / "scalars.json" for day in ("20260101_0", "20260102_0"))
    step = {"lr": 1, "loss": 3, "epoch": 1, "step": 1}
    write_scalars(first, [step, {**step, "loss": 2, "step": 2}, {"AP": 0.1, "step": 1}, '{"lr": 1, "lo'])
    write_scalars(second, [{**step, "loss": 9, "step": 2}, {"AR": 0.2, "step": 1}])
    found = read_scalars(tmp_path)
    assert [r["loss"] for r in found if "lr" in r] == [3, 9]
    assert [r for r in found if "lr" not in r] == [{"AP": 0.1, "AR": 0.2, "step": 1}]


def test_read_scalars_names_the_faulty_line_and_the_missing_file(tmp_path):
    write_scalars(tmp_path / "scalars.json", ['{"lr": 1}\n', "garbage\n", '{"lr": 1}\n'])
    with pytest.raises(DataError, match=r"scalars\.json, line 2: not a JSON object"):
        read_scalars(tmp_path / "scalars.json")
    write_scalars(tmp_path / "scalars.json", ["[1]\n", "{}\n"])
    with pytest.raises(DataError, match="line 1: expected a JSON object, found list"):
        read_scalars(tmp_path / "scalars.json")
    with pytest.raises(DataError, match="nothing: no such file or folder"):
        read_scalars(tmp_path / "nothing")
    (tmp_path / "empty").mkdir()
    with pytest.raises(DataError, match=r"empty: no scalars\.json"):
        read_scalars(tmp_path / "empty")


@pytest.mark.parametrize(
    "runs",
    [
        pytest.param(list(records()), id="a run"),
        pytest.param({"MSE": list(records()), "focal MSE": list(records(2))}, id="two runs"),
        pytest.param([], id="nothing yet"),
        pytest.param([{"AP": 0.5, "step": 1}], id="validation alone"),
        pytest.param(
            [{"lr": 1e-3, "loss": float("nan"), "epoch": 1, "step": 1}], id="a loss that is not a number"
        ),
        pytest.param([{"other": -1.0, "step": 1}, {"other": -2.0, "step": 2}], id="an unknown score"),
    ],
)
def test_plot_curves_writes_a_picture_of_any_run(tmp_path, runs):
    path = plot_curves(runs, tmp_path / "görbék.png", title="A run")
    assert cv2.imdecode(np.frombuffer(path.read_bytes(), np.uint8), cv2.IMREAD_COLOR).shape[2] == 3
    assert [p.name for p in tmp_path.iterdir()] == ["görbék.png"]


def test_curves_of_runs_side_by_side_are_those_of_the_records():
    long, short = collect(records(epochs=4)), collect([r for r in records(epochs=2) if "lr" in r])
    figure = curves_figure({"long": long, "short": short}, ["AP"])
    panels = {axes.get_title(loc="left"): axes for axes in figure.axes}
    assert list(panels) == ["Training loss", "Training accuracy", "Validation AP", "Learning rate"]
    loss = panels["Training loss"].lines
    np.testing.assert_allclose(loss[0].get_ydata(), long.train["loss"])
    np.testing.assert_allclose(loss[1].get_ydata(), long.train["loss"].reshape(4, 3).mean(axis=1))
    np.testing.assert_allclose(loss[2].get_xdata(), short.train_epoch)
    score, best = panels["Validation AP"].lines
    np.testing.assert_allclose(score.get_xydata(), [[1, 10], [2, 20], [3, 30], [4, 40]])
    np.testing.assert_allclose(best.get_xydata(), [[4, 40]])
    assert [text.get_text() for text in panels["Validation AP"].texts] == ["not logged by short"]
    assert missing({"long": long, "short": short}, ["AP"]) == {"Validation AP": ["short"]}
    assert [text.get_text() for text in figure.legends[0].get_texts()] == [
        "long: best AP 40.0 at epoch 4", "short"
    ]  # fmt: skip
    with pytest.raises(DataError, match=r"long, short: there is no score 'APP'; did you mean 'AP'"):
        curves_figure({"long": long, "short": short}, ["APP"])


def test_the_legend_of_many_runs_lies_within_the_picture_and_off_the_panels():
    runs = {f"a run with a rather long name, number {i}": collect(records(epochs=3)) for i in range(24)}
    figure = curves_figure(runs, title="Many")
    figure.draw_without_rendering()
    box = figure.legends[0].get_window_extent()
    assert box.x0 >= 0
    assert box.x1 <= figure.bbox.width
    assert box.y1 <= min(axes.get_window_extent().y0 for axes in figure.axes)
    looks = [
        (line.get_color(), line.get_linestyle(), line.get_marker()) for line in figure.legends[0].get_lines()
    ]
    assert len(set(looks)) == 24


def test_plot_curves_reads_a_work_directory(tmp_path):
    write_scalars(tmp_path / "20260101" / "vis_data" / "scalars.json", list(records()))
    assert plot_curves(tmp_path, tmp_path / "curves.pdf", metrics=["AP"]).read_bytes().startswith(b"%PDF")
