"""tools/demo.py in this process, with a network that finds coloured dots."""

from __future__ import annotations

import errno
import json
import os
import re
from pathlib import Path

import cv2
import numpy as np
import pytest
import torch
import toy_predictor
from demo_runs import boxes, known_network, points, results, run, save, video  # noqa: F401 - a fixture
from detection.detector_cases import write_weights
from toy_films import MILLISECOND, write_film
from toy_predictor import ANN, BOB, BOX_ANN, picture

import posekit
from posekit.detection import PersonDetector
from posekit.errors import DataError
from posekit.inference import demo, torso_colours
from posekit.inference.calibration import Calibration
from posekit.inference.detections import DetectionFile
from posekit.io.images import read_image
from posekit.io.video import VideoReader


def write_text(path: Path) -> Path:
    path.write_text("no picture\n" * 99)
    return path


def test_a_photo_with_boxes(monkeypatch, tmp_path):
    path = save(tmp_path / "in" / "photo.png", picture(90, 160, ANN, BOB))
    assert run(monkeypatch, path, "--out", tmp_path / "out", "--boxes", *boxes()) == 0
    first, second = results(tmp_path / "out" / "results.json")
    np.testing.assert_allclose(points(first), ANN, atol=1)
    np.testing.assert_allclose(points(second), BOB, atol=1)
    assert first["file_name"] == "photo.png"
    assert first["category_id"] == 1
    assert first["box_xywh"] == [20, 15, 40, 60]
    assert 0.5 < first["score"] <= 1
    assert "track_id" not in first
    drawn, before = read_image(tmp_path / "out" / "photo.png"), read_image(path)
    assert drawn.shape == before.shape
    assert (drawn != before).any()


@pytest.mark.parametrize(("words", "asked"), [([], None), (["--flip"], True), (["--no-flip"], False)])
def test_the_mirror_image_is_as_the_model_is_set_unless_it_is_asked_for(monkeypatch, tmp_path, words, asked):
    found, made = [], posekit.Predictor
    monkeypatch.setattr(
        posekit, "Predictor", lambda *args, **settings: found.append(settings) or made(*args, **settings)
    )
    save(tmp_path / "a.png", picture(90, 70, ANN))
    assert run(monkeypatch, tmp_path / "a.png", "--out", tmp_path / "out", *words) == 0
    assert [settings["flip_test"] for settings in found] == [asked]


def test_the_whole_frame_and_one_file(monkeypatch, tmp_path, capsys):
    path = save(tmp_path / "photo.png", picture(90, 70, ANN))
    assert run(monkeypatch, path, "--out", tmp_path / "drawn.jpg") == 0
    np.testing.assert_allclose(points(results(tmp_path / "drawn.json")[0]), ANN, atol=1)
    assert (tmp_path / "drawn.jpg").is_file()
    shown = capsys.readouterr()
    assert "whole frame as one person" in shown.out
    assert "1/1" in shown.err  # the progress bar


def test_nobody_is_drawn_where_nobody_is_clear(monkeypatch, tmp_path, capsys):
    known = posekit.Predictor
    calibration = Calibration((0.0, 0.5), (0.0, 1.0), joints=3, person_threshold=0.5)
    monkeypatch.setattr(
        posekit, "Predictor", lambda *words, **settings: known(*words, **settings, calibration=calibration)
    )
    save(tmp_path / "in" / "nobody.png", np.zeros((90, 170, 3), np.uint8))
    save(tmp_path / "in" / "small.png", np.zeros((30, 30, 3), np.uint8))
    path = save(tmp_path / "in" / "person.png", picture(90, 70, ANN))
    assert run(monkeypatch, path.parent, "--out", tmp_path / "o", "--detector", "none") == 0
    assert [record["file_name"] for record in results(tmp_path / "o" / "results.json")] == ["person.png"]
    said = capsys.readouterr().out
    assert "left out: 2 that were looked at and are no clear person" in said
    assert "1 poses in 3 images" in said
    assert "no clear person in nobody.png, small.png\n" in said
    drawn = read_image(tmp_path / "o" / "nobody.png")
    assert drawn[:20].any()  # where it says so
    assert not drawn[20:].any()
    assert not read_image(tmp_path / "o" / "small.png").any()


