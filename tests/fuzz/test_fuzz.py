"""Mutated files of each kind; any JSON value in any field. At full length: ``python -m tests.fuzz``."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path

import pytest
import reference
from fuzz import guard, samples
from fuzz.readers import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posekit.datasets.coco import load_coco
from posekit.datasets.mpii import load_mpii
from posekit.errors import DataError
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.results import read_results

EACH = 150
TABLE_LINE = re.compile(r"^(\w+) +(\d+) inputs .* (\d+) escapes", re.M)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Reader -> (inputs, escapes), and all that was printed, of a run in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(EACH * len(READERS)), "--seed", "1"]
    out = str(tmp_path_factory.mktemp("fuzz"))
    done = subprocess.run(
        [*command, "--out", out], cwd=reference.ROOT, capture_output=True, text=True, check=False
    )
    found = {name: (int(inputs), int(escapes)) for name, inputs, escapes in TABLE_LINE.findall(done.stdout)}
    return found, done.stdout + done.stderr


@pytest.mark.slow
@pytest.mark.parametrize("name", READERS)
def test_no_mutated_file_escapes(table, name):
    found, printed = table
    assert found.get(name) == (EACH, 0), printed


@pytest.mark.parametrize("name", READERS)
def test_the_valid_files_are_read(name):
    """Else the mutations would be of files that no reader gets far with."""
    reader = READERS[name]
    with guard.working_folder(reader) as folder:
        for valid in reader.seeds:
            guard.read_valid(reader, valid, Path(folder))


@pytest.mark.parametrize(
    ("read", "wanted"),
    [
        (lambda path: None, None),
        (lambda path: 1 / 0, "ZeroDivisionError"),
        (lambda path: (_ for _ in ()).throw(DataError("some file")), "does not name the file"),
        (lambda path: Path("/etc/hostname").stat() and Path("/etc/hostname").read_bytes(), "reached out"),
        (lambda path: subprocess.run(["true"], check=True), "reached out"),
        (lambda path: bytearray(700_000_000), "memory grew"),
    ],
)
def test_the_guard_sees_escapes(tmp_path, read, wanted):
    reader = guard.Reader("x", ".json", lambda: [b"{}"], read)
    guard.start_watching()
    found = guard.escape_of(reader, b"{}", tmp_path)
    assert (found is None) if wanted is None else (wanted in found)


# --- any value in any field ------------------------------------------------------------------------------

NUMBERS = st.integers() | st.floats() | st.sampled_from([2**31, 2**63, -(2**63) - 1, 10**400, 1e308])
VALUES = st.recursive(
    st.none() | st.booleans() | NUMBERS | st.text(max_size=20),
    lambda inner: st.lists(inner, max_size=12) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=20,
)
LISTS = st.lists(NUMBERS | st.none() | st.text(max_size=3), min_size=2, max_size=50)
QUICK = settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])


def outcome(read, path, content, *fields):
    """Writes and reads a file; an error must name the file and one of the fields."""
    path.write_text(json.dumps(content))
    message = refusal(read, path)
    if message:
        assert path.name in message
        assert any(field in message for field in fields), message
        assert len(message) < 2000


def refusal(read, path):
    """The message of a DataError; "" if there is none."""
    try:
        read(path)
    except DataError as error:
        return str(error)
    return ""


@QUICK
@given(
    st.sampled_from(["id", "image_id", "category_id", "iscrowd", "area", "bbox", "keypoints"]), VALUES | LISTS
)
def test_coco_annotations(tmp_path, field, value):
    content = samples.coco()
    content["annotations"][1][field] = value
    outcome(
        lambda path: load_coco(str(path), "images", samples.SKELETON), tmp_path / "a.json", content, field
    )
    outcome(read_coco, tmp_path / "a.json", content, field)


@QUICK
@given(st.sampled_from(["id", "file_name", "height", "width"]), VALUES)
def test_coco_images(tmp_path, field, value):
    content = samples.coco()
    content["images"][1][field] = value
    also = {"id": "image_id", "height": "width", "width": "bbox", "file_name": "file_name"}[field]
    outcome(
        lambda path: load_coco(str(path), "images", samples.SKELETON),
        tmp_path / "a.json",
        content,
        field,
        also,
    )


@QUICK
@given(st.sampled_from(["image_id", "category_id", "keypoints", "score", "box_xywh"]), VALUES | LISTS)
def test_results(tmp_path, field, value):
    (tmp_path / "truth.json").write_text(json.dumps(samples.coco()))
    people = read_coco(tmp_path / "truth.json")
    content = samples.results()
    content[1][field] = value
    outcome(lambda path: read_results(path, people), tmp_path / "r.json", content, field)


@QUICK
@given(st.sampled_from(["image", "center", "scale", "joints", "joints_vis"]), VALUES | LISTS)
def test_mpii_people(tmp_path, field, value):
    content = samples.mpii_hrnet()
    content[1][field] = value
    also = "file_name" if field == "image" else field
    outcome(
        lambda path: load_mpii(str(path), str(tmp_path), "val"),
        tmp_path / "m.json",
        content,
        field,
        also,
        "bbox",
    )
