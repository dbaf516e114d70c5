"""Records of which no crop can be made, found before a photo is read."""

from __future__ import annotations

import pytest
import toy_people

from posekit.datasets import load_coco
from posekit.datasets.crops.reach import Square
from posekit.datasets.crops.writer import write_crops
from posekit.errors import DataError
from posekit.io.files import read_object


def test_fields_that_no_reader_looks_at(tmp_path):
    content = toy_people.coco()
    content["annotations"][0]["head_box"] = "x"
    content["annotations"].insert(0, {**content["annotations"][0], "id": True})  # no id, though True == 1
    content["annotations"][2]["id"] = 1
    path = toy_people.write_coco(tmp_path, content)
    table = load_coco(str(path), str(tmp_path / "images"), toy_people.SKELETON, on_bad_record="skip")
    assert table.person_ids.tolist() == [1, 101]
    # No photo is read before the fault is found.
    (tmp_path / "images" / "a.png").write_bytes(b"")
    with pytest.raises(DataError, match=r"id 101: expected 'head_box' to be a list of 4 finite numbers"):
        write_crops(table, content, tmp_path / "crops", Square())
    toy_people.write_coco(tmp_path, content)
    written = write_crops(table, content, tmp_path / "crops", Square(), on_bad_record="skip")
    assert (written.crops, written.left_out["bad_record"]) == (1, 2)
    (made,) = read_object(tmp_path / "crops" / "annotations.json")["annotations"]
    assert (made["id"], "head_box" in made) == (1, False)
    content["annotations"][2]["head_size"] = "big"
    with pytest.raises(DataError, match="nobody whose record is sound"):
        write_crops(table, content, tmp_path / "other", Square(), on_bad_record="skip")