def test_boxes_that_begin_outside_the_picture(monkeypatch, tmp_path):
    path = save(tmp_path / "photo.png", picture(90, 160, ANN))
    assert run(monkeypatch, path, "--out", tmp_path / "o", "--boxes", "-5,-7.5,60,75", "20,15,60,75") == 0
    first, second = results(tmp_path / "o" / "results.json")
    assert first["box_xywh"] == [-5, -7.5, 65, 82.5]
    for record in (first, second):
        np.testing.assert_allclose(points(record), ANN, atol=1)


def test_a_photo_known_by_its_content(monkeypatch, tmp_path):
    save(tmp_path / "photo.png", picture(90, 70, ANN)).rename(tmp_path / "photo.jfif")
    assert run(monkeypatch, tmp_path / "photo.jfif", "--out", tmp_path / "o") == 0
    assert (tmp_path / "o" / "photo.jfif.png").is_file()


def test_people_of_a_detector_of_ones_own(monkeypatch, tmp_path, capsys):
    weights = write_weights(tmp_path / "tiny.pth", input_size=torch.tensor([64, 96]))
    path = save(tmp_path / "photo.png", picture(90, 160, ANN, BOB))
    assert run(monkeypatch, path, "--out", tmp_path / "o", "--detector", weights) == 0
    expected = PersonDetector(weights=weights, device="cpu")([read_image(path)])[0]
    found = results(tmp_path / "o" / "results.json")
    assert [record["box_score"] for record in found] == pytest.approx(expected.scores.tolist(), abs=1e-4)
    assert "score >= 0.5" in capsys.readouterr().out
    words = ("--out", tmp_path / "o", "--detector", weights, "--box-threshold", 0.02)
    assert run(monkeypatch, path, *words) == 0
    assert len(results(tmp_path / "o" / "results.json")) > len(found)
    assert run(monkeypatch, path, "--out", tmp_path / "o", "--detector", "yolo") == 2
    assert "'yolo': neither a file of weights" in capsys.readouterr().err


