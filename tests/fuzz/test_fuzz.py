"""Mutated files of each kind; any JSON value in any field. At full length: ``python -m tests.fuzz``."""

from __future__ import annotations

import hashlib
import json
import re
import subprocess
import sys

import pytest
import reference
from fuzz import guard, samples
from fuzz.planted import PLANTED
from fuzz.readers import READERS
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from posekit.datasets.coco import load_coco
from posekit.datasets.mpii import load_mpii
from posekit.errors import DataError
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.results import read_results

COUNT = 800
TABLE_LINE = re.compile(r"^(\w+) +(\d+) inputs .* (\d+) escapes", re.M)


@pytest.fixture(scope="module")
def table(tmp_path_factory):
    """Reader -> (inputs, escapes), and all that was printed, of a run in a process of its own."""
    command = [sys.executable, "-m", "tests.fuzz", "--count", str(COUNT), "--seed", "1"]
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
    inputs, escapes = found.get(name, (0, 0))
    assert (inputs > 0, escapes) == (True, 0), printed


@pytest.mark.parametrize("name", READERS)
def test_the_valid_files_are_read(name):
    """Else the mutations would be of files that no reader gets far with."""
    reader = READERS[name]
    with guard.working_folder(reader) as folder:
        for valid in reader.seeds:
            guard.read_valid(reader, valid, folder)


@pytest.fixture(scope="module")
def self_test():
    """What ``--self-test`` says of each planted escape: a child process must die of some."""
    command = [sys.executable, "-m", "tests.fuzz", "--self-test"]
    done = subprocess.run(command, cwd=reference.ROOT, capture_output=True, text=True, check=False)
    return done.stdout + done.stderr, done.returncode


def test_the_self_test_ends_well(self_test):
    printed, status = self_test
    assert status == 0, printed


@pytest.mark.parametrize("name", [reader.name for reader, _ in PLANTED])
def test_the_guard_sees_an_escape_of_each_kind(self_test, name):
    assert re.search(rf"^{name} +seen: ", self_test[0], re.M), self_test[0]


def test_an_input_of_a_number_is_always_the_same():
    """In another process too: addresses, the time, a set's order or the hash of a text would tell."""
    code = "from tests.fuzz.readers import READERS; import hashlib, sys\n"
    code += "for name in READERS:\n  for i in range(3):\n"
    code += "    print(name, i, hashlib.sha256(READERS[name].input(3, i)).hexdigest())"
    done = subprocess.run(
        [sys.executable, "-c", code], cwd=reference.ROOT, capture_output=True, text=True, check=True
    )
    own = [
        f"{name} {i} {hashlib.sha256(reader.input(3, i)).hexdigest()}"
        for name, reader in READERS.items()
        for i in range(3)
    ]
    assert done.stdout.splitlines() == own


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
