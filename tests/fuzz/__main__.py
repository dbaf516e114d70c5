"""The fuzz suite at full length: ``python -m tests.fuzz [--count N] [--seed N] [--reader NAME ...]``.

``--count`` inputs are shared out over the readers; input number i of a reader and seed is the same on every
machine, so that ``--first`` goes on where a run stopped. Each escape is written, with its reproducer, to
``--out``; exit status 1 if there was one.
"""

from __future__ import annotations

import argparse
import json
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz import guard
from tests.fuzz.readers import READERS

CHUNK = 2000


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--count", type=int, default=100_000, help="inputs in all (100000)")
    parser.add_argument("--seed", type=int, default=0, help="of the mutations (0)")
    parser.add_argument("--first", type=int, default=0, help="number of each reader's first input (0)")
    parser.add_argument("--reader", nargs="+", choices=sorted(READERS), help="these alone")
    parser.add_argument("--jobs", type=int, default=1, help="processes at once (1)")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/fuzz"), help="for reproducers")
    return parser.parse_args()


def child(name: str, seed: int, first: int, end: int, pipe: int) -> None:
    """Reads inputs and tells the parent, a line each: the number before it starts, escapes after."""
    reader = READERS[name]
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # decoders complain of every file
    os.dup2(quiet, 1)
    guard.limit_process()
    guard.start_watching()
    with guard.working_folder(reader) as folder, os.fdopen(pipe, "w") as out:
        for number in range(first, end):
            out.write(json.dumps({"at": number}) + "\n")
            out.flush()
            guard.arm(True)
            problem = guard.escape_of(reader, reader.input(seed, number), Path(folder))
            guard.arm(False)
            if problem:
                out.write(json.dumps({"escape": number, "problem": problem}) + "\n")
    os._exit(0)


def warm_up(name: str) -> None:
    """Reads the valid files here, so that the children need not import anything."""
    reader = READERS[name]
    with guard.working_folder(reader) as folder:
        for valid in reader.seeds:
            guard.read_valid(reader, valid, Path(folder))


def run_range(name: str, seed: int, first: int, end: int) -> list[tuple[int, str]]:
    """The escapes of a range of inputs; a child that dies is one, and the next goes on behind it."""
    escapes: list[tuple[int, str]] = []
    while first < end:
        read, write = os.pipe()
        process = os.fork()
        if process == 0:
            os.close(read)
            child(name, seed, first, end, write)
        os.close(write)
        last = first
        with os.fdopen(read) as lines:
            for line in lines:
                record: dict[str, Any] = json.loads(line)
                last = record.get("at", last)
                if "escape" in record:
                    escapes.append((record["escape"], record["problem"]))
        _, status = os.waitpid(process, 0)
        if os.WIFEXITED(status) and os.WEXITSTATUS(status) == 0:
            return escapes
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"
        escapes.append((last, f"the process died: {how}"))
        first = last + 1
    return escapes


def main() -> int:
    args = parse_arguments()
    names = args.reader or list(READERS)
    each = -(-args.count // len(names))
    total = failed = 0
    began = time.monotonic()
    with ThreadPoolExecutor(args.jobs) as pool:
        for name in names:
            warm_up(name)
            started = time.monotonic()
            ends = range(args.first, args.first + each, CHUNK)
            work = [(name, args.seed, at, min(at + CHUNK, args.first + each)) for at in ends]
            share = map if args.jobs == 1 else pool.map  # a process that forks had better have no threads
            escapes = [found for part in share(lambda item: run_range(*item), work) for found in part]
            seconds = time.monotonic() - started
            print(f"{name:20}{each:8} inputs {each / seconds:8.0f}/s {len(escapes):5} escapes", flush=True)
            save(name, args.seed, escapes, args.out)
            total, failed = total + each, failed + len(escapes)
    seconds = time.monotonic() - began
    print(f"{'in all':20}{total:8} inputs {total / seconds:8.0f}/s {failed:5} escapes (seed {args.seed})")
    return 1 if failed else 0


def save(name: str, seed: int, escapes: list[tuple[int, str]], out: Path) -> None:
    reader = READERS[name]
    kinds: dict[str, int] = {}
    for number, problem in escapes:
        kind = problem.splitlines()[0][:60]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > 5:
            continue
        out.mkdir(parents=True, exist_ok=True)
        stem = f"{name}_{seed}_{number}"
        (out / f"{stem}{reader.suffix}").write_bytes(reader.input(seed, number))
        (out / f"{stem}.txt").write_text(problem)
    for kind, count in sorted(kinds.items(), key=lambda item: -item[1])[:8]:
        print(f"    {count:5} x {kind}")


if __name__ == "__main__":
    sys.exit(main())
