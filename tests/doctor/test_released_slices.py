"""The small parts of the public sets beside this checkout: clean, but for what has been looked at."""

from __future__ import annotations

import doctor_cases as cases
import pytest
import reference

from posekit.datasets.mpii import load_mpii
from posekit.doctor import examine
from posekit.doctor.checks import Part
from posekit.doctor.facts import facts_of_table
from posekit.doctor.sources import parts_of_files, with_pictures
from posekit.io.files import read_json


@pytest.mark.parametrize("folder", ["coco", "tiny_coco"])
def test_coco_is_clean(folder):
    root = reference.path(f"data/{folder}")
    files = [str(root / f"annotations/person_keypoints_{part}2017.json") for part in ("train", "val")]
    parts = parts_of_files(files, [str(root / "train2017"), str(root / "val2017")])
    assert [finding.sentence for finding in examine([with_pictures(part) for part in parts])] == []


def test_crowdpose_is_clean():
    root = reference.path("data/crowdpose")
    parts = parts_of_files([str(root / "test_crowdpose.json")], [str(root)])
    assert [finding.sentence for finding in examine([with_pictures(part) for part in parts])] == []


def test_lsp_extended_is_clean():
    root = reference.path("data/lsp_extended")
    parts = parts_of_files([str(root / "train.json")], [str(root / "images")])
    parts = [with_pictures(part, decode=False, most=100) for part in parts]
    assert [finding.sentence for finding in examine(parts)] == []


def test_mpii_is_clean():
    root = reference.path("data/mpii")
    table = load_mpii(str(root / "mpii_annotations.json.gz"), str(root / "images"), "val")
    assert [finding.sentence for finding in examine([Part("", facts_of_table(table, mirrored=True))])] == []


@pytest.mark.parametrize(
    ("fault", "kind"),
    [
        (cases.corners, "boxes_as_corners"),
        (cases.centre, "boxes_as_centre"),
        (cases.fractions, "keypoints_normalised"),
        (cases.swap_points, "keypoints_exchanged"),
        (cases.swap_all, "xy_exchanged"),
        (cases.tiny, "box_tiny"),
    ],
)
@pytest.mark.parametrize("name", ["coco/annotations/person_keypoints_train2017", "lsp_extended/train"])
def test_a_fault_in_all_records_of_a_real_set_is_found(name, fault, kind):
    content = read_json(str(reference.path(f"data/{name}.json")))
    faulty = cases.plant(content, fault, 1)
    facts = cases.part(content).facts
    (finding,) = examine([Part("", facts)])
    assert finding.kind == kind
    named = set(facts.record[finding.people].tolist())
    assert named >= faulty
