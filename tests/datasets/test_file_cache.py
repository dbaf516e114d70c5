"""What is kept of large annotations: the same table, never another file's, and no harm when it is damaged."""

import gzip
import json
import os
import warnings
import zlib
from dataclasses import fields, replace

import numpy as np
import pytest
from PIL import Image

from posekit.datasets import coco, coco_cache, coco_pieces, file_cache, load_coco
from posekit.errors import DataError
from posekit.skeletons import COCO17


def write(path, people=3, x=5.5, **change):
    record = {"image_id": 3, "category_id": 1, "iscrowd": 0, "area": 50.0, "bbox": [1, 2, 20, 30.5]}
    annotations = [{**record, "id": n, "keypoints": [x, 6, 2] * 17, **change} for n in range(people)]
    content = {
        "images": [{"id": 3, "file_name": "é\n.jpg", "height": 80, "width": 90}],
        "categories": [{"id": 1, "name": "person", "keypoints": list(COCO17.keypoints)}],
        "annotations": [*annotations, {**annotations[0], "id": 900, "area": 0}],
    }
    path.write_text(json.dumps(content))
    return path


@pytest.fixture
def read(tmp_path, monkeypatch):
    """Loads a file; the second value is whether it was parsed."""
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path / "home"))
    monkeypatch.setattr(coco, "CACHED_FROM", 0)
    monkeypatch.setattr(coco_pieces, "_PIECE", 600)
    parsed = []
    for module, name in ((coco_cache, "read_bytes"), (coco, "read_json")):
        own = getattr(module, name)
        monkeypatch.setattr(module, name, lambda path, own=own: parsed.append(path) or own(path))

    def load(path, **settings):
        parsed.clear()
        return load_coco(str(path), str(tmp_path), **settings), bool(parsed)

    return load


def same(a, b):
    for field in fields(a):
        one, other = getattr(a, field.name), getattr(b, field.name)
        if isinstance(one, np.ndarray):
            np.testing.assert_array_equal(one, other)
            assert one.dtype == other.dtype
        elif field.name == "extra":
            assert {name: c.tolist() for name, c in one.items()} == {n: c.tolist() for n, c in other.items()}
        else:
            assert one == other, field.name


def test_the_second_start_reads_what_was_kept(read, tmp_path):
    path = write(tmp_path / "a.json")
    (first, parsed), (second, again) = read(path), read(path)
    assert (parsed, again) == (True, False)
    same(first, second)
    assert second.counts["no_area"] == 1
    path.rename(tmp_path / "b.json")  # the same bytes
    third, parsed = read(tmp_path / "b.json")
    assert not parsed
    assert third.ann_file == str(tmp_path / "b.json")


def test_other_bytes_settings_and_code_are_read_again(read, tmp_path, monkeypatch):
    path = write(tmp_path / "a.json")
    times = path.stat()
    read(path)
    write(path, x=4.5)
    os.utime(path, (times.st_atime, times.st_mtime))
    table, parsed = read(path)
    assert parsed
    assert table.keypoints[0, 0, 0] == 4.5
    for settings in (
        {"area": "box"}, {"on_bad_record": "skip"}, {"category": "person"}, {"extra": ["area"]},
        {"clean_boxes": False},
    ):  # fmt: skip
        assert [read(path, **settings)[1] for _ in range(2)] == [True, False]
    assert len(read(path, area="box")[0]) == 4
    assert not read(path)[1]
    monkeypatch.setattr(file_cache, "_code", lambda: "other")
    assert read(path)[1]


def test_a_number_as_a_name_is_another_name(read, tmp_path):
    path = write(tmp_path / "a.json", **{"1": 7})
    assert [read(path, extra={name: -1})[0].extra["1"][0] for name in ("1", 1)] == [7, -1]


def test_an_absolute_name_is_one_of_the_image_folder_of_now(read, tmp_path, monkeypatch):
    path = write(tmp_path / "a.json")
    path.write_text(
        path.read_text().replace(json.dumps("é\n.jpg")[1:], f'{tmp_path.as_posix()}/a/images/a.jpg"')
    )
    for folder in "ab":
        (tmp_path / folder).mkdir()
    monkeypatch.chdir(tmp_path / "a")
    assert load_coco(str(path), "images").image_name(0) == "a.jpg"
    monkeypatch.chdir(tmp_path / "b")
    with pytest.raises(DataError, match="expected a name inside the image folder"):
        load_coco(str(path), "images")


