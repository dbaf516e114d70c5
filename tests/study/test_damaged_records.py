"""Damaged files of a sweep: the cell they belong to fails, or a note tells of them; no other cell is lost."""

from __future__ import annotations

import io
import json

import pytest
from fake_cells import CELLS, make_sweep
from fuzz import samples

from posekit.errors import DataError
from posekit.study.live import headline
from posekit.study.plan import Plan, read_plan
from posekit.study.processes import locked
from posekit.study.record import Progress, cell_folder, foreground, read_cell, validations
from posekit.study.sweep_figures import read_sweep
from posekit.study.table import read_table
from posekit.visualization.records import collect, read_scalars

NAME = "focal_g1_d0.001_s0"
PROGRESS = [
    "[]",
    "nonsense",
    '{"done": "train"}',
    '{"done": [1]}',
    '{"seconds": {"train": "long"}}',
    '{"seconds": [1]}',
    '{"running": ["../../outside", 1.0]}',
    '{"running": ["train", "now"]}',
    '{"running": "train"}',
    '{"running": ["' + "x" * 5000 + '", 1.0]}',
]


@pytest.fixture
def sweep(tmp_path):
    for place, content in samples.sweep().items():
        (tmp_path / place).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / place).write_bytes(content)
    return tmp_path


@pytest.mark.parametrize("text", PROGRESS, ids=range(len(PROGRESS)))
def test_damaged_progress_starts_nothing_and_says_what_to_do(tmp_path, text):
    (tmp_path / "progress.json").write_text(text)
    progress = Progress(tmp_path)
    assert (progress.done, progress.seconds) == ([], {})
    with pytest.raises(DataError, match=r"progress\.json.* Remove progress\.json, and the cell goes on"):
        progress.start("train")
    assert (tmp_path / "progress.json").read_text() == text


def test_damaged_progress_fails_one_cell_and_stops_no_other(tmp_path):
    bad, good = CELLS[0], CELLS[1]
    folder = cell_folder(tmp_path, bad.name)
    folder.mkdir(parents=True)
    (folder / "progress.json").write_text("[]")
    with locked(tmp_path) as lock:
        sweep = make_sweep(tmp_path, lock, cells=[bad, good], stream=io.StringIO())
        sweep.run()
    assert (sweep.count("failed"), sweep.count("finished")) == (1, 1)
    stated = read_cell(tmp_path, bad.name)
    assert stated is not None
    assert f"{folder / 'progress.json'}: expected an object" in stated["message"]


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("val", 5),
        ("test", [1]),
        ("train_seconds", "long"),
        ("test_seconds", None),
        ("state", []),
        ("name", 5),
    ],
)
def test_a_cell_of_other_kinds_of_fields(sweep, field, value):
    path = cell_folder(sweep, NAME) / "cell.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), field: value}))
    with pytest.raises(DataError, match=rf"cell\.json.*({field}|the cell '{NAME}')"):
        read_cell(sweep, NAME)
    table = read_table(sweep)
    assert [row.state for row in table.rows] == ["finished", "damaged"]
    assert "cell.json" in table.rows[1].message
    faults: list[str] = []
    assert [records.cell.name for records in read_sweep(sweep, faults)] == ["mse_s0"]
    assert len(faults) == 1
    with pytest.raises(DataError, match=r"cell\.json"):
        read_sweep(sweep)


def test_a_damaged_run_record_becomes_a_note(sweep):
    (cell_folder(sweep, NAME) / "run.json").write_text("[1")
    assert any("run.json: is not JSON" in note for note in read_table(sweep).notes)


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("max_epochs", "3"),
        ("max_epochs", True),
        ("score", 5),
        ("options", [1]),
        ("files", []),
        ("cells", "a"),
        ("losses", []),
        ("losses", {"a": 1}),
        ("people", "same"),
    ],
)
def test_a_plan_of_other_kinds_of_fields(sweep, field, value):
    stated = json.loads((sweep / "plan.json").read_text())
    (sweep / "plan.json").write_text(json.dumps({**stated, field: value}))
    with pytest.raises(DataError, match=rf"plan\.json, field '{field}': expected"):
        read_plan(sweep)


@pytest.mark.parametrize(
    "line",
    [
        '{"step": "x"}',
        '{"step": -1}',
        '{"step": NaN}',
        '{"lr": 1, "step": 1, "epoch": []}',
        "[" * 5000,
        "\xff",
    ],
)
def test_a_line_of_scalars_that_says_nothing(tmp_path, line):
    path = tmp_path / "1" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text(line + '\n{"AP": 0.5, "step": 2}\n', "latin-1")
    with pytest.raises(DataError, match=r"scalars\.json, line 1"):
        read_scalars(tmp_path)
    # A sweep that goes on only looks for what it knows.
    assert validations(tmp_path).get(2) == {"AP": 0.5}
    assert foreground(tmp_path) is None


def test_numbers_that_are_none_leave_gaps(tmp_path):
    path = tmp_path / "1" / "vis_data" / "scalars.json"
    path.parent.mkdir(parents=True)
    path.write_text('{"AP": 1' + "0" * 400 + ', "PCK": "x", "AR": 0.5, "step": 0}\n')
    curves = collect(read_scalars(tmp_path))
    assert {name: str(values[0]) for name, (_, values) in curves.val.items()} == {
        "AP": "nan",
        "PCK": "nan",
        "AR": "0.5",
    }


def test_the_headline_of_scores_that_are_none():
    plan = Plan("c.py", ".", [], "", "", {}, [], 3, score="AP")
    assert headline(plan, {"AP": "high", "AR": 0.5}) is None
    assert headline(plan, [1]) is None
    assert headline(plan, {"AR": 0.5}) == 0.5
