"""Predictor: where the keypoints land, for every kind of input, and what becomes of input that is no use."""

from __future__ import annotations

import os
import subprocess
import sys
import tracemalloc
import warnings
from concurrent.futures import ThreadPoolExecutor
from types import SimpleNamespace

import cv2
import numpy as np
import pytest
import torch
import toy_predictor
from toy_predictor import ANN, BOB, BOTH, BOX_ANN, BOX_BOB, CROP, close, photo, picture, save

from posekit import Predictor
from posekit.errors import ConfigError, DataError
from posekit.inference.scenes import Found, Scene, narrowed

# --- where the keypoints land ----------------------------------------------------------------------------


def test_keypoints_in_image_pixels_in_the_order_of_the_boxes(predict):
    close(predict(photo(), BOTH), ANN, BOB)
    people = predict(photo(), np.array(BOTH[::-1]))
    close(people, BOB, ANN)
    assert people.box_source == "given"
    assert people.image_size_hw == (90, 160)
    np.testing.assert_array_equal(people[0].box_xyxy, BOX_BOB)
    assert people[0].keypoints.dtype == people[0].scores.dtype == np.float32
    assert [pose.person_id for pose in people] == [0, 1]


def test_one_box_alone_and_none_at_all(predict):
    close(predict(photo(), BOX_ANN), ANN)
    assert predict(photo(), np.zeros((0, 4))) == []
    assert predict(photo(), []) == []


def test_a_predictor_shown_in_a_line(predict):
    height, width = CROP.input_size_hw
    shown = repr(predict)
    assert shown.startswith("<Predictor: ")
    assert f"input {height}x{width}, cpu" in shown


def test_box_scores_are_handed_on(predict):
    assert [pose.box_score for pose in predict(photo(), BOTH, [0.5, 0.25])] == [0.5, 0.25]


def test_whole_frame_is_one_person_and_says_so(predict):
    for refine in (0, 2):
        predictor = toy_predictor.predictor(refine=refine)
        people = predictor(picture(90, 70, ANN))
        close(people, ANN)
        assert people.box_source == "whole frame"
        said = predictor.describe()["boxes"]
        assert "whole frame as one person" in said
        assert ("then 2 closer looks" in said) == bool(refine)
        if refine:
            x1, y1, x2, y2 = people[0].box_xyxy
            assert (0 < x1 < 30, 0 < y1 < 30, 50 < x2 < 70, 60 < y2 < 90) == (True,) * 4
        else:
            np.testing.assert_array_equal(people[0].box_xyxy, [0, 0, 70, 90])


def test_a_person_smaller_than_the_frame_is_looked_at_again():
    image = np.zeros((300, 240, 3), np.uint8)
    image[80:260, 60:200] = cv2.resize(picture(90, 70, ANN), (140, 180))
    dots = 2 * np.array(ANN) + 0.5 + (60, 80)
    off, sure = [], []
    for refine in (0, 1, 2):
        person = toy_predictor.predictor(refine=refine)([image, image[:9, :9]])[0][0]
        off.append(np.abs(person.keypoints - dots).max())
        sure.append(person.scores.min())
    assert off[0] > 0.5
    assert max(off[1:]) < 0.1
    assert min(sure[1:]) > 2 * sure[0]


@pytest.mark.parametrize("refine", [0, 1, 3])
def test_it_looks_closer_as_often_as_it_says(refine):
    model, sizes = toy_predictor.estimator(), []
    model.backbone.register_forward_hook(lambda _, images, maps: sizes.append(len(images[0])))
    Predictor(model, crop=CROP, device="cpu", refine=refine)(picture(90, 70, ANN))
    assert sizes == [1] * (1 + refine)
    # Boxes that were given are looked at once.
    sizes.clear()
    Predictor(model, crop=CROP, device="cpu", refine=refine)(photo(), BOTH)
    assert sizes == [2]