def test_a_folder_with_bad_images_and_a_detection_file(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "in"
    save(folder / "000000000139.png", picture(90, 160, ANN, BOB))
    save(folder / "000000000285.bmp", picture(90, 160, ANN, BOB))
    (folder / "000000000400.jpg").write_bytes(b"\xff\xd8\xff broken")
    save(folder / "000000000500.png", np.zeros((1, 1, 3), np.uint8))
    x1, y1, x2, y2 = BOX_ANN
    xywh = [x1, y1, x2 - x1, y2 - y1]
    found = [
        {"image_id": 139, "category_id": 1, "bbox": xywh, "score": 0.9},
        {"image_id": 139, "category_id": 18, "bbox": [0, 0, 5, 5], "score": 0.9},
        {"image_id": 139, "category_id": 1, "bbox": [100, 20, 40, 60], "score": 0.2},
        {"image_id": 285, "category_id": 1, "bbox": [float("nan"), 20, 40, 60], "score": 0.8},
        {"image_id": 285, "category_id": 1, "bbox": xywh, "score": 0.7},
    ]
    (tmp_path / "found.json").write_text(json.dumps(found))
    words = ("--detections", tmp_path / "found.json", "--box-threshold", 0.5, "--out", tmp_path / "out")
    assert run(monkeypatch, folder, *words) == 3  # not all of it could be used
    records = results(tmp_path / "out" / "results.json")
    assert [(r["image_id"], r["box_score"]) for r in records] == [(139, 0.9), (285, 0.7)]
    np.testing.assert_allclose(points(records[1]), ANN, atol=1)
    names = {path.name for path in (tmp_path / "out").iterdir()}
    assert names == {"000000000139.png", "000000000285.bmp.png", "000000000500.png", "results.json"}
    shown = capsys.readouterr()
    assert "000000000400.jpg" in shown.out
    assert "1 of 2 boxes cannot be used: number 0, [nan, 20, nan, 80] (not finite" in shown.out
    assert "error: 1 of what was given could not be used" in shown.err
    assert "2 poses in 3 images" in shown.out
    assert "4/4" in shown.err  # the bar goes to its end


def test_a_video_tracked_and_smoothed(monkeypatch, tmp_path):
    path = video(tmp_path / "video.mp4")
    words = ("--out", tmp_path / "out.mp4", "--track", "--smooth", "--boxes", *boxes())
    assert run(monkeypatch, path, *words) == 0
    assert len(list(VideoReader(tmp_path / "out.mp4"))) == 8
    records = results(tmp_path / "out.json")
    assert [r["image_id"] for r in records] == [i for i in range(8) for _ in range(2)]
    assert [r["track_id"] for r in records] == [0, 1] * 8
    last = points(records[-2])
    assert (last[:, 0] < np.array(ANN)[:, 0] + 7).all()  # a moving point is followed from behind
    assert (last[:, 0] > np.array(ANN)[:, 0] + 2).all()


def test_people_are_known_by_their_clothes_where_the_skeleton_has_a_trunk(monkeypatch, tmp_path, capsys):
    path = video(tmp_path / "video.mp4")
    words = (path, "--out", tmp_path / "out.mp4", "--appearance", "--boxes", *boxes())
    assert run(monkeypatch, *words) == 2
    assert "TorsoColours: skeleton 'dots' has no left_shoulder" in capsys.readouterr().err
    seen = []

    def looks(image, poses):
        seen.append(image.copy())
        return np.eye(2)[: len(poses)]

    monkeypatch.setattr(torso_colours, "TorsoColours", lambda skeleton: looks)
    assert run(monkeypatch, *words) == 0
    assert [r["track_id"] for r in results(tmp_path / "out.json")] == [0, 1] * 8
    frames = list(VideoReader(path))
    assert all(np.array_equal(one, other) for one, other in zip(seen, frames, strict=True))


def test_a_video_keeps_its_frames_times(monkeypatch, tmp_path):
    """Ann walks 20 pixels a second, seen 10 times a second and then, after a gap, twice as often."""
    times = [100 * n for n in range(5)] + [1000 + 50 * n for n in range(10)]
    images = [picture(96, 160, np.add(ANN, (0.02 * time, 0))) for time in times]
    path = write_film(tmp_path / "video.mkv", times, MILLISECOND, "ffv1", images=images)
    words = ("--out", tmp_path / "out.mp4", "--boxes", "20,15,80,75")
    assert run(monkeypatch, path, *words) == 0
    records = results(tmp_path / "out.json")
    assert [(r["image_id"], r["time"]) for r in records] == [(n, t / 1000) for n, t in enumerate(times)]
    film = list(VideoReader(tmp_path / "out.mp4").timed())
    np.testing.assert_allclose([frame.time for frame in film], np.array(times) / 1000, atol=1e-5)
    # After the gap of 0.6 s the filter begins anew; by counted frames it would lag behind.
    assert run(monkeypatch, path, *words, "--smooth") == 0
    smoothed = results(tmp_path / "out.json")
    np.testing.assert_allclose(points(smoothed[5]), points(records[5]), atol=1e-2)
    lag = np.abs(points(smoothed[4]) - points(records[4]))[:, 0].max()
    assert lag > 0.05


def test_frames_limits_a_video(monkeypatch, tmp_path):
    assert run(monkeypatch, video(tmp_path / "video.avi"), "--out", tmp_path / "o", "--frames", 3) == 0
    assert len(results(tmp_path / "o" / "results.json")) == 3
    assert len(list(VideoReader(tmp_path / "o" / "video.mp4"))) == 3


def test_a_30000_pixel_wide_photo(monkeypatch, tmp_path):
    path = save(tmp_path / "in" / "wide.png", np.full((20, 30000, 3), 90, np.uint8))
    assert run(monkeypatch, path, "--out", tmp_path / "out") == 0
    assert read_image(tmp_path / "out" / "wide.png").shape == (20, 30000, 3)


def test_nobody_is_an_empty_list(monkeypatch, tmp_path, capsys):
    path = save(tmp_path / "in" / "photo.png", picture(90, 160, ANN))
    (tmp_path / "found.json").write_text("[]")
    words = ("--detections", tmp_path / "found.json", "--out", tmp_path / "out")
    assert run(monkeypatch, path, *words) == 0
    assert results(tmp_path / "out" / "results.json") == []
    assert "no box for photo.png; it has none" in capsys.readouterr().out
    assert (tmp_path / "out" / "photo.png").is_file()


def test_a_folder_with_a_dot_is_one_if_it_is_there_or_by_its_slash(tmp_path, monkeypatch):
    path = save(tmp_path / "photo.png", picture(96, 160, ANN))
    (tmp_path / "run.v1").mkdir()
    for out in ("run.v1", "run.v2/"):
        assert run(monkeypatch, path, "--out", f"{tmp_path}/{out}") == 0
        assert (tmp_path / out / "photo.png").is_file()


def test_what_is_no_picture_in_a_folder_is_named_once(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "in"
    save(folder / "a.png", picture(90, 160, ANN))
    (folder / "b.jfif").write_bytes(cv2.imencode(".jpg", picture(90, 160, ANN)[..., ::-1])[1].tobytes())
    for name in ("a.txt", "c.HEIC", "d.mp4", ".hidden"):
        (folder / name).write_bytes(b"none")
    (folder / "sub").mkdir()
    assert run(monkeypatch, folder, "--out", tmp_path / "out") == 0
    shown = capsys.readouterr()
    said = "c.HEIC (HEIC: convert it to JPEG first), d.mp4 (give a video by itself), a.txt"
    assert shown.out.count(f"left out: 3 files that are no pictures: {said}\n") == 1
    assert "poses in 2 images" in shown.out
    assert "2/2" in shown.err
    with pytest.warns(UserWarning, match="left out: 3 files that are no pictures: c.HEIC"):
        assert len(toy_predictor.predictor()(folder)) == 2
    for name in ("a.png", "b.jfif"):
        (folder / name).unlink()
    assert run(monkeypatch, folder, "--out", tmp_path / "out") == 2
    assert "holds no images" in (message := capsys.readouterr().err)
    assert said in message


def test_a_gif_is_a_picture_in_a_folder_and_a_film_by_itself(monkeypatch, tmp_path, capsys):
    from PIL import Image

    folder = tmp_path / "in"
    folder.mkdir()
    Image.fromarray(picture(90, 160, ANN)).save(folder / "a.gif")
    assert run(monkeypatch, folder, "--out", tmp_path / "out") == 0
    assert "1 poses in 1 images" in capsys.readouterr().out
    assert run(monkeypatch, folder / "a.gif", "--out", tmp_path / "film") == 0
    assert "1 poses in 1 frames" in capsys.readouterr().out


def test_detections_that_give_nothing_are_told(monkeypatch, tmp_path, capsys):
    folder = tmp_path / "in"
    for name in ("000.png", "003.png"):
        save(folder / name, picture(90, 160, ANN))
    found = [
        {"image_id": 3, "category_id": category, "bbox": [1, 2, 30, 40], "score": score}
        for category, score in ((0, 0.9), (7, 0.9), (7, 0.8), (1, 0.25))
    ]
    found.append({"image_id": 12, "category_id": 1, "bbox": [1, 2, 30, 40], "score": 0.9})
    path = tmp_path / "found.json"
    path.write_text(json.dumps(found))
    assert run(monkeypatch, folder, "--detections", path, "--out", tmp_path / "out") == 0
    said = capsys.readouterr().out.splitlines()
    assert said[-5:-1] == [
        f"left out: {path}: 1 box of category 0 (person is 1)",
        f"left out: {path}: 2 boxes of category 7 (person is 1)",
        f"left out: {path}: 1 box scored below 0.5, the threshold (--box-threshold)",
        f"left out: {path}: the file has no box for 000.png; its ids are 3..12",
    ]
    assert said[-1].startswith("0 poses in 2 images")


def test_detections_of_other_names(monkeypatch, tmp_path, capsys):
    photo = save(tmp_path / "in" / "photo.png", picture(90, 160, ANN))
    (tmp_path / "found.json").write_text(json.dumps([{"file_name": "Photo.jpg", "bbox": [1, 2, 30, 40]}]))
    words = ("--detections", tmp_path / "found.json", "--out", tmp_path / "out")
    assert run(monkeypatch, photo, *words) == 0
    assert "the file has no box for photo.png; its file names are Photo.jpg\n" in capsys.readouterr().out


def boxes_of(path, **records):
    found = [
        {"file_name": name.replace("_", "/") + ".png", "bbox": [number, 2, 30, 40], "category_id": 1}
        for number, name in enumerate(records)
    ]
    path.write_text(json.dumps(found))
    return DetectionFile(path)


def test_detections_of_one_name_in_two_folders_are_those_of_the_folder(tmp_path):
    path = tmp_path / "found.json"
    both = boxes_of(path, a_x=0, b_x=1, b_y=2)
    for folder, left in (("a", 0), ("b", 1)):
        assert both.of(tmp_path / folder / "x.png")[0].tolist() == [[left, 2, left + 30, 42]]
    assert both.of(tmp_path / "elsewhere" / "y.png")[0][:, 0].tolist() == [2]
    with pytest.raises(DataError, match=r"several pictures are named x\.png \(a/x\.png, b/x\.png\)"):
        both.of(tmp_path / "c" / "x.png")
    assert boxes_of(path, x=0, a_x=1).of(tmp_path / "a" / "x.png")[0][:, 0].tolist() == [1]
    # In b's picture nobody was found; the first folder is reached by a link, and named from elsewhere.
    images = [{"id": number, "file_name": f"../{folder}\\x.png"} for number, folder in enumerate("ab")]
    path.write_text(json.dumps({"images": images, "annotations": [{"image_id": 0, "bbox": [5, 2, 30, 40]}]}))
    (tmp_path / "real").mkdir()
    (tmp_path / "a").symlink_to(tmp_path / "real")
    found = DetectionFile(path)
    assert found.of(tmp_path / "a" / "x.png")[0][:, 0].tolist() == [5]
    assert len(found.of(tmp_path / "b" / "x.png")[0]) == 0
    assert "the file has no box for x.png" in found.notes()[0]


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (
            [{"image_id": 1.7, "bbox": [1, 2, 3, 4]}],
            "record 0, field 'image_id': expected a whole number, found 1.7",
        ),
        (
            [{"image_id": True, "bbox": [1, 2, 3, 4]}],
            "record 0, field 'image_id': expected int or float or str",
        ),
        ([{"image_id": 1, "bbox": "1234"}], "record 0, field 'bbox': expected list, found str '1234'"),
        (
            [{"image_id": 1, "bbox": ["1", 2, 3, 4]}],
            "field 'bbox': expected x, y, width, height, found ['1', 2",
        ),
        (
            [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": 10**400}],
            "field 'score': expected a finite number",
        ),
        (
            [{"image_id": 1, "bbox": [True, 2, 3, 4]}],
            "field 'bbox': expected x, y, width, height, found [True",
        ),
        (
            [{"image_id": 1, "bbox": [1, 2, 3, 4], "score": "0.9"}],
            "field 'score': expected int or float, found str",
        ),
        (
            [{"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": "0"}],
            "field 'iscrowd': expected 0 or 1, found '0'",
        ),
        (
            {"images": [{"id": 1, "file_name": "a"}, {"id": 1, "file_name": "b"}], "annotations": []},
            "'images': expected unique ids, found 1 with two file names",
        ),
    ],
)
def test_detections_that_are_no_such_thing_are_refused(tmp_path, content, said):
    (tmp_path / "found.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=re.escape(said)):
        DetectionFile(tmp_path / "found.json")


def test_crowds_are_no_people_of_a_detection_file(tmp_path):
    records = [{"image_id": 1, "bbox": [1, 2, 3, 4], "iscrowd": crowd} for crowd in (0, 1)]
    (tmp_path / "found.json").write_text(json.dumps(records))
    found = DetectionFile(tmp_path / "found.json")
    assert len(found.of(1)[0]) == 1
    assert found.notes() == [f"{tmp_path / 'found.json'}: 1 box of a crowd ('iscrowd')"]


@pytest.mark.parametrize(
    ("make", "words", "message"),
    [
        (lambda t: t / "none.jpg", (), "no such file"),
        (lambda t: t, (), "no images"),
        (lambda t: "", (), "'': no such file"),
        (lambda t: "ftp://example.org/a.jpg", (), "a.jpg: expected an address of http or https, or a file"),
        (lambda t: "seq/%06d.jpg", (), "seq/%06d.jpg: is a pattern, of no file's own; give 'seq/*.jpg', or"),
        (lambda t: "*.png", (), "*.png: no picture has a name of this pattern"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--out", "in/a.png/o"), "nothing can be written"),
        (lambda t: write_text(t / "notes.txt"), (), "neither an image nor a video"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--out", "video.mp4"), "the output is pictures"),
        (lambda t: save(t / "b" / "a.png", picture(9, 9)).parent, ("--out", "x.jpg"), "give a folder"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--detections", "none.json"), "none.json"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--frames", "0"), "--frames"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--box-threshold", "30"), "expected at most 1"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--box-threshold", "nan"), "expected at most 1"),
        (lambda t: video(t / "a.mp4"), ("--out", "x.png"), "the output is a video"),
        (lambda t: video(t / "a.mp4"), ("--out", "film.xyz"), "ends in .mp4, .avi, .jpg, .jpeg, .png, or a"),
        (lambda t: video(t / "a.mp4"), ("--out", "x.gif"), "or a folder, found '.gif'; end the name of a"),
        (lambda t: save(t / "a.png", picture(9, 9)), ("--out", "x.tiff"), "or a folder, found '.tiff'"),
    ],
)
def test_what_the_user_can_mend(monkeypatch, tmp_path, capsys, make, words, message):
    monkeypatch.chdir(tmp_path)
    (tmp_path / "in").mkdir()
    assert run(monkeypatch, make(tmp_path / "in"), *words) == 2
    assert message in capsys.readouterr().err


def test_one_corrupt_photo_is_an_error_and_leaves_nothing(monkeypatch, tmp_path, capsys):
    path = tmp_path / "photo.jpg"
    path.write_bytes(b"\xff\xd8\xff broken")
    assert run(monkeypatch, path, "--out", tmp_path / "out") == 2
    assert "photo.jpg" in capsys.readouterr().err
    assert list((tmp_path / "out").iterdir()) == []


def test_inputs_are_never_overwritten(monkeypatch, tmp_path, capsys):
    path = save(tmp_path / "photo.png", picture(90, 70, ANN))
    before = path.read_bytes()
    assert run(monkeypatch, tmp_path, "--out", tmp_path) == 2
    assert run(monkeypatch, path, "--out", path) == 2
    assert "overwritten" in capsys.readouterr().err
    assert path.read_bytes() == before


def test_a_full_disk_keeps_the_poses_found_so_far(monkeypatch, tmp_path, capsys):
    for name in "abcdef":
        save(tmp_path / "in" / f"{name}.png", picture(90, 160, ANN, BOB))
    written = []

    def save_image(path, image):
        if len(written) == 2:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(path))
        written.append(path)

    monkeypatch.setattr(demo, "save_image", save_image)
    assert run(monkeypatch, tmp_path / "in", "--out", tmp_path / "out", "--boxes", *boxes()) == 2
    found = results(tmp_path / "out" / "results.json")
    assert [record["file_name"] for record in found] == ["a.png"] * 2 + ["b.png"] * 2 + ["c.png"] * 2
    told = capsys.readouterr().err
    assert "c.png" in told
    assert f"the poses of 3 of the images are in {tmp_path / 'out' / 'results.json'}" in told


def test_a_video_that_could_not_be_written_keeps_the_poses(monkeypatch, tmp_path, capsys):
    path = video(tmp_path / "video.avi", frames=4)
    monkeypatch.setattr("posekit.io.film_writer._count_frames", lambda name: 2)
    assert run(monkeypatch, path, "--out", tmp_path / "out", "--boxes", *boxes()) == 2
    assert len(results(tmp_path / "out" / "results.json")) == 8
    assert not (tmp_path / "out" / "video.mp4").exists()
    told = capsys.readouterr().err
    assert "2 of 4 frames could be written; is the disk full?" in told
    assert "the poses of 4 of the images are in" in told
