"""What tools/demo.py takes - several inputs, patterns, addresses - and what it tells people and programs."""

from __future__ import annotations

import io
import json
import sys
from itertools import islice

import cv2
import numpy as np
import pytest
from demo_runs import boxes, known_network, points, results, run, save, video  # noqa: F401 - a fixture
from toy_predictor import ANN, BOB, BOX_ANN, picture

import posekit
from posekit.errors import CheckpointError
from posekit.inference import accurate
from posekit.inference.calibration import Calibration
from posekit.inference.json_out import json_document
from posekit.io.images import read_image
from posekit.io.video import VideoReader


def test_several_inputs_are_one_run(monkeypatch, tmp_path, capsys):
    for name in ("a/1.png", "a/2.png", "b/x.png"):
        save(tmp_path / name, picture(90, 160, ANN, BOB))
    video(tmp_path / "film.mp4", frames=3)
    words = (tmp_path / "a", tmp_path / "film.mp4", tmp_path / "b" / "x.png", tmp_path / "a" / "1.png")
    assert run(monkeypatch, *words, "--out", tmp_path / "o", "--boxes", *boxes()) == 0
    records = results(tmp_path / "o" / "results.json")
    assert [r["file_name"] for r in records[::2]] == ["1.png", "2.png", "x.png"]  # each once
    assert [r["image_id"] for r in results(tmp_path / "o" / "film.json")] == [0, 0, 1, 1, 2, 2]
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"1.png", "2.png", "x.png", "results.json", "film.mp4", "film.json"}
    assert "6 poses in 3 images" in capsys.readouterr().out


def test_no_input_overwrites_anothers_output(monkeypatch, tmp_path):
    left, right = picture(90, 160, ANN), picture(90, 160, BOB)
    save(tmp_path / "a" / "x.png", left)
    save(tmp_path / "b" / "x.png", right)
    save(tmp_path / "c" / "x.bmp", left)
    save(tmp_path / "c" / "x.bmp.png", right)
    for name in ("a/results.avi", "b/results.mp4"):
        video(tmp_path / name, frames=2)
    words = ("a/x.png", "b/x.png", "c", "a/results.avi", "b/results.mp4")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, *words, "--out", "o", "--boxes", *boxes()) == 0
    names = {path.name for path in (tmp_path / "o").iterdir()}
    photos = {"x.png", "x-2.png", "x.bmp.png", "x.bmp-2.png"}
    films = {"results-2.mp4", "results-2.json", "results-3.mp4", "results-3.json"}
    assert names == photos | films | {"results.json"}
    assert (
        abs(read_image("o/x.png").astype(int) - left).mean()
        < abs(read_image("o/x.png").astype(int) - right).mean()
    )
    found = {r["file_name"] for r in results(tmp_path / "o" / "results.json")}
    assert found == {"a/x.png", "b/x.png", "x.bmp", "x.bmp.png"}  # by its name, if no other has it
    assert run(monkeypatch, *words, "--out", "one.png") == 2


def test_names_that_differ_in_case_are_one_file_on_some_systems(monkeypatch, tmp_path):
    for name in ("p/A.png", "q/a.PNG", "p/Results.png", "p/STRASSE.jpg", "q/straße.jpg"):
        save(tmp_path / name, picture(90, 160, ANN))
    words = (tmp_path / "p", tmp_path / "q", "--out", tmp_path / "o", "--boxes", boxes()[0])
    assert run(monkeypatch, *words) == 0
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"A.png", "a-2.PNG", "Results.png", "results.json", "STRASSE.jpg", "straße-2.jpg"}


def test_a_pattern_that_no_shell_expanded(monkeypatch, tmp_path, capsys):
    for name in ("p/b1.png", "p/a1.png", "p/c2.png", "p/deep/d1.png"):
        save(tmp_path / name, picture(90, 160, ANN))
    (tmp_path / "p" / "e1.txt").write_text("none")
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, "p/*1.*", "--boxes", boxes()[0]) == 0
    assert [r["file_name"] for r in results(tmp_path / "work_dirs/demo/p/results.json")] == [
        "a1.png",
        "b1.png",
    ]
    assert "left out: 1 file that is no picture: e1.txt" in capsys.readouterr().out
    assert run(monkeypatch, "p/**/[cd]?.png", "--out", "o", "--boxes", boxes()[0]) == 0
    assert len(results(tmp_path / "o" / "results.json")) == 2
    save(tmp_path / "p" / "[1]*.png", picture(90, 160, ANN))  # a file's own name
    assert run(monkeypatch, "p/[1]*.png", "--out", "own", "--boxes", boxes()[0]) == 0
    assert (tmp_path / "own" / "[1]*.png").is_file()