def test_the_box_of_a_closer_look_by_hand():
    """Joints over 20 by 40 pixels: 0.35 of 20 and of 40 are added on every side, within the image."""
    scene = Scene(np.zeros((70, 50, 3), np.uint8), np.array([[0, 0, 50, 70.0]]), np.ones(1), "whole frame")
    points, sure = np.array([[[10, 20], [30, 60], [20, 40]]], np.float32), np.full((1, 3), 0.9)
    np.testing.assert_allclose(narrowed(scene, Found(points, sure, {})).boxes, [[3, 6, 37, 70]])
    # A stick: half of its length counts as its width.
    stick = np.array([[[20, 20], [20, 60], [20, 40]]], np.float32)
    np.testing.assert_allclose(narrowed(scene, Found(stick, sure, {})).boxes, [[13, 6, 27, 70]])
    assert narrowed(scene, Found(points, np.array([[0.9, 0.9, 0.1]]), {})) is None
    assert narrowed(scene, Found(np.full((1, 3, 2), 5, np.float32), sure, {})) is None
    wild = np.array([[[10, 20], [300, 60], [20, 40]]], np.float32)  # as a rotated or huge crop may give
    assert narrowed(scene, Found(wild, sure, {})).usable().all()


def test_detector_finds_the_boxes_of_images_without():
    seen = []

    def detect(images):
        seen.append([image.shape for image in images])
        return [SimpleNamespace(boxes_xyxy=np.array([BOX_BOB], np.float32), scores=np.array([0.75]))] * len(
            images
        )

    predict = toy_predictor.predictor(detector=detect)
    people = predict([photo(), photo(), photo()], [None, [BOX_ANN], None])
    assert [each.box_source for each in people] == ["detector", "given", "detector"]
    close(people[0], BOB)
    close(people[1], ANN)
    assert people[2][0].box_score == 0.75
    assert seen == [[(90, 160, 3)] * 2]
    assert "detect" in predict.describe()["boxes"]


def test_detector_that_finds_nobody():
    empty = SimpleNamespace(boxes_xyxy=np.zeros((0, 4)), scores=np.zeros(0))
    assert toy_predictor.predictor(detector=lambda images: [empty for _ in images])(photo()) == []


def test_the_batch_size_and_the_company_change_nothing(predict):
    boxes = [np.add(BOX_ANN, i) for i in range(7)]
    alone = [predict(photo(), [box])[0] for box in boxes]
    for size in (1, 3, 7):
        several = toy_predictor.predictor(max_batch=size)([photo(), photo()], [boxes[:3], boxes[3:]])
        for pose, other in zip([*several[0], *several[1]], alone, strict=True):
            np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=1e-4)
            np.testing.assert_allclose(pose.scores, other.scores, atol=1e-6)


def test_flip_test_can_be_set_and_leaves_the_model_alone():
    model = toy_predictor.estimator(flip_test=False)
    flipped = Predictor(model, crop=CROP, device="cpu", flip_test=True)
    assert not model.flip_test
    assert flipped.describe()["flip"] != Predictor(model, crop=CROP, device="cpu").describe()["flip"]
    # Mirrored, the red dot is the other side's: averaged, each map shows both at half the height.
    one, other = flipped(photo(), [BOX_ANN])[0], toy_predictor.predictor()(photo(), [BOX_ANN])[0]
    assert one.scores[0] == pytest.approx(other.scores[0] / 2, abs=0.05)
    assert one.scores[2] == pytest.approx(other.scores[2], abs=0.05)


# --- boxes that are no use -------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "bad",
    [
        (np.nan, 0, 10, 10),
        (0, 0, np.inf, 10),
        (10, 10, 10, 50),
        (50, 10, 10, 50),
        (500, 10, 600, 50),
        (-50, -50, -10, -10),
        (0, 0, 1e300, 1e300),
        (5, 5, 5 + 1e-300, 9),
    ],
)
def test_there_is_no_pose_of_a_useless_box(predict, bad):
    with pytest.warns() as caught:
        people = predict(photo(), [BOX_ANN, bad, BOX_BOB])
    (said,) = [str(warning.message) for warning in caught]  # none of numpy's
    assert said.startswith(f"1 of 3 boxes cannot be used: number 1, [{bad[0]:g}, {bad[1]:g}, ")
    assert people.unusable == (1,)
    assert people.unusable_words == said
    close(people, ANN, BOB)
    assert [pose.person_id for pose in people] == [0, 2]  # the boxes' numbers
    with pytest.raises(DataError, match="2 of 2 boxes cannot be used: number 0, "):
        predict(photo(), [bad, bad])
    with pytest.warns(UserWarning, match="left out: 1 of 1 boxes cannot be used: number 0, "):
        one, other = predict([photo(), photo()], [[bad], [BOX_ANN]])
    assert one == []
    assert "boxes cannot be used" in str(one.error)
    close(other, ANN)


