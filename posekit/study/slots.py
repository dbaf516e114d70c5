"""Where cells run.

A slot is what one cell occupies: a GPU, or some of the CPU's threads, for each of its processes. Devices
reach a cell through its environment, so that its commands are those that a user would type.
"""

from __future__ import annotations

import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

from posekit.errors import ConfigError
from posekit.machine import core_count


@dataclass(frozen=True)
class Slot:
    """Room for one cell at a time.

    Attributes:
        name: For the table, e.g. ``cuda:0``.
        environment: What its processes find in their environment beside the sweep's own.
    """

    name: str
    environment: Mapping[str, str] = field(default_factory=dict, hash=False)


def make_slots(
    devices: Sequence[str] | None, jobs: int | None, launcher: str, processes: int, gpus: int | None = None
) -> list[Slot]:
    """The slots of a sweep.

    Args:
        devices: ``cuda:0`` ..., or ``cpu``; None: all GPUs, or the CPU if there is none.
        jobs: Cells at a time; None: one on each GPU or core, or as many of them as it has processes.
        launcher: "none", "pytorch" or "slurm", which places the cells itself, and ``jobs`` says how many wait
            with it at a time.
        processes: Of one cell.
        gpus: How many GPUs there are; None: asks torch.

    Raises:
        ConfigError: On a device that is not there, too few of them, or an impossible number.
    """
    for name, number in (("--jobs", jobs), ("--processes-per-cell", processes)):
        if number is not None and number < 1:
            raise ConfigError(f"{name}: expected a whole number of at least 1, found {number}")
    if launcher == "none" and processes > 1:
        raise ConfigError(
            f"--processes-per-cell {processes}: a cell of several processes needs --launcher pytorch or slurm"
        )
    if launcher == "slurm":
        if devices:
            raise ConfigError("--devices: slurm gives the devices; state --jobs, the cells at a time")
        return [Slot(f"slurm {i}") for i in range(jobs or 1)]
    if gpus is None:
        import torch  # late: only a sweep that begins needs it

        gpus = torch.cuda.device_count()
    named = _named(devices, gpus)
    if named != ["cpu"]:
        return _gpu_slots(named, jobs, processes)
    return _cpu_slots(jobs, processes)


def _named(devices: Sequence[str] | None, gpus: int) -> list[str]:
    there = [f"cuda:{i}" for i in range(gpus)]
    if devices is None:
        return there or ["cpu"]
    named = [name for words in devices for name in words.replace(",", " ").split()]
    if not named:
        raise ConfigError("--devices: expected at least one device, found none")
    for name in named:
        if name not in ("cpu", "cuda", *there):
            found = ", ".join(there) or "no GPU"
            raise ConfigError(f"--devices {name}: there is no such device; there are: cpu, {found}")
    if "cuda" in named and not there:
        raise ConfigError("--devices cuda: no free device: there is no GPU here; expected cpu")
    named = [name for word in named for name in (there if word == "cuda" else [word])]
    if "cpu" in named and len(named) > 1:
        raise ConfigError(f"--devices {' '.join(named)}: cells on GPUs and on the CPU cannot be compared")
    return named


def _gpu_slots(named: list[str], jobs: int | None, processes: int) -> list[Slot]:
    if processes > 1 and len(set(named)) < len(named):
        raise ConfigError("--devices: one stands there twice; the processes of a cell need one each")
    possible = len(named) // processes
    if possible < (jobs or 1):
        raise ConfigError(
            f"no free device: {jobs or 1} cell(s) at a time, {processes} process(es) each, need "
            f"{(jobs or 1) * processes} GPUs, found {len(named)} ({', '.join(named)}); "
            "a GPU that is to hold two cells is named twice"
        )
    # Those that the sweep itself may see: cuda:0 is the first of them.
    visible = [name for name in os.environ.get("CUDA_VISIBLE_DEVICES", "").split(",") if name.strip()]
    slots = []
    for i in range(jobs or possible):
        own = named[i * processes : (i + 1) * processes]
        numbers = [int(name.partition(":")[2]) for name in own]
        inner = [visible[n] if n < len(visible) else str(n) for n in numbers]
        slots.append(Slot(",".join(own), {"CUDA_VISIBLE_DEVICES": ",".join(inner)}))
    return slots


def _cpu_slots(jobs: int | None, processes: int) -> list[Slot]:
    # Two processes of one thread do 1.9 times the work of one; one process of two threads 1.5 times.
    cores = core_count()
    jobs = jobs or max(1, cores // processes)
    threads = max(1, cores // (jobs * processes))
    environment = {"CUDA_VISIBLE_DEVICES": ""}
    # One that the user has set holds for both libraries: torch takes the larger of the two.
    stated = os.environ.get("OMP_NUM_THREADS") or os.environ.get("MKL_NUM_THREADS") or str(threads)
    for name in ("OMP_NUM_THREADS", "MKL_NUM_THREADS"):
        environment[name] = os.environ.get(name) or stated
    return [Slot(f"cpu {i}", environment) for i in range(jobs)]
