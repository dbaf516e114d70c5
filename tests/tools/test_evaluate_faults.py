"""tools/evaluate.py: what is wrong with files and settings is told, and the tool as a user runs it."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
from evaluate_cases import SCRIPT, SIGMAS, lsp_files, make_coco, run, write


@pytest.fixture
def coco(tmp_path):
    return make_coco(tmp_path)


@pytest.mark.parametrize("words", [["--oks-nms", "-4"], ["--rescore", "nan"]])
def test_bad_protocol_settings(coco: tuple, capsys: pytest.CaptureFixture, words: list[str]) -> None:
    _, _, gt, dt = coco
    assert run("coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS, *words) == 2
    assert f"{words[0]}: expected" in capsys.readouterr().err


def test_options_without_effect_are_refused(coco: tuple, capsys: pytest.CaptureFixture) -> None:
    _, _, gt, dt = coco
    words = ("--gt", gt, "--results", dt)
    assert run("coco", *words, "--sigmas", *SIGMAS, "--nms", "soft_oks_nms") == 2
    assert "--nms soft_oks_nms: does nothing without --oks-nms T" in capsys.readouterr().err
    assert run("nme", *words, "--thresholds", 0.08, 0.08000001) == 2
    said = "--thresholds: expected numbers that differ within six digits, found several of 0.08"
    assert said in capsys.readouterr().err
    assert run("verification", "--pairs", gt, "--embeddings", dt, "--far", 0.1, 0.10000001) == 2
    assert "--far: expected numbers that differ within six digits" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["coco", "crowdpose", "pck", "mpii", "nme"])
def test_scores_are_not_written_over_what_is_read(
    tmp_path: Path, command: str, capsys: pytest.CaptureFixture
) -> None:
    """Told before anything is read: the files need not even be sound."""
    options = ["--gt", *(("--pred", "--head-boxes") if command == "mpii" else ("--results", "--images"))]
    files = [write(tmp_path / f"{option.strip('-')}.json", []) for option in options]
    words = [word for pair in zip(options, files, strict=True) for word in pair]
    for option, file in zip(options, files, strict=True):
        out = tmp_path / ".." / tmp_path.name / file.name
        assert run(command, *words, "--out", out) == 2
        said = f"--out: {out}, the file of {option}, would be overwritten; choose another place"
        assert said in capsys.readouterr().err
        assert file.read_text() == "[]"


def change(value: Any, path: tuple, new: Any) -> Any:
    """A copy of nested JSON with one place changed; ``KeyError`` as the new value deletes it."""
    copied = json.loads(json.dumps(value))
    place = copied
    for step in path[:-1]:
        place = place[step]
    if new is KeyError:
        del place[path[-1]]
    else:
        place[path[-1]] = new
    return copied


NAN = float("nan")


BAD_GT = [
    (("annotations",), KeyError, "'annotations' is missing"),
    (("images",), {}, "'images' to be a list"),
    (("categories", 0, "keypoints"), KeyError, "none states 'keypoints'"),
    (("annotations", 0, "keypoints"), KeyError, "'keypoints' is missing"),
    (("annotations", 0, "keypoints"), [1, 2, 2], "a list of 15 finite numbers, found a list of 3"),
    (("annotations", 0, "keypoints", 0), NAN, "finite"),
    (("annotations", 0, "keypoints", 0), "3", "finite"),
    (("annotations", 0, "area"), -5, "'area' is negative"),
    (("annotations", 0, "keypoints", 5), 3, "annotations: id 1: expected 'keypoints' to hold v = 0, 1 or 2"),
    (("annotations", 0, "keypoints", 2), -1, "found -1 for keypoint 0"),
    (("annotations", 0, "keypoints", 2), 0.5, "found 0.5 for keypoint 0"),
    (
        ("annotations", 0, "iscrowd"),
        "0",
        "id 1: expected 'iscrowd' to be an integer from 0 to 1, found str '0'",
    ),
    (("annotations", 0, "iscrowd"), 2, "'iscrowd' to be an integer from 0 to 1, found 2"),
    (("annotations", 0, "num_keypoints"), "4", "'num_keypoints' to be an integer from 0 to 5, found str '4'"),
    (("annotations", 0, "num_keypoints"), 1.5, "'num_keypoints' to be an integer from 0 to 5, found 1.5"),
    (("annotations", 0, "num_keypoints"), True, "'num_keypoints' to be an integer from 0 to 5, found True"),
    (("annotations", 0, "num_keypoints"), -1, "'num_keypoints' to be an integer from 0 to 5, found -1"),
    (("annotations", 0, "bbox"), [0, 0, 1], "a list of 4 finite numbers"),
    (("annotations", 0, "bbox"), None, "found None"),
    (("annotations", 0, "image_id"), 999, "'image_id' is 999, which is not among the 12 images"),
    (("annotations", 0, "image_id"), "a", "to be an integer"),
    (("annotations", 0, "category_id"), 9, "'category_id' is 9"),
    (("annotations", 1, "id"), 1, "have the same 'id' 1"),
    (("images", 1, "id"), 0, "have the same 'id' 0"),
    (("annotations",), [], "nobody has a labelled keypoint"),
    (("annotations", 0), 7, "expected an object, found 7"),
]


BAD_RESULTS = [
    ((), {}, "to be a list of objects"),
    ((0,), "x", "expected an object"),
    ((0, "keypoints"), KeyError, "'keypoints' is missing"),
    (
        (3, "keypoints"),
        [0] * 51,
        "results[3]: expected 'keypoints' to be a list of 15 finite numbers, found a list of 51",
    ),
    ((0, "keypoints", 4), NAN, "found a list of 15 with nan"),
    ((0, "score"), KeyError, "'score' is missing"),
    ((0, "score"), NAN, "finite"),
    ((0, "score"), "high", "found str 'high'"),
    ((0, "image_id"), 1, "'image_id' is 1, which is not among"),
    ((0, "category_id"), 2, "'category_id' is 2"),
    ((0, "category_id"), KeyError, "'category_id' is missing"),
]


def test_oks_needs_an_area(coco: tuple, capsys: pytest.CaptureFixture) -> None:
    ground_truth, _, gt, dt = coco
    write(gt, change(ground_truth, ("annotations", 0, "area"), KeyError))
    assert run("coco", "--gt", gt, "--results", dt, "--sigmas", *SIGMAS) == 2
    assert "'area' is missing" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["coco", "pck"])
@pytest.mark.parametrize(
    ("file", "path", "new", "message"), [*(("gt", *b) for b in BAD_GT), *(("r", *b) for b in BAD_RESULTS)]
)
def test_bad_coco_input(
    tmp_path: Path,
    coco: tuple,
    capsys: pytest.CaptureFixture,
    command: str,
    file: str,
    path: tuple,
    new: Any,
    message: str,
) -> None:
    ground_truth, results, gt, dt = coco
    value = change(ground_truth if file == "gt" else results, path, new) if path else new
    changed = write(gt if file == "gt" else dt, value)
    words = ["--sigmas", *SIGMAS] if command == "coco" else ["--norm", "bbox"]
    assert run(command, "--gt", gt, "--results", dt, *words, "--out", tmp_path / "out.json") == 2
    error = capsys.readouterr().err
    assert message in error
    assert str(changed) in error
    assert len(error.strip().splitlines()) == 1
    assert not (tmp_path / "out.json").exists()


@pytest.mark.parametrize(
    ("extra", "message"),
    [
        ({"annotation_id": 999}, "'annotation_id' is 999"),
        ({"annotation_id": 11}, "is in image 2"),
        ({"annotation_id": 10}, None),
    ],
)
def test_bad_annotation_ids(
    tmp_path: Path, capsys: pytest.CaptureFixture, extra: dict, message: str | None
) -> None:
    gt, results = lsp_files(tmp_path)
    files = write(tmp_path / "gt.json", gt), write(tmp_path / "r.json", [{**results[0], **extra}])
    assert run("pck", "--gt", files[0], "--results", files[1]) == (0 if message is None else 2)
    assert (message or "") in capsys.readouterr().err
    write(files[1], [{**results[0], "annotation_id": 10}] * 2)
    assert run("pck", "--gt", files[0], "--results", files[1]) == 2
    assert "have the same 'annotation_id' 10" in capsys.readouterr().err


def test_unreadable_files(tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture) -> None:
    _, _, gt, dt = coco
    cut = tmp_path / "cut.json"
    cut.write_bytes(dt.read_bytes()[:-20])
    binary = tmp_path / "binary.json"
    binary.write_bytes(b"\xff\xfe\x00garbage")
    zipped = tmp_path / "cut.json.gz"
    zipped.write_bytes(b"\x1f\x8b\x08\x00")
    for path, message in (
        (cut, "is not JSON"),
        (binary, "is not JSON"),
        (zipped, "cannot be read"),
        (tmp_path / "no", "file not found"),
    ):
        assert run("coco", "--gt", gt, "--results", path, "--sigmas", *SIGMAS) == 2
        error = capsys.readouterr().err
        assert message in error
        assert str(path) in error


@pytest.mark.parametrize("sigmas", [["0.1"], ["0.1"] * 4 + ["-1"], ["coco99"], ["a", "b"], ["nan"] * 5])
def test_bad_sigmas(coco: tuple, capsys: pytest.CaptureFixture, sigmas: list[str]) -> None:
    assert run("coco", "--gt", coco[2], "--results", coco[3], "--sigmas", *sigmas) == 2
    assert capsys.readouterr().err.startswith("error: ")


def test_out_that_cannot_be_written(tmp_path: Path, coco: tuple, capsys: pytest.CaptureFixture) -> None:
    (tmp_path / "file").write_text("")
    out = tmp_path / "file" / "out.json"
    assert run("coco", "--gt", coco[2], "--results", coco[3], "--sigmas", *SIGMAS, "--out", out) == 2
    assert "cannot be written" in capsys.readouterr().err


def test_as_a_user_runs_it(tmp_path: Path, coco: tuple) -> None:
    """From another folder, in its own process: a table on stdout, and for bad input one line and status 2."""
    words = [
        sys.executable,
        SCRIPT,
        "coco",
        "--gt",
        coco[2],
        "--results",
        coco[3],
        "--sigmas",
        ",".join(map(str, SIGMAS)),
    ]
    good = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert (good.returncode, good.stderr) == (0, "")
    assert "AP50" in good.stdout
    coco[3].write_text("[")
    bad = subprocess.run(words, cwd=tmp_path, capture_output=True, text=True, check=False)
    assert bad.returncode == 2
    assert "Traceback" not in bad.stderr
    assert bad.stdout == ""
