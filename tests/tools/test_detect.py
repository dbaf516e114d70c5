"""tools/detect.py: its files are those that load_coco takes, its runs go on, and no image is lost."""

import json
import sys

import numpy as np
import pytest
import torch
import toy_training
from detection.detector_cases import write_set, write_weights
from toy_films import destroy_frames, write_film

from posekit.datasets import load_coco, read_image
from posekit.detection import PersonDetector

SMALL = {"input_size": torch.tensor([64, 96])}


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    return write_weights(tmp_path_factory.mktemp("weights") / "tiny.pth", **SMALL)


def run(weights, *words):
    return toy_training.run(
        "detect", *words, "--weights", weights, "--device", "cpu", "--max-people", 3, "--batch-size", 2
    )


def read(path):
    return json.loads(path.read_text("utf-8"))


def test_a_coco_file_is_detected_and_scored(tmp_path, weights, capsys):
    path = write_set(tmp_path)
    assert run(weights, path, "--image-dir", tmp_path / "images", "--out", tmp_path / "d.json") == 0
    found = read(tmp_path / "d.json")
    assert {d["image_id"] for d in found} == {3, 7, 9}
    assert len(found) <= 9
    assert all(d["category_id"] == 1 and min(d["bbox"][2:]) > 0 for d in found)
    assert "box AP of people" in capsys.readouterr().out
    metrics = read(tmp_path / "d_metrics.json")
    assert 0 <= metrics["AP"] <= 1
    assert metrics["protocol"]["max_people"] == 3
    names = {path.name for path in tmp_path.iterdir()}
    assert names == {"images", "people.json", "d.json", "d_metrics.json"}  # nothing partial is left


def test_a_folders_detections_are_what_load_coco_takes(tmp_path, weights):
    write_set(tmp_path)
    assert run(weights, tmp_path / "images", "--out", tmp_path / "out" / "d.json") == 0
    table = load_coco(
        str(tmp_path / "out" / "d_images.json"),
        str(tmp_path / "images"),
        detections=str(tmp_path / "out" / "d.json"),
    )
    detector = PersonDetector(weights=weights, score_threshold=0.05, max_people=3, device="cpu")
    images = read(tmp_path / "out" / "d_images.json")["images"]
    assert [(i["id"], i["height"], i["width"]) for i in images] == [(3, 80, 64), (7, 64, 96), (9, 64, 64)]
    pictures = [read_image(tmp_path / "images" / image["file_name"]) for image in images]
    for row, people in enumerate(detector(pictures)):
        boxes = table.boxes_xyxy[table.image_index == row]
        np.testing.assert_allclose(boxes, people.boxes_xyxy, atol=1e-2)
    assert read(tmp_path / "out" / "d.json")[0]["file_name"] == "000000000003.png"


def test_a_damaged_films_frames_are_those_of_the_film(tmp_path, weights, capsys):
    whole = write_film(tmp_path / "a.avi", range(6), codec="mjpeg")
    film = destroy_frames(whole, range(2, 4), tmp_path / "film.avi")
    assert run(weights, film, "--out", tmp_path / "d.json") == 3  # not all of it was there
    images = read(tmp_path / "d_images.json")["images"]
    assert [(i["id"], i["file_name"]) for i in images] == [(n, f"film_{n:06d}.jpg") for n in (0, 1, 4, 5)]
    np.testing.assert_allclose([i["time"] for i in images], np.array([0, 1, 4, 5]) / 30, atol=1e-6)
    assert "film.avi: 4 of 6 frames could be read (number 2 is the first missing)" in capsys.readouterr().err


def test_an_interrupted_run_goes_on(tmp_path, weights, monkeypatch, capsys):
    write_set(tmp_path)
    words = (tmp_path / "images", "--out", tmp_path / "d.json")
    assert run(weights, *words) == 0
    whole = (tmp_path / "d.json").read_bytes()
    (tmp_path / "d.json").unlink()
    seen = []
    ours = PersonDetector.__call__

    def interrupted(self, images):
        if seen:
            raise KeyboardInterrupt
        seen.append(len(images))
        return ours(self, images)

    monkeypatch.setattr(PersonDetector, "__call__", interrupted)
    assert run(weights, *words) == 130
    assert "2 images are done; repeat the command to go on" in capsys.readouterr().err
    assert not (tmp_path / "d.json").exists()
    monkeypatch.setattr(PersonDetector, "__call__", lambda self, im: seen.append(len(im)) or ours(self, im))
    assert run(weights, *words, "--nms", 0.3) == 2
    assert "other settings (nms: then 0.5, now 0.3)" in capsys.readouterr().err
    assert run(weights, *words) == 0
    assert seen == [2, 1]
    assert (tmp_path / "d.json").read_bytes() == whole
    assert not (tmp_path / "d.json.partial").exists()


