"""Would the tests notice? Breaks one line at a time, and runs the tests that ought to fail then.

    python tests/mutants.py [--only SUBSTRING] [--jobs N] [--list] [--json]

The mutants are those of ``mutant_lists``. Each is put into a copy of the project, never into the checkout,
and taken out again. It is killed if its tests fail, and survives if they pass: then a test is missing. What
the tests need from beside the checkout is not beside the copy, so that a mutant which only such data would
kill survives. All tests that are named are first run without any mutant, and must pass.

Ends with status 0 if all are killed, 1 if one is not, 2 if the list is out of date or a test fails by itself.
"""

from __future__ import annotations

import argparse
import compileall
import contextlib
import importlib
import importlib.util
import json
import multiprocessing
import os
import py_compile
import shutil
import signal
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Sequence
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from pathlib import Path

import pytest
from mutant_lists import MUTANTS, Mutant

ROOT = Path(__file__).resolve().parents[1]
COPIED = ("posekit", "configs", "tools", "tests", "pyproject.toml", "README.md")
TIMEOUT = 600.0  # seconds for the tests of one mutant; a busy machine needs many
# Imported once, here: every run of pytest is a fork, and finds there what takes longest.
HEAVY = (
    "torch",
    "torchvision",
    "timm",
    "mmengine.runner",
    "cv2",
    "scipy.io",
    "scipy.special",
    "hypothesis",
    "matplotlib.pyplot",
)
KILLED, SURVIVED, TIMED_OUT = "killed", "survived", "timed out"
_PASSED, _FAILED, _INTERRUPTED = 0, 1, 2  # pytest's exit codes; the last: a module that cannot be imported
_copy = Path()


@dataclass(frozen=True)
class Outcome:
    """What became of a mutant."""

    mutant: Mutant
    verdict: str
    seconds: float


def faults(mutants: Sequence[Mutant] = MUTANTS) -> list[str]:
    """Where the list and the code do not agree, in words."""
    found = []
    for mutant in mutants:
        path = ROOT / mutant.path
        times = path.read_text("utf-8").count(mutant.old) if path.is_file() else 0
        if times != 1:
            found.append(f"{mutant.path}: expected {mutant.old!r} once, found it {times} times")
        if mutant.old == mutant.new or "\n" in mutant.old + mutant.new:
            found.append(f"{mutant.path}: {mutant.old!r} -> {mutant.new!r} changes no single line")
        found += [f"{test}: is no test" for test in mutant.node_ids() if not _is_test(test)]
    return found


def _is_test(node_id: str) -> bool:
    name, _, function = node_id.partition("::")
    path = ROOT / name
    wanted = f"def {function.partition('[')[0]}(" if function else "def test_"
    return path.is_file() and wanted in path.read_text("utf-8")


def run_mutant(mutant: Mutant) -> Outcome:
    """Puts a mutant into this process's copy, runs its tests and takes it out again."""
    path, started = _copy / mutant.path, time.monotonic()
    sound = path.read_text("utf-8")
    path.write_text(sound.replace(mutant.old, mutant.new), "utf-8")
    try:
        status, log = run_tests(mutant.node_ids())
    finally:
        path.write_text(sound, "utf-8")
    verdicts = {_PASSED: SURVIVED, _FAILED: KILLED, _INTERRUPTED: KILLED, None: TIMED_OUT}
    if status not in verdicts:
        raise SystemExit(f"{mutant}: pytest ended with status {status}:\n{log}")
    return Outcome(mutant, verdicts[status], time.monotonic() - started)


def run_tests(node_ids: Sequence[str], timeout: float = TIMEOUT) -> tuple[int | None, str]:
    """Pytest's exit code, None if it took too long, and its words; stops at the first failure."""
    log = _copy / "pytest.log"
    process = multiprocessing.get_context("fork").Process(target=_pytest, args=(node_ids, log))
    process.start()
    try:
        process.join(timeout)
        late = process.is_alive()
    finally:  # an interrupt does not reach it: it leads a session of its own
        if process.is_alive():
            with contextlib.suppress(ProcessLookupError):
                os.killpg(process.pid, signal.SIGKILL)
            process.join()
    return (None, "") if late else (process.exitcode, log.read_text("utf-8", errors="replace"))