def test_addresses(monkeypatch, tmp_path, site, capsys):
    content = cv2.imencode(".png", picture(90, 160, ANN)[..., ::-1])[1].tobytes()
    site.add("/a/photo.png", content)
    site.add("/b/photo.png", content)
    site.add("/film.avi", video(tmp_path / "film.avi", frames=2).read_bytes())
    site.add("/page", b"<html>")
    urls = [site.url(path) for path in ("/a/photo.png", "/page", "/b/photo.png", "/film.avi")]
    assert run(monkeypatch, *urls, "--out", tmp_path / "o", "--boxes", boxes()[0]) == 3
    names = {path.name for path in (tmp_path / "o").iterdir()}
    assert names == {"photo.png", "photo-2.png", "results.json", "film.mp4", "film.json"}
    assert [r["file_name"] for r in results(tmp_path / "o" / "results.json")] == [urls[0], urls[2]]
    shown = capsys.readouterr()
    assert f"left out: {urls[1]}: is a web page" in shown.out
    assert "error: 1 of what was given could not be used" in shown.err
    assert run(monkeypatch, urls[0], "--out", tmp_path / "one.jpg") == 0
    assert run(monkeypatch, urls[1], "--out", tmp_path / "two.jpg") == 2
    monkeypatch.chdir(tmp_path)
    assert run(monkeypatch, urls[3]) == 0
    assert (tmp_path / "work_dirs" / "demo" / "film" / "film.mp4").is_file()


def test_what_cannot_be_read_stops_nothing_and_is_told_at_the_end(monkeypatch, tmp_path, capsys):
    good = save(tmp_path / "good.png", picture(90, 160, ANN))
    (tmp_path / "bad.jpg").write_bytes(b"\xff\xd8\xff broken")
    (tmp_path / "bad.mp4").write_bytes(b"\0\0\0\x18ftypmp42")
    bad = [
        *(tmp_path / name for name in ("bad.jpg", "bad.mp4", "none.png", "none*.png")),
        "http://a..b/x.png",
    ]
    assert run(monkeypatch, *bad, good, "--out", tmp_path / "o") == 3
    shown = capsys.readouterr()
    for path in bad:
        assert f"left out: {path}: " in shown.out
    assert "error: 5 of what was given could not be used" in shown.err
    assert (tmp_path / "o" / "good.png").is_file()
    assert run(monkeypatch, *bad, "--out", tmp_path / "p") == 2
    assert not list((tmp_path / "p").iterdir())
    assert all(f"{path}: " in capsys.readouterr().err for path in bad[:1])


def told(monkeypatch, capsys, *words) -> tuple[int, dict]:
    status = run(monkeypatch, *words, "--json")
    return status, json.loads(capsys.readouterr().out)


def test_json_is_all_that_stdout_has(monkeypatch, tmp_path, capsys):
    photo = save(tmp_path / "a.png", picture(90, 160, ANN, BOB))
    bad = tmp_path / "bad.jpg"
    bad.write_bytes(b"\xff\xd8\xff broken")
    video(tmp_path / "film.mp4", frames=2)
    words = (photo, bad, tmp_path / "film.mp4", "--out", tmp_path / "o", "--boxes", *boxes(), "--track")
    status, found = told(monkeypatch, capsys, *words)
    assert status == 3
    assert [image["image"] for image in found["images"]] == ["a.png", *[str(tmp_path / "film.mp4")] * 2]
    first, _, last = found["images"]
    assert first["drawn"] == str(tmp_path / "o" / "a.png")
    assert first["image_size_hw"] == [90, 160]
    dots = np.array(list(first["people"][0]["keypoints"].values()))
    np.testing.assert_allclose(dots[:, :2], ANN, atol=1)
    assert list(first["people"][0]["keypoints"]) == ["left_dot", "right_dot", "middle_dot"]
    assert [person["track_id"] for person in last["people"]] == [0, 1]
    assert (last["image_id"], last["time"]) == (1, 0.1)
    assert "bad.jpg" in found["left_out"][0]
    assert found["error"] is None
    status, found = told(monkeypatch, capsys, bad, "--out", tmp_path / "p")
    assert (status, found["images"]) == (2, [])
    assert "bad.jpg" in found["error"]
    assert told(monkeypatch, capsys, tmp_path / "none.png")[1]["error"].endswith("by its number)")