@pytest.mark.parametrize(
    ("bad", "why"),
    [
        ((np.nan, 5, 60, 75), "not finite"),
        ((60, 5, 20, 75), r"no area: expected x1, y1, x2, y2 in pixels \(no width and height\)"),
        ((20, 5, 20, 75), "no area"),
        ((1000, 5, 1020, 75), r"outside the image of \d+ x \d+"),
    ],
)
def test_what_is_wrong_with_a_box_is_said(predict, bad, why):
    with pytest.raises(DataError, match=f"number 0, .* [(]{why}"):
        predict(photo(), [bad])


@pytest.mark.parametrize("score", [np.nan, np.inf])
def test_a_box_with_a_score_that_is_no_number_cannot_be_used(predict, score):
    with pytest.warns(UserWarning, match=rf"number 0, .* \(its score is {score:g}\)"):
        people = predict(photo(), BOTH, [score, 0.5])
    assert people.unusable == (0,)
    assert [pose.box_score for pose in people] == [0.5]


def test_useless_boxes_of_several_images_are_warned_of(predict):
    with pytest.warns(UserWarning, match="1 of 2 boxes cannot be used: number 1, ") as caught:
        predict([photo(), photo()], [BOTH, [BOX_ANN, (90, 70, 20, 30)]])
    assert len(caught) == 1


def test_boxes_that_leave_the_image_are_used(predict):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        people = predict(photo(), [(-200, -200, 60, 75), (100, 20, 400, 300)])
    assert people.unusable == ()
    assert all(np.isfinite(pose.keypoints).all() for pose in people)


@pytest.mark.parametrize(
    "boxes", [[[1, 2, 3]], np.zeros((2, 2, 4)), ["a"], [[1, 2, 3, None, 4]], [[1, 2], [3]]]
)
def test_boxes_of_another_shape(predict, boxes):
    with pytest.raises(DataError, match="boxes"):
        predict(photo(), boxes)


def test_scores_that_do_not_fit(predict):
    with pytest.raises(DataError, match="one per box"):
        predict(photo(), BOTH, [0.5])


# --- several images --------------------------------------------------------------------------------------


def test_a_bad_image_stops_no_other(predict, tmp_path):
    save(tmp_path / "a.png", photo())
    (tmp_path / "b.jpg").write_bytes(b"\xff\xd8 no image")
    (tmp_path / "c.png").write_bytes(b"")
    save(tmp_path / "d.png", picture(90, 70, ANN))
    (tmp_path / "notes.txt").write_text("not an image")
    with pytest.warns(UserWarning, match="left out") as caught:
        people = predict(tmp_path)
    assert [len(each) for each in people] == [1, 0, 0, 1]
    assert [each.error is None for each in people] == [True, False, False, True]
    assert "b.jpg" in str(people[1].error)
    said = [str(warning.message) for warning in caught]
    assert [name in words for name, words in zip(("notes.txt", "b.jpg", "c.png"), said, strict=True)] == [
        True
    ] * 3
    close(people[3], ANN)


def test_a_folder_of_odd_things(predict, tmp_path):
    save(tmp_path / "a.png", photo())
    (tmp_path / "b.jpg").mkdir()
    (tmp_path / "c.jpg").symlink_to("nowhere.jpg")
    os.mkfifo(tmp_path / "d.jpg")  # to read it would never end
    with pytest.warns(UserWarning, match=r"c\.jpg") as caught:
        people = predict(tmp_path)
    assert [len(each) for each in people] == [1, 0]
    assert len(caught) == 1


def test_faulty_boxes_stop_no_other_image(predict):
    with pytest.warns(UserWarning, match="boxes"):
        people = predict([photo()] * 3, [[BOX_ANN], [[1, 2]], None])
    assert [len(each) for each in people] == [1, 0, 1]


