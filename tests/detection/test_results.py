"""What a run of a detector leaves on disk, whole or interrupted."""

import json

import numpy as np
import pytest

from posekit.detection import DetectedPeople
from posekit.detection.results import PartialRun, coco_detections
from posekit.errors import ConfigError


def test_boxes_in_cocos_form_keep_their_numbers():
    people = DetectedPeople(
        np.array([[1.25, 2, 11.5, 22], [3, 3, 3.0001, 9]], np.float32), np.array([0.9, 0.2], np.float32)
    )
    assert coco_detections(people, 7, 4, file_name="a.jpg") == [
        {
            "image_id": 7,
            "category_id": 4,
            "bbox": [1.25, 2.0, 10.25, 20.0],
            "score": 0.9,
            "file_name": "a.jpg",
        }
    ]  # the second is no thousandth of a pixel wide, which no reader takes


def record(key):
    return {"key": key, "people": [], "id": 1}


def test_a_run_goes_on_behind_the_last_whole_line(tmp_path):
    out = tmp_path / "d.json"
    with PartialRun(out, {"nms": 0.5}) as run:
        run.add([record("a"), record("b")])
    with run.path.open("ab") as file:  # killed while writing
        file.write(b'{"key": "c", "peo')
    with PartialRun(out, {"nms": 0.5}) as again:
        assert list(again.done) == ["a", "b"]
        again.add([record("c")])
    with PartialRun(out, {"nms": 0.5}) as third:
        assert list(third.done) == ["a", "b", "c"]
        third.remove()
    assert not third.path.exists()


@pytest.mark.parametrize("content", [b"", b'{"settings": {"nms"', b"\0\0\n"])
def test_a_file_without_a_whole_first_line_is_begun_anew(tmp_path, content):
    (tmp_path / "d.json.partial").write_bytes(content)
    with PartialRun(tmp_path / "d.json", {"nms": 0.5}) as run:
        run.add([record("a")])
    lines = (tmp_path / "d.json.partial").read_text("utf-8").splitlines()
    assert [json.loads(line) for line in lines] == [{"settings": {"nms": 0.5}}, record("a")]


def test_a_run_of_other_settings_is_not_continued(tmp_path):
    with PartialRun(tmp_path / "d.json", {"nms": 0.5, "every": 1}) as run:
        run.add([record("a")])
    before = run.path.read_bytes()
    with pytest.raises(ConfigError, match=r"other settings \(nms: then 0.5, now 0.7\).* --restart"):
        PartialRun(tmp_path / "d.json", {"nms": 0.7, "every": 1})
    assert run.path.read_bytes() == before