def test_a_damaged_entry_costs_time_alone(read, tmp_path):
    path = write(tmp_path / "a.json")
    first, _ = read(path)
    (entry,) = file_cache.folder().glob("*.arrays")
    sound = entry.read_bytes()
    for damaged in (b"", sound[: len(sound) // 2], sound.replace(b"\x00\x00\xb0\x40", b"\x00\x00\xb0\x41")):
        entry.write_bytes(damaged)
        with pytest.warns(UserWarning, match="damaged, and the annotation is read again"):
            second, parsed = read(path)
        assert parsed
        same(first, second)


def test_a_folder_that_cannot_be_written_is_said(read, tmp_path):
    (tmp_path / "home").write_text("a file")
    with pytest.warns(UserWarning, match="cannot be written .* POSEKIT_ANNOTATION_CACHE=0 does without"):
        assert len(read(write(tmp_path / "a.json"))[0]) == 3


def test_a_folder_that_is_closed_to_us_is_said(read, tmp_path, monkeypatch):
    def refuse(*_, **__):
        raise PermissionError(13, "Permission denied")

    path = write(tmp_path / "a.json")
    monkeypatch.setattr(file_cache.Path, "is_file", refuse)
    monkeypatch.setattr(file_cache, "atomic_file", refuse)
    with pytest.warns(UserWarning, match="cannot be written .Permission denied., .* names another folder"):
        assert len(read(path)[0]) == 3


def test_without_a_home_nothing_is_kept(read, tmp_path, monkeypatch):
    def refuse(*_):
        raise RuntimeError("Could not determine home directory.")

    monkeypatch.setattr(file_cache.Path, "expanduser", refuse)
    assert [read(write(tmp_path / "a.json"))[1] for _ in range(2)] == [True, True]


def test_it_can_be_off(read, tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_ANNOTATION_CACHE", "0")
    path = write(tmp_path / "a.json")
    assert [read(path)[1] for _ in range(2)] == [True, True]
    assert not file_cache.folder().exists()


def test_faults_are_kept_nowhere(read, tmp_path):
    path = write(tmp_path / "a.json", bbox=[1, 2, 0, 3])
    for _ in range(2):
        with pytest.raises(DataError, match="annotation id 0, field 'bbox'"):
            read(path)
    assert not file_cache.folder().exists()


def test_a_file_that_is_written_to_meanwhile_is_not_kept(read, tmp_path, monkeypatch):
    path, own = write(tmp_path / "a.json"), coco_cache.read_bytes

    def read_bytes(name):
        content = own(name)
        write(path, x=4.5)
        return content

    monkeypatch.setattr(coco_cache, "read_bytes", read_bytes)
    assert read(path)[0].keypoints[0, 0, 0] == 5.5
    assert not file_cache.folder().exists()


def test_a_file_that_is_removed_meanwhile_was_read(read, tmp_path, monkeypatch, recwarn):
    path, own = write(tmp_path / "a.json"), coco_cache.read_bytes

    def read_bytes(name):
        content = own(name)
        path.unlink()
        return content

    monkeypatch.setattr(coco_cache, "read_bytes", read_bytes)
    assert len(read(path)[0]) == 3
    assert not recwarn.list
    assert not file_cache.folder().exists()


def test_old_entries_go(read, tmp_path, monkeypatch):
    monkeypatch.setattr(file_cache, "KEPT", 2)
    for n in range(4):
        read(write(tmp_path / f"{n}.json", people=n + 1))
    assert len(list(file_cache.folder().iterdir())) == 2


def test_others_may_tidy_at_the_same_time(read, tmp_path, monkeypatch, recwarn):
    monkeypatch.setattr(file_cache, "KEPT", 1)
    for n in range(3):
        (tmp_path / f"home/annotations/{n}.arrays").mkdir(parents=True)  # cannot be removed
    (tmp_path / "home/annotations/gone.arrays").symlink_to("nowhere")
    path, own = write(tmp_path / "a.json"), file_cache.os.path.isfile
    assert [read(path)[1] for _ in range(2)] == [True, False]
    assert not (tmp_path / "home/annotations/gone.arrays").is_symlink()

    def isfile(entry):
        found = own(entry)
        if found and str(entry).endswith(".arrays"):
            entry.unlink()
        return found

    monkeypatch.setattr(file_cache.os.path, "isfile", isfile)
    assert read(path)[1]
    assert not recwarn.list


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"keypoints": None}, "missing 1 required positional argument: 'keypoints'"),
        *(
            ({"image_names": np.array([name])}, "expected a name inside the image folder")
            for name in (b"", b"/a.jpg", b"\\a.jpg", b"C:a.jpg", b"a/../../b.jpg")
        ),
        ({"image_names": np.array([b"\xff"])}, "can't decode"),
        ({"image_names": np.array([b"\xc3", b"\xa9"])}, "can't decode"),
        ({"image_names": np.array(["a.jpg"])}, "has no attribute 'decode'"),
    ],
)
def test_an_entry_that_somebody_wrote_is_checked(read, tmp_path, change, words):
    path = write(tmp_path / "a.json")
    first, _ = read(path)
    (entry,) = file_cache.folder().glob("*.arrays")
    arrays = file_cache._unpacked(bytearray(entry.read_bytes())) | change
    packed = b"".join(file_cache._packed({name: one for name, one in arrays.items() if one is not None}))
    entry.write_bytes(packed + zlib.crc32(packed).to_bytes(4, "little"))
    with pytest.warns(UserWarning, match=f"is damaged, and the annotation is read again: .*{words}"):
        again, parsed = read(path)
    assert parsed
    same(first, again)