def _pytest(node_ids: Sequence[str], log: Path) -> None:
    """In a process of its own: as ``python -m pytest -q -x`` in the copy."""
    os.setsid()
    output = os.open(log, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)
    os.dup2(output, 1)
    os.dup2(output, 2)
    os.chdir(_copy)
    os.environ["PYTHONPATH"] = str(_copy)
    ours = (ROOT, ROOT / "tests")  # not all below: the environment may be there
    sys.path[:] = [str(_copy), *(path for path in sys.path if Path(path).resolve() not in ours)]
    found = importlib.util.find_spec("posekit")
    assert found is not None
    assert Path(str(found.origin)).is_relative_to(_copy), f"posekit would be taken from {found.origin}"
    quiet = ["-W", "ignore::pytest.PytestAssertRewriteWarning"]  # of what was imported before the fork
    sys.exit(int(pytest.main(["-q", "-x", "-p", "no:cacheprovider", *quiet, *node_ids])))


def _make_copy(folder: str) -> None:
    """A copy for each worker."""
    global _copy
    _copy = Path(folder) / str(os.getpid())
    for name in COPIED:
        source, target = ROOT / name, _copy / name
        if source.is_dir():
            shutil.copytree(source, target, ignore=shutil.ignore_patterns("__pycache__", ".*"))
        else:
            _copy.mkdir(parents=True, exist_ok=True)
            shutil.copy2(source, target)
    # Known by their contents: by time and size alone, a mutant written within a second would not be seen.
    mode = py_compile.PycInvalidationMode.CHECKED_HASH
    compileall.compile_dir(_copy / "posekit", quiet=1, invalidation_mode=mode)
    compileall.compile_dir(_copy / "tools", quiet=1, invalidation_mode=mode)


@contextlib.contextmanager
def copies(jobs: int) -> Iterator[Callable]:
    """Gives a ``map`` over processes that have a copy each."""
    for name in HEAVY:
        with contextlib.suppress(ImportError):
            importlib.import_module(name)
    context = multiprocessing.get_context("fork")
    with (
        tempfile.TemporaryDirectory(prefix="mutants-") as folder,
        ProcessPoolExecutor(jobs, context, initializer=_make_copy, initargs=(folder,)) as workers,
    ):
        yield workers.map


def line_of(outcome: Outcome) -> str:
    """A row of the table."""
    mutant = outcome.mutant
    less = "" if mutant.serious else " (not serious)"
    return (
        f"{outcome.verdict:9s} {outcome.seconds:5.1f} s  {mutant.path}: {mutant.old.strip()} -> "
        f"{mutant.new.strip()}  [{mutant.tests}]{less}{'  ' + mutant.why if mutant.why else ''}"
    )


def main(words: Sequence[str] | None = None) -> int:
    parser = argparse.ArgumentParser(description=(__doc__ or "").partition("\n")[0])
    parser.add_argument("--only", default="", help="only mutants with this in their file, lines or tests")
    parser.add_argument("--jobs", type=int, default=1, help="how many run at a time")
    parser.add_argument("--list", action="store_true", help="only show the mutants")
    parser.add_argument("--json", action="store_true", help="the outcomes as json")
    options = parser.parse_args(words)
    if out_of_date := faults():
        print("the list is out of date:", *out_of_date, sep="\n  ", file=sys.stderr)
        return 2
    chosen = [m for m in MUTANTS if options.only in f"{m.path} {m.old} {m.new} {m.tests} {m.why}"]
    if options.list:
        print(*(f"{m.path}: {m.old.strip()} -> {m.new.strip()}  [{m.tests}]" for m in chosen), sep="\n")
        return 0
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS", "OPENBLAS_NUM_THREADS"):
        os.environ.setdefault(name, "1")
    outcomes = []
    with copies(options.jobs) as spread:
        tests = sorted({test for mutant in chosen for test in mutant.node_ids()})
        status, log = next(spread(run_tests, [tests], [TIMEOUT * 10]))
        if status != _PASSED:
            print(f"without any mutant the tests do not pass:\n{log}", file=sys.stderr)
            return 2
        for outcome in spread(run_mutant, chosen):
            outcomes.append(outcome)
            if not options.json:
                print(line_of(outcome), flush=True)
    alive = [outcome for outcome in outcomes if outcome.verdict != KILLED]
    if options.json:
        print(
            json.dumps([{**asdict(o.mutant), "verdict": o.verdict, "seconds": o.seconds} for o in outcomes])
        )
    else:
        print(
            f"\n{len(outcomes) - len(alive)} of {len(outcomes)} mutants killed",
            *map(line_of, alive),
            sep="\n",
        )
    return int(bool(alive))


if __name__ == "__main__":
    sys.exit(main())
