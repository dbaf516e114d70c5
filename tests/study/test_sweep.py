"""The sweep's engine on cells that are small scripts: order, failures, kills, the lock, a full disk."""

from __future__ import annotations

import errno
import io
import json
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import fake_cells
import pytest
from fake_cells import CELLS, EPOCHS, PLAN, expected_score, make_sweep

from posekit.errors import ConfigError
from posekit.study.live import duration, rows, table
from posekit.study.processes import locked
from posekit.study.record import Progress, cell_folder, last_lines, read_cell
from posekit.study.sweep import all_finished, forget_failures

ROOT = Path(__file__).resolve().parents[2]
ENVIRONMENT = {
    **os.environ,
    "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
    "POSEKIT_GUARD_GRACE": "2",
}


def start(out, *words):
    return subprocess.Popen(
        [sys.executable, fake_cells.__file__, str(out), *map(str, words)],
        env=ENVIRONMENT,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
    )


def lines_of(path):
    return path.read_text().splitlines() if path.is_file() else []


def wait_for_epochs(out, number, process):
    """Waits until so many epochs are done, of all cells together."""
    deadline = time.monotonic() + 120
    while len(lines_of(out / "epochs.txt")) < number:
        assert process.poll() is None, process.stdout.read()
        assert time.monotonic() < deadline
        time.sleep(0.01)


def started(out):
    """The process ids of all stages that ever began."""
    return [int(line.split()[1]) for path in out.glob("cells/*/starts.txt") for line in lines_of(path)]


def alive(pid):
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    return True


def scores(out):
    records = {cell.name: read_cell(out, cell.name) for cell in CELLS}
    return {name: record and (record["state"], record["test"]) for name, record in records.items()}


def finished_files(out):
    files = out.glob("cells/*/cell.json")
    return {path: (path.stat().st_mtime_ns, path.stat().st_ino) for path in files}


WHOLE = {cell.name: ("finished", {"score": expected_score(cell.name)}) for cell in CELLS}


def test_killed_at_five_random_moments_it_ends_with_the_table_of_an_undisturbed_sweep(tmp_path):
    whole = start(tmp_path / "whole", 2)
    assert whole.wait() == 0, whole.stdout.read()
    assert scores(tmp_path / "whole") == WHOLE
    out, draw, done = tmp_path / "out", random.Random(5), 0
    for _ in range(5):
        process, before = start(out, 2), finished_files(out)
        done += draw.randrange(1, 7)
        wait_for_epochs(out, done, process)
        time.sleep(draw.uniform(0, 0.1))
        process.kill()
        process.wait()
        done = len(lines_of(out / "epochs.txt"))
        assert {path: finished_files(out)[path] for path in before} == before
    assert scores(out) != WHOLE
    before = finished_files(out)
    last = start(out, 2)
    assert last.wait() == 0, last.stdout.read()
    assert scores(out) == WHOLE
    assert {path: finished_files(out)[path] for path in before} == before
    # An epoch is written down after its state is saved: a kill between the two loses the line, and none
    # stands there twice.
    epochs = lines_of(out / "epochs.txt")
    assert len(set(epochs)) == len(epochs) >= len(CELLS) * EPOCHS - 10


def test_a_killed_sweep_leaves_no_process(tmp_path):
    process = start(tmp_path, 2)
    wait_for_epochs(tmp_path, 2, process)
    process.kill()
    process.wait()
    deadline = time.monotonic() + 30
    while any(alive(pid) for pid in started(tmp_path)) and time.monotonic() < deadline:
        time.sleep(0.05)
    assert [pid for pid in started(tmp_path) if alive(pid)] == []
    assert len(lines_of(tmp_path / "epochs.txt")) < len(CELLS) * EPOCHS


@pytest.mark.parametrize(("number", "status"), [(signal.SIGINT, 130), (signal.SIGTERM, 143)])
def test_a_signal_ends_the_cells_first(tmp_path, number, status):
    process = start(tmp_path, 2)
    wait_for_epochs(tmp_path, 2, process)
    process.send_signal(number)
    printed, _ = process.communicate(timeout=60)
    assert process.returncode == status, printed
    assert "stopping 2 process(es)" in printed
    assert not any(alive(pid) for pid in started(tmp_path))


def test_two_sweeps_cannot_share_a_folder(tmp_path):
    process = start(tmp_path, 1)
    wait_for_epochs(tmp_path, 1, process)
    second = start(tmp_path, 1)
    printed, _ = second.communicate(timeout=60)
    assert second.returncode == 2
    assert f"another sweep is at work there (process {process.pid})" in printed
    process.kill()
    process.wait()


def test_the_lock_lasts_as_long_as_a_process_of_the_killed_sweep(tmp_path):
    process = start(tmp_path, 1)
    wait_for_epochs(tmp_path, 1, process)
    process.kill()
    process.wait()
    with locked(tmp_path):
        assert not any(alive(pid) for pid in started(tmp_path))


