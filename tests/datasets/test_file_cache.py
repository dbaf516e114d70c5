"""What is kept of large annotations: the same table, never another file's, and no harm when it is damaged."""

import json
import os
from dataclasses import fields

import numpy as np
import pytest

from posekit.datasets import coco, file_cache, load_coco
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
    parsed, read_json = [], coco.read_json
    monkeypatch.setattr(coco, "read_json", lambda path: parsed.append(path) or read_json(path))

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
    for settings in ({"area": "box"}, {"on_bad_record": "skip"}, {"category": "person"}, {"extra": ["area"]}):
        assert [read(path, **settings)[1] for _ in range(2)] == [True, False]
    assert len(read(path, area="box")[0]) == 4
    assert not read(path)[1]
    monkeypatch.setattr(file_cache, "_code", lambda: "other")
    assert read(path)[1]


def test_a_damaged_entry_costs_time_alone(read, tmp_path):
    path = write(tmp_path / "a.json")
    first, _ = read(path)
    (entry,) = file_cache.folder().glob("*.npz")
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


def test_old_entries_go(read, tmp_path, monkeypatch):
    monkeypatch.setattr(file_cache, "KEPT", 2)
    for n in range(4):
        read(write(tmp_path / f"{n}.json", people=n + 1))
    assert len(list(file_cache.folder().iterdir())) == 2


def test_an_entry_that_lacks_an_array_is_read_again(read, tmp_path):
    path = write(tmp_path / "a.json")
    first, _ = read(path)
    (entry,) = file_cache.folder().glob("*.npz")
    with np.load(entry) as archive:
        arrays = {name: archive[name] for name in archive.files}
    del arrays["people.keypoints"]
    np.savez(entry, **arrays)
    with pytest.warns(UserWarning, match="is damaged, and the annotation is read again: expected the arrays"):
        again, parsed = read(path)
    assert parsed
    same(first, again)


@pytest.mark.parametrize("kind", [NotImplementedError, RuntimeError, SyntaxError])
def test_however_an_entry_is_damaged_it_is_read_again(read, tmp_path, monkeypatch, kind):
    path = write(tmp_path / "a.json")
    first, _ = read(path)

    def load(*_, **__):
        raise kind("no")

    monkeypatch.setattr(file_cache.np, "load", load)
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