@pytest.mark.parametrize(("frames", "kept"), [(6, 4), (0, 0)])
def test_ctrl_c_keeps_what_was_done(monkeypatch, tmp_path, capsys, frames, kept):
    """Of two videos, at the second; frames are predicted in fours."""
    timed, out, opened = VideoReader.timed, tmp_path / "out", []

    def interrupted(self):
        opened.append(self)
        yield from islice(timed(self), None if len(opened) == 1 else frames)
        if len(opened) == 2:
            raise KeyboardInterrupt

    words = [video(tmp_path / f"{name}.mp4") for name in "ab"]
    with monkeypatch.context() as patch:
        patch.setattr(VideoReader, "timed", interrupted)
        status, found = told(patch, capsys, *words, "--boxes", boxes()[0], "--out", out)
    assert (status, found["error"]) == (130, "interrupted")
    drawn = [image["drawn"] for image in found["images"]]
    films = sorted(out.rglob("*.mp4"))
    assert drawn == [str(films[0])] * 8 + [str(films[-1])] * kept
    assert [len(list(VideoReader(film))) for film in films] == [8, kept][: len(films)]
    assert len(films) == len(list(out.rglob("*.json"))) == (2 if kept else 1)
    assert len(results(films[-1].with_suffix(".json"))) == (kept or 8)
    assert found["left_out"] == ([f"{words[1]}: what comes after the first 4: interrupted"] if kept else [])


def test_json_is_whole_if_ctrl_c_comes_with_the_first_image(monkeypatch):
    file, written = io.StringIO(), []

    def flush():
        written.append(file.tell())
        if len(written) == 1:
            raise KeyboardInterrupt

    monkeypatch.setattr(file, "flush", flush, raising=False)
    with pytest.raises(KeyboardInterrupt), json_document(file) as document:
        document.add({"image": "a.png"})
    found = json.loads(file.getvalue())
    assert found == {"images": [{"image": "a.png"}], "left_out": [], "error": "interrupted"}


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of Unicode alone")
@pytest.mark.parametrize("option", [(), ("--json",)])
def test_names_that_are_no_utf8(monkeypatch, tmp_path, option):
    for name in ("a.jpg", "caf\udce9.jpg", "none\udce9.jpg", "z.jpg"):
        (tmp_path / name).write_bytes(cv2.imencode(".jpg", picture(90, 160, ANN)[..., ::-1])[1].tobytes())
    (tmp_path / "none\udce9.jpg").write_bytes(b"none")
    words = [tmp_path, "--out", tmp_path / "o", "--boxes", boxes()[0], *option]
    out, err = (io.TextIOWrapper(io.BytesIO(), "utf-8", "strict") for _ in range(2))
    monkeypatch.setattr(sys, "stdout", out)
    monkeypatch.setattr(sys, "stderr", err)
    assert run(monkeypatch, *words) == 3
    said, told = (stream.buffer.getvalue().decode("utf-8") for stream in (out, err) if stream.flush() is None)
    assert r"none\udce9.jpg" in (told if option else said)
    names = ["a.jpg", "caf\udce9.jpg", "z.jpg"]
    if option:
        assert [image["image"] for image in json.loads(said)["images"]] == names
    assert [record["file_name"] for record in results(tmp_path / "o" / "results.json")] == names
    assert {path.name for path in (tmp_path / "o").iterdir()} == {*names, "results.json"}


def test_results_name_their_keypoints(monkeypatch, tmp_path):
    photo = save(tmp_path / "a.png", picture(90, 160, ANN))
    assert run(monkeypatch, photo, "--out", tmp_path / "o", "--boxes", boxes()[0]) == 0
    (record,) = results(tmp_path / "o" / "results.json")
    assert record["keypoint_names"] == ["left_dot", "right_dot", "middle_dot"]
    np.testing.assert_allclose(points(record), ANN, atol=1)


