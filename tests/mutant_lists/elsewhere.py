"""What other systems than Linux need, and what comes from elsewhere."""

from __future__ import annotations

from mutant_lists.mutant import Mutant

ELSEWHERE = (
    Mutant(
        "posekit/models/transfer.py",
        "if apples and value.dtype == torch.float64:",
        "if not apples and value.dtype == torch.float64:",
        "models/test_device.py::test_apples_gpus_are_handed_no_float64",
        why="a training with a float64 column ends on a Mac's GPU",
    ),
    Mutant(
        "posekit/engine/checkpoints/lock.py",
        "lock.acquire(timeout=0)",
        "lock.lock_file",
        "test_elsewhere.py::test_locks_hold_and_are_given_back",
        why="two trainings write into one folder on Windows",
    ),
    Mutant(
        "posekit/io/downloads.py",
        "fcntl.flock(handle, fcntl.LOCK_EX)",
        "fcntl.LOCK_SH",
        "io/test_downloads.py::test_two_at_once_fetch_once[fcntl]",
        why="two processes write one weight file",
    ),
    Mutant(
        "posekit/io/downloads.py",
        "known = replace(file, sha256=file.sha256 or stated.sha256)",
        "known = file",
        "io/test_hub.py::test_a_wrong_checksum_is_refused_and_not_kept",
        why="a file of the hub is taken whatever arrived",
    ),
    Mutant(
        "posekit/io/downloads.py",
        "return replace(file, sha256=digest, hub=replace(file.hub, revision=commit))",
        "return file",
        "io/test_hub.py::test_the_record_pins_what_is_fetched_again",
        why="the next download is another file, and nobody is told",
    ),
    Mutant(
        "posekit/study/processes.py",
        "pass_fds=() if lock is None else (lock,),",
        "pass_fds=(lock,),",
        "test_elsewhere.py::test_a_sweep_runs_there",
        why="no sweep on Windows",
    ),
)