def test_empty_folder_and_empty_list(predict, tmp_path):
    with pytest.raises(DataError, match="the folder holds no images"):
        predict(tmp_path)
    assert predict([]) == []


def test_as_many_boxes_as_images(predict):
    with pytest.raises(DataError, match="each of 2 images, found 1"):
        predict([photo(), photo()], [BOTH])


# --- streams, threads, memory ----------------------------------------------------------------------------


def test_stream_answers_each_frame_before_the_next(predict):
    asked = []

    def frames():
        for i in range(3):
            asked.append(i)
            yield photo()

    stream = predict.stream(frames(), boxes=iter([BOTH] * 3))
    close(next(stream), ANN, BOB)
    assert asked == [0]
    assert len(list(stream)) == 2


@pytest.mark.parametrize("name", ["boxes", "box_scores"])
def test_a_stream_whose_boxes_end_before_its_images(predict, name):
    given = {"boxes": iter([BOTH] * 3), "box_scores": iter([[1, 1]] * 3), name: iter([None] * 2)}
    stream = predict.stream((photo() for _ in range(3)), **given)
    assert [people.error for people in (next(stream), next(stream))] == [None, None]
    with pytest.raises(DataError, match=rf"{name}: expected an entry for each image, found 2"):
        next(stream)


def test_stream_memory_is_flat(predict):
    def frames(count):
        for i in range(count):
            yield np.full((400, 500, 3), i % 251, np.uint8)  # 600 kB each

    for _ in predict.stream(frames(5)):
        pass
    tracemalloc.start()
    try:
        peaks = []
        for number, _ in enumerate(predict.stream(frames(300), images_at_once=2)):
            if number in (20, 299):
                peaks.append(tracemalloc.get_traced_memory()[1])
    finally:
        tracemalloc.stop()
    assert peaks[0] > 600_000  # frames are traced at all
    assert peaks[1] - peaks[0] < 200_000  # 280 frames would be 168 MB


def test_threads_get_what_one_gets(predict):
    images = [picture(90, 160, np.add(ANN, (i, i % 5)), BOB) for i in range(24)]
    alone = [predict(image, BOTH) for image in images]
    with ThreadPoolExecutor(8) as pool:
        together = list(pool.map(lambda image: predict(image, BOTH), images))
    for people, others in zip(alone, together, strict=True):
        for pose, other in zip(people, others, strict=True):
            np.testing.assert_array_equal(pose.keypoints, other.keypoints)
            np.testing.assert_array_equal(pose.scores, other.scores)


def test_a_call_changes_nothing(predict):
    def state():
        return {name: id(value) for name, value in vars(predict).items()}

    before, image = state(), photo()
    copy = image.copy()
    predict(image, BOTH)
    assert state() == before
    np.testing.assert_array_equal(image, copy)
    assert not torch.is_inference_mode_enabled()


# --- making one ------------------------------------------------------------------------------------------


def test_import_of_posekit_is_cheap():
    code = "import sys, posekit; print([m for m in ('torch', 'numpy', 'cv2', 'typing') if m in sys.modules])"
    command = [sys.executable, "-S", "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


def test_networks_and_data_come_without_the_compiler_and_the_films():
    code = (
        "import sys, posekit.models, posekit.datasets, posekit.metrics.evaluators; "
        "print([m for m in ('torch._dynamo', 'timm', 'torchvision', 'av', 'matplotlib') if m in sys.modules])"
    )
    command = [sys.executable, "-c", code]
    assert subprocess.run(command, capture_output=True, text=True, check=True).stdout.strip() == "[]"


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"max_batch": 0}, "max_batch"),
        ({"refine": -1}, "refine"),
        ({"images_at_once": 1.5}, "images_at_once"),
        ({"device": "cuda:99"}, "cuda:99"),
        ({"detector": 3}, "detector"),
        ({"crop": None}, "crop"),
        ({"detector": "fasterrcnn_resnet51"}, "fasterrcnn_resnet50_fpn"),
    ],
)
def test_impossible_settings(settings, words):
    with pytest.raises(ConfigError, match=words):
        Predictor(toy_predictor.estimator(), **{"crop": CROP, "device": "cpu", **settings})