@pytest.mark.parametrize("kind", [NotImplementedError, RuntimeError, SyntaxError])
def test_however_an_entry_is_damaged_it_is_read_again(read, tmp_path, monkeypatch, kind):
    path = write(tmp_path / "a.json")
    first, _ = read(path)

    def load(*_, **__):
        raise kind("no")

    monkeypatch.setattr(file_cache, "_unpacked", load)
    with pytest.warns(UserWarning, match="is damaged"):
        again, parsed = read(path)
    assert parsed
    same(first, again)


def test_an_entry_of_somebody_else_serves(read, tmp_path, monkeypatch, recwarn):
    path = write(tmp_path / "a.json")
    read(path)

    def refuse(*_, **__):
        raise PermissionError(1, "Operation not permitted")

    monkeypatch.setattr(file_cache.os, "utime", refuse)
    assert not read(path)[1]
    assert not recwarn.list


def test_pictures_are_compared_at_every_start(read, tmp_path, monkeypatch):
    path = write(tmp_path / "a.json")
    content = json.loads(path.read_text())
    content["images"].append({"id": 4, "file_name": "b.jpg", "height": 80, "width": 90})
    content["annotations"][1]["image_id"] = 4
    path.write_text(json.dumps(content))
    read(path)
    picture = tmp_path / "é\n.jpg"
    for size, policy in ((90, 80), "error"), ((90, 80), "skip"), ((8, 9), "skip"):
        Image.new("RGB", size[::-1]).save(picture)
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # what is said of the pictures
            (table, parsed), (again, parsed_again) = [read(path, on_bad_record=policy) for _ in range(2)]
            assert (parsed, parsed_again) == (True, False)
            monkeypatch.setenv("POSEKIT_ANNOTATION_CACHE", "0")
            expected, _ = read(path, on_bad_record=policy)
            monkeypatch.delenv("POSEKIT_ANNOTATION_CACHE")
        same(table, expected)
        same(again, expected)


def test_what_labels_tell_of_a_turn_is_kept(read, tmp_path):
    path = write(tmp_path / "a.json", bbox=[1, 2, 85, 30.5])
    exif = Image.Exif()
    exif[274] = 6
    Image.new("RGB", (90, 80)).save(tmp_path / "é\n.jpg", exif=exif)
    (first, _), (again, parsed) = read(path), read(path)
    assert not parsed
    assert again.turn_by_exif is False
    same(first, again)


def test_people_of_other_detections_are_matched_again(read, tmp_path):
    path, results = write(tmp_path / "a.json"), tmp_path / "boxes.json"
    settings = {"boxes": "detected_matched", "detections": str(results), "clean_boxes": False}
    for left, fewest in ((2, 0.5), (3, 0.5), (3, 0.9)):
        detection = {"image_id": 3, "category_id": 1, "score": 0.5, "bbox": [left, 2, 20, 30.5]}
        results.write_text(json.dumps([detection]))
        (table, parsed), (again, parsed_again) = [read(path, **settings, match_iou=fewest) for _ in "12"]
        assert (parsed, parsed_again) == (True, False)
        assert table.boxes_xyxy[:, 0].tolist() == [left if fewest == 0.5 else 1, 1, 1]
        same(table, again)


def test_a_file_is_the_same_in_pieces_and_as_a_whole(read, tmp_path, monkeypatch):
    """Not in the order of its images, with others' keypoints, extra columns, gzipped."""
    path = write(tmp_path / "a.json", people=9, name="}")
    content = json.loads(path.read_text())
    content["images"].insert(0, {"id": 4, "file_name": "b.jpg", "height": 80, "width": 90})
    for annotation in content["annotations"][5:]:
        annotation.update(image_id=4, keypoints=[3, 4.25, 0, 5, 6, 1] + [1, 2, 0] * 15)
    path.write_text(json.dumps(content))
    whole = tmp_path / "b.json"
    whole.write_bytes(gzip.compress(path.read_bytes()))
    for extra in ((), ("area", "bbox")):
        tables = [read(one, extra=extra)[0] for one in (path, path, whole, whole)]
        assert len(tables[0]) == 9
        for table in tables:
            same(tables[0], replace(table, ann_file=str(path)))
    monkeypatch.setenv("POSEKIT_ANNOTATION_CACHE", "0")
    for module, other_way in ((coco, "read_json"), (coco_cache, "cut_annotations")):
        with monkeypatch.context() as without:
            without.setattr(module, other_way, None)
            same(tables[0], read(path, extra=extra)[0])