@pytest.fixture(autouse=True)
def _quick_looks(monkeypatch):
    monkeypatch.setattr("posekit.study.sweep.PAUSE", 0.02)


def run(out, **settings):
    stream = io.StringIO()
    with locked(out) as lock:
        sweep = make_sweep(out, lock, stream=stream, **settings)
        sweep.run()
    return sweep, stream.getvalue()


def test_one_slot_runs_the_cells_in_their_order(tmp_path):
    sweep, printed = run(tmp_path)
    assert all_finished(sweep)
    epochs = [line.split()[0] for line in lines_of(tmp_path / "epochs.txt")]
    assert epochs == [cell.name for cell in CELLS for _ in range(EPOCHS)]
    begun = [line.split()[1] for line in printed.splitlines() if "train begins" in line]
    assert begun == [f"{cell.name}:" for cell in CELLS]
    again, printed = run(tmp_path)
    assert (again.waiting, printed) == ([], "")
    assert len(lines_of(tmp_path / "epochs.txt")) == len(CELLS) * EPOCHS


def test_a_diagnosis_may_be_asked_for_later(tmp_path):
    run(tmp_path, cells=CELLS[:2])
    _sweep, printed = run(tmp_path, cells=CELLS[:3], diagnose=True)
    begun = [line.split()[1:3] for line in printed.splitlines() if "begins" in line]
    assert begun[:2] == [[f"{cell.name}:", "diagnosis"] for cell in CELLS[:2]]
    assert [word for name, word in begun[2:]] == ["train", "test", "diagnosis"]
    for cell in CELLS[:3]:
        assert read_cell(tmp_path, cell.name)["diagnosis"] == {"wrong": len(cell.name)}
        assert read_cell(tmp_path, cell.name)["test"] == {"score": expected_score(cell.name)}
    assert run(tmp_path, cells=CELLS[:3], diagnose=True)[1] == ""


def test_a_failed_diagnosis_costs_no_scores(tmp_path):
    run(tmp_path, cells=CELLS[:1])
    before = (cell_folder(tmp_path, CELLS[0].name) / "cell.json").read_bytes()
    sweep, printed = run(tmp_path, cells=CELLS[:2], diagnose=True, bad="diagnosis")
    assert all_finished(sweep)
    for cell in CELLS[:2]:
        assert f"{cell.name}: diagnosis FAILED, its scores stand: diagnosis ended with status 3" in printed
        assert read_cell(tmp_path, cell.name)["test"] == {"score": expected_score(cell.name)}
        assert read_cell(tmp_path, cell.name)["diagnosis"] is None
    assert (cell_folder(tmp_path, CELLS[0].name) / "cell.json").read_bytes() == before
    assert len(sweep.free) == 1


def test_no_more_cells_than_slots_at_a_time(tmp_path):
    most = 0

    class Watched(fake_cells.Display):
        def update(self, sweep, last=False):
            nonlocal most
            most = max(most, len(sweep.jobs))
            assert len({job.slot.name for job in sweep.jobs}) == len(sweep.jobs)

    with locked(tmp_path) as lock:
        sweep = make_sweep(tmp_path, lock, jobs=3, stream=io.StringIO())
        sweep.display = Watched(PLAN, tmp_path, io.StringIO(), False)
        sweep.run()
    assert most == 3
    assert len(sweep.free) == 3


def test_a_failed_cell_is_told_and_stops_no_other(tmp_path):
    bad = CELLS[1].name
    sweep, printed = run(tmp_path, jobs=2, bad=bad)
    assert (sweep.count("failed"), sweep.count("finished")) == (1, len(CELLS) - 1)
    stated = read_cell(tmp_path, bad)
    assert (stated["name"], stated["gamma"], stated["seed"]) == (bad, CELLS[1].gamma, CELLS[1].seed)
    assert "train ended with status 3" in stated["message"]
    assert "it went wrong: for a reason" in stated["message"]
    assert f"{bad}: FAILED: train ended with status 3" in printed
    # It stays failed until it is tried again.
    again, _ = run(tmp_path)
    assert again.count("failed") == 1
    assert forget_failures(tmp_path, CELLS) == 1
    healed, _ = run(tmp_path)
    assert all_finished(healed)
    assert scores(tmp_path) == WHOLE


def test_a_killed_cell_says_by_what(tmp_path, monkeypatch):
    kill = "import os, signal; os.kill(os.getpid(), signal.SIGKILL)"
    monkeypatch.setattr(fake_cells, "SCRIPT", kill)
    run(tmp_path, cells=CELLS[:1])
    assert "was killed by SIGKILL (out of memory?)" in read_cell(tmp_path, CELLS[0].name)["message"]