def test_faulty_images_are_named_and_the_others_kept(tmp_path, weights, capsys):
    write_set(tmp_path)
    (tmp_path / "images" / "000000000007.png").write_bytes(b"damaged")
    assert run(weights, tmp_path / "images", "--out", tmp_path / "d.json") == 3
    assert {d["image_id"] for d in read(tmp_path / "d.json")} == {3, 9}
    error = capsys.readouterr().err
    assert "1 could not be read" in error
    assert "000000000007.png: not an image" in error
    for name in ("000000000003.png", "000000000009.png"):
        (tmp_path / "images" / name).write_bytes(b"")
    assert run(weights, tmp_path / "images", "--out", tmp_path / "e.json") == 2
    assert "not one of the images could be read" in capsys.readouterr().err
    assert not (tmp_path / "e.json").exists()


@pytest.mark.skipif(sys.platform != "linux", reason="other systems have names of Unicode alone")
def test_names_that_are_no_utf8_are_told_in_ascii(tmp_path, weights, capsys):
    write_set(tmp_path)
    folder = tmp_path / "images"
    (folder / "000000000003.png").rename(folder / "é\udce9.png")
    (folder / "none\udce9.png").write_bytes(b"none")
    assert run(weights, folder, "--out", tmp_path / "d.json", "--json") == 3
    shown = capsys.readouterr()
    found = json.loads(shown.out.encode("ascii"))
    assert "é\udce9.png" in [image["file_name"] for image in found["images"]]
    assert r"none\udce9.png: not an image" in shown.err


def test_patterns_addresses_and_what_is_missing(tmp_path, weights, site, capsys):
    write_set(tmp_path)
    site.add("/a/photo.png", (tmp_path / "images" / "000000000003.png").read_bytes())
    url, none = site.url("/a/photo.png"), site.url("/none.png")
    words = (
        tmp_path / "images" / "*[39].png",
        url,
        none,
        tmp_path / "gone.jpg",
        "--out",
        tmp_path / "d.json",
    )
    assert run(weights, *words) == 3
    error = capsys.readouterr().err
    assert "2 could not be read" in error
    assert f"{none}: answers 404" in error
    assert f"{tmp_path / 'gone.jpg'}: image cannot be read: No such file" in error
    images = read(tmp_path / "d_images.json")["images"]
    names = [str(tmp_path / "images" / f"00000000000{n}.png") for n in (3, 9)]
    assert [image["file_name"] for image in images] == [*names, url]
    assert run(weights, url, "--out", tmp_path / "e.json") == 0
    boxes = [
        [d["bbox"] for d in read(tmp_path / f"{name}.json") if d["image_id"] == at]
        for name, at in (("d", 2), ("e", 0))
    ]
    assert boxes[0] == boxes[1] != []
    listed = read(tmp_path / "e_images.json")
    assert (listed["info"]["image_dir"], listed["images"][0]["file_name"]) == (site.url("/a"), "photo.png")
    site.add("/film.avi", write_film(tmp_path / "a.avi", range(3), codec="mjpeg").read_bytes())
    assert run(weights, site.url("/film.avi"), "--out", tmp_path / "f.json") == 0
    assert len(read(tmp_path / "f_images.json")["images"]) == 3


def test_json_is_all_that_stdout_has(tmp_path, weights, capsys):
    path = write_set(tmp_path)
    (tmp_path / "images" / "000000000007.png").write_bytes(b"damaged")
    assert run(weights, path, "--image-dir", tmp_path / "images", "--out", tmp_path / "d.json", "--json") == 3
    found = json.loads(capsys.readouterr().out)
    assert [image["id"] for image in found["images"]] == [3, 9]
    people = [person for image in found["images"] for person in image["people"]]
    assert people == read(tmp_path / "d.json") != []
    assert found["box_ap"]["AP"] == read(tmp_path / "d_metrics.json")["AP"]
    assert "000000000007.png" in found["left_out"][0]


def test_wrong_commands_end_with_one_message(tmp_path, weights, monkeypatch, capsys):
    write_set(tmp_path)
    assert run(weights, tmp_path / "images", "--out", tmp_path / "d.txt") == 2
    assert "--out: expected the name of a .json file" in capsys.readouterr().err
    assert run(tmp_path / "gone.pth", tmp_path / "images", "--out", tmp_path / "d.json") == 2
    assert "gone.pth: no such file" in capsys.readouterr().err


def test_without_weights_and_network_the_alternatives_are_said(tmp_path, monkeypatch, capsys):
    write_set(tmp_path)
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))

    def unreachable(*args, **kwargs):
        raise OSError("no network in a test")

    monkeypatch.setattr("socket.socket.connect", unreachable)
    monkeypatch.setattr("socket.getaddrinfo", unreachable)
    assert toy_training.run("detect", tmp_path / "images", "--out", tmp_path / "d.json") == 2
    error = capsys.readouterr().err
    assert "cannot be reached" in error
    assert "put it here" in error
    assert "the whole frame counts as one person" in error
