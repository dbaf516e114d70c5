from __future__ import annotations

from posekit.metrics.tables import format_table, score_table


def test_columns_are_aligned() -> None:
    table = format_table(("name", "AP"), [("a", "0.5"), ("longer", "0.25")])
    assert table.splitlines() == ["name      AP", "------------", "a        0.5", "longer  0.25"]


def test_metrics_are_rows_and_parts_columns() -> None:
    table = score_table(
        {"PCKh@0.5/head": 95.804, "PCKh@0.5/hip": 86.2, "PCKh@0.1/head": 30.0, "PCKh@0.1/hip": 1.0}
    )
    lines = [line.split() for line in table.splitlines()]
    assert lines[0] == ["head", "hip"]
    assert lines[2:] == [["PCKh@0.5", "95.80", "86.20"], ["PCKh@0.1", "30.00", "1.00"]]


def test_nothing_to_score_is_a_dash() -> None:
    table = score_table({"AP": 0.5, "APM": -1.0, "PCK@0.2/neck": float("nan")}, title="scores")
    assert table.startswith("scores")
    assert "0.500" in table
    assert "nan" not in table
    assert "-1.0" not in table


def test_many_joints_run_down() -> None:
    table = score_table({f"PCK@0.2/a_long_joint_name_{i}": float(i) for i in range(10)})
    assert max(len(line) for line in table.splitlines()) < 60


def test_fractions_have_three_places_wherever_they_are() -> None:
    table = score_table(
        {"AP": 0.5, "AP/cat": 0.25, "own/AP50": 0.125, "own/AR": -1.0, "own/PCK@0.2/paw": 50.0}
    )
    assert all(word in table for word in ("0.500", "0.250", "0.125", "50.00"))
    assert "-1" not in table