def test_a_check_that_fails_fails_the_cell(tmp_path, monkeypatch):
    def refuse(self, stage, cell):
        raise ConfigError("another seed")

    monkeypatch.setattr(fake_cells.FakeWork, "check", refuse)
    sweep, _ = run(tmp_path, cells=CELLS[:1])
    assert sweep.records[CELLS[0].name]["message"] == "another seed"
    assert not (cell_folder(tmp_path, CELLS[0].name) / "tested.txt").is_file()


def test_a_full_disk_in_a_cell_ends_the_sweep_and_keeps_what_is_finished(tmp_path, monkeypatch):
    monkeypatch.setenv("FAKE_ERROR", os.strerror(errno.ENOSPC))
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, bad=CELLS[2].name)
    assert f"no space left on the disk of {tmp_path}: what is finished is kept" in str(caught.value)
    states = {name: record and record[0] for name, record in scores(tmp_path).items()}
    assert list(states.values()) == ["finished", "finished"] + [None] * (len(CELLS) - 2)
    monkeypatch.delenv("FAKE_ERROR")
    sweep, _ = run(tmp_path)
    assert all_finished(sweep)
    assert scores(tmp_path) == WHOLE


def test_a_full_disk_for_the_sweep_itself(tmp_path, monkeypatch):
    def full(self, cell, progress):
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "cell.json")

    monkeypatch.setattr(fake_cells.FakeWork, "finish", full)
    with pytest.raises(ConfigError) as caught:
        run(tmp_path, jobs=2)
    assert "cell.json: No space left on device" in str(caught.value)
    assert not any(alive(pid) for pid in started(tmp_path))


def test_the_last_lines_of_a_log_bring_the_error_with_them(tmp_path):
    log = tmp_path / "train.log"
    assert last_lines(log) == []
    log.write_text("begin\n\n[rank1]: ValueError: too wide\nChildFailedError: \n" + "----\n" * 9)
    assert last_lines(log, 3) == ["[rank1]: ValueError: too wide", "...", "----", "----", "----"]
    log.write_text("begin\nerror: too wide\n")
    assert last_lines(log, 3) == ["begin", "error: too wide"]


def test_seconds_are_counted_across_a_kill(tmp_path):
    progress = Progress(tmp_path)
    progress.start("train")
    progress.stop("train", 100.0, done=False)
    progress.start("train")
    log = tmp_path / "train.log"
    log.write_text("a line")
    os.utime(log, (time.time() + 50, time.time() + 50))  # the sweep was killed, and this was the last of it
    again = Progress(tmp_path)
    assert again.done == []
    assert again.seconds["train"] == pytest.approx(150, abs=5)
    again.stop("train", 10.0, done=True)
    assert Progress(tmp_path).done == ["train"]
    assert Progress(tmp_path).seconds["train"] == pytest.approx(160, abs=5)


def test_the_table(tmp_path):
    run(tmp_path, cells=CELLS[:2], bad=CELLS[1].name)
    records = {cell.name: read_cell(tmp_path, cell.name) for cell in CELLS}
    shown = table(rows(PLAN, CELLS, records))
    score = f"{expected_score(CELLS[0].name):.2f}"
    assert shown[0].split() == ["cell", "state", "epoch", "val", "test", "left"]
    assert shown[1].split() == [CELLS[0].name, "finished", score, score]
    assert shown[2].split() == [CELLS[1].name, "failed"]
    assert shown[3].split() == [CELLS[2].name, "waiting"]
    assert len(shown) == 1 + len(CELLS)
    short = table(rows(PLAN, CELLS, records), 2)
    assert [line.split()[0] for line in short] == ["cell", CELLS[0].name, CELLS[1].name, "..."]


def test_a_terminal_is_redrawn(tmp_path, monkeypatch):
    monkeypatch.setattr("posekit.study.live._REDRAW", 0)
    stream = io.StringIO()
    with locked(tmp_path) as lock:
        make_sweep(tmp_path, lock, jobs=2, stream=stream, cells=CELLS[:2], live=True).run()
    printed = stream.getvalue()
    assert "\x1b[4F\x1b[J" in printed  # a head, two cells and the summary
    assert "training" in printed
    assert "0 of 2 cells finished" in printed
    assert "finished, validation" in printed


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(None, "?"), (0, "0 s"), (89.4, "89 s"), (720, "12 min"), (3600 * 3 + 300, "3 h 05")],
)
def test_durations(seconds, words):
    assert duration(seconds) == words


def test_a_damaged_cell_json_is_told(tmp_path):
    folder = cell_folder(tmp_path, "mse_s0")
    folder.mkdir(parents=True)
    (folder / "cell.json").write_text(json.dumps({"name": "mse_s1", "state": "finished"}))
    with pytest.raises(ValueError, match="expected the cell 'mse_s0', found 'mse_s1'"):
        read_cell(tmp_path, "mse_s0")
    (folder / "cell.json").write_text(json.dumps({"name": "mse_s0", "state": "begun"}))
    with pytest.raises(ValueError, match="finished or failed"):
        read_cell(tmp_path, "mse_s0")