def test_a_useless_box_is_named_and_has_no_pose(monkeypatch, tmp_path, capsys):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", picture(90, 160, ANN))
    x1, y1, x2, y2 = BOX_ANN
    words = (tmp_path / "in", "--out", tmp_path / "o", "--boxes", boxes()[0])
    assert run(monkeypatch, *words, f"{x2},{y1},{x1},{y2}", "500,500,600,600", "nan,1,2,3") == 0
    shown = capsys.readouterr()
    said = (
        "left out: 3 of 4 boxes cannot be used: number 1, [60, 15, 20, 75] (no area: expected x1, y1, x2, y2"
    )
    assert shown.out.count(said) == 1
    assert "number 2, [500, 500, 600, 600] (outside the image of 160 x 90)" in shown.out
    assert "number 3, [nan, 1, 2, 3] (not finite" in shown.out
    assert "(in 2 images)" in shown.out
    assert "Warning" not in shown.err
    assert len(results(tmp_path / "o" / "results.json")) == 2
    assert run(monkeypatch, tmp_path / "in", "--out", tmp_path / "p", "--boxes", "5,5,1,1") == 2
    assert "a.png: 1 of 1 boxes cannot be used: number 0, [5, 5, 1, 1] (no area" in capsys.readouterr().err
    save(tmp_path / "in" / "c.png", picture(90, 700, ANN))  # the one that has such a place
    assert run(monkeypatch, tmp_path / "in", "--out", tmp_path / "q", "--boxes", "500,10,600,80") == 3
    assert {path.name for path in (tmp_path / "q").iterdir()} == {"c.png", "results.json"}


def test_unsure_joints_are_not_drawn_where_scores_are_probabilities(monkeypatch, tmp_path):
    known = posekit.Predictor
    image = picture(90, 160, ANN)
    path = save(tmp_path / "a.png", image)
    drawn = {}
    for name, right in (("sure", 0.9), ("faint", 0.5), ("left_out", 0.3)):
        calibration = Calibration((0.0, 0.01), (0.0, right))
        monkeypatch.setattr(
            posekit, "Predictor", lambda *w, c=calibration, **s: known(*w, **s, calibration=c)
        )
        assert run(monkeypatch, path, "--out", tmp_path / f"{name}.png", "--boxes", boxes()[0]) == 0
        drawn[name] = read_image(tmp_path / f"{name}.png")
    x, y = ANN[0]
    patch = np.s_[y - 2 : y + 3, x - 2 : x + 3]
    np.testing.assert_array_equal(drawn["left_out"][patch], image[patch])
    changes = [np.abs(drawn[name][patch].astype(int) - image[patch]).sum() for name in ("faint", "sure")]
    assert changes[0] != 0
    assert changes[1] != changes[0]
    frame = drawn["left_out"][15]  # the box is there all the same
    assert (frame != image[15]).any()


def test_one_person_only_is_said_once(monkeypatch, tmp_path, capsys):
    for name in "ab":
        save(tmp_path / "in" / f"{name}.png", picture(90, 160, ANN))
    assert run(monkeypatch, tmp_path / "in", "--out", tmp_path / "o", "--detector", "none") == 0
    assert capsys.readouterr().out.count("one person only, as there is no detector") == 1


def test_accurate_names_all_that_is_to_be_fetched_by_hand(monkeypatch, tmp_path, capsys):
    path = save(tmp_path / "a.png", picture(90, 160, ANN))
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    monkeypatch.setattr("posekit.io.downloads._SCHEMES", ())  # nothing may be downloaded
    assert run(monkeypatch, path, "--accurate", "--out", tmp_path / "o") == 2
    said = capsys.readouterr().err
    places = [line for line in said.splitlines() if "put it here" in line]
    assert len(places) == 2
    assert "hrnet-w32_udp" in said
    assert "fasterrcnn_resnet50_fpn" in said
    assert run(monkeypatch, path, "--accurate", "--out", tmp_path / "o", "--boxes", boxes()[0]) == 2
    assert capsys.readouterr().err.count("put it here") == 1  # boxes that are given need no detector
    for option in ("--detector", "--checkpoint"):
        assert run(monkeypatch, path, "--accurate", option, "x.pth") == 2
        assert "leave out --checkpoint, --detector" in capsys.readouterr().err


def test_accurate_takes_the_two_networks(monkeypatch, tmp_path):
    path, asked = save(tmp_path / "a.png", picture(90, 160, ANN)), []

    def predictor(model, checkpoint, detector, *words, **settings):
        asked.append((model, checkpoint, detector))
        raise CheckpointError("enough")

    monkeypatch.setattr(posekit, "Predictor", predictor)
    monkeypatch.setattr(accurate, "obtain_accurate", lambda detector: None)
    for words in ((), ("--boxes", "1,2,30,40")):
        assert run(monkeypatch, path, "--accurate", "--out", tmp_path / "o", *words) == 2
    model = "hrnet_w32_coco_256x192_udp_mmpose"
    assert asked == [(model, None, "fasterrcnn_resnet50_fpn"), (model, None, None)]
