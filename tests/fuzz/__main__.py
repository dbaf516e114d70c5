"""The fuzz suite at full length: ``python -m tests.fuzz [--count N] [--seed N] [--reader NAME ...]``.

``--count`` inputs are shared out over the readers; input number i of a reader and seed is the same on every
machine: ``--reader NAME --first I --count 1`` reads it alone. A run that was stopped goes on behind the last
reader it finished (its table lies in ``--out``). Each escape is written, with its reproducer, to ``--out``;
exit status 1 if there was one. ``--self-test`` plants one escape of each kind, and fails if one is not seen.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import signal
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

from tests.fuzz import guard, planted
from tests.fuzz.readers import READERS, Reader

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
    parser.add_argument("--self-test", action="store_true", help="does it see what it looks for?")
    parser.add_argument("--out", type=Path, default=Path("work_dirs/fuzz"), help="for reproducers")
    return parser.parse_args()


def child(reader: Reader, seed: int, numbers: range, folder: Path, pipe: int) -> None:
    """Reads inputs and tells the parent, a line each: the number before it starts, escapes after."""
    quiet = os.open(os.devnull, os.O_WRONLY)
    os.dup2(quiet, 2)  # decoders complain of every file
    os.dup2(quiet, 1)
    os.chdir(folder)  # so that a bare name leads nowhere else
    guard.limit_process()
    guard.start_watching()
    beside = guard.Beside(folder)
    with os.fdopen(pipe, "w") as out:
        for number in numbers:
            out.write(json.dumps({"at": number}) + "\n")
            out.flush()
            content = reader.input(seed, number)
            guard.arm(reader.seconds)
            problem = guard.escape_of(reader, content, folder, beside)
            guard.arm(0)
            if problem:
                out.write(json.dumps({"escape": number, "problem": problem}) + "\n")
        out.write(json.dumps({"finished": True}) + "\n")
    os._exit(0)


def warm_up(reader: Reader) -> None:
    """Reads the valid files here, so that the children need not import anything."""
    with guard.working_folder(reader) as folder:
        for valid in reader.seeds:
            guard.read_valid(reader, valid, folder)


def run_range(reader: Reader, seed: int, numbers: range) -> list[tuple[int, str]]:
    """The escapes of a range of inputs; a child that dies is one, and the next goes on behind it."""
    escapes: list[tuple[int, str]] = []
    while numbers:
        read, write = os.pipe()
        with guard.working_folder(reader) as folder:
            process = os.fork()
            if process == 0:
                try:
                    os.close(read)
                    child(reader, seed, numbers, folder, write)
                finally:
                    os._exit(3)  # never back into the parent's code
            os.close(write)
            last, finished = numbers[0], False
            with os.fdopen(read) as lines:
                for line in lines:
                    record: dict[str, Any] = json.loads(line)
                    last, finished = record.get("at", last), "finished" in record
                    if "escape" in record:
                        escapes.append((record["escape"], record["problem"]))
            _, status = os.waitpid(process, 0)
        if finished:  # a status of 0 could be the input's doing
            return escapes
        how = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else f"status {status}"
        escapes.append((last, f"the process died: {how}"))
        numbers = range(last + 1, numbers.stop)
    return escapes


def main() -> int:
    args = parse_arguments()
    guard.one_thread()
    if args.self_test:
        return self_test()
    names = args.reader or list(READERS)
    shares = shares_of([READERS[name] for name in names], args.count)
    table = args.out / f"table_{args.seed}_{args.first}_{args.count}.json"
    done: dict[str, int] = json.loads(table.read_text()) if table.is_file() else {}
    began = time.monotonic()
    for name in names:
        if name not in done:
            done[name] = run_reader(READERS[name], args, shares[name])
            args.out.mkdir(parents=True, exist_ok=True)
            table.write_text(json.dumps(done))
    total, failed, seconds = sum(shares.values()), sum(done[name] for name in names), time.monotonic() - began
    print(f"{'in all':20}{total:8} inputs {total / seconds:8.0f}/s {failed:5} escapes (seed {args.seed})")
    return 1 if failed else 0


def shares_of(readers: list[Reader], count: int) -> dict[str, int]:
    """How many of the inputs each reader takes; together at least ``count``."""
    whole = sum(reader.share for reader in readers)
    return {reader.name: math.ceil(count * reader.share / whole) for reader in readers}


def run_reader(reader: Reader, args: argparse.Namespace, each: int) -> int:
    """Reads a reader's share of the inputs; returns how many escaped."""
    warm_up(reader)
    started, end = time.monotonic(), args.first + each
    chunks = [range(at, min(at + CHUNK, end)) for at in range(args.first, end, CHUNK)]
    if args.jobs == 1:  # a process that forks had better have no threads
        parts = [run_range(reader, args.seed, chunk) for chunk in chunks]
    else:
        with ThreadPoolExecutor(args.jobs) as pool:
            parts = list(pool.map(lambda chunk: run_range(reader, args.seed, chunk), chunks))
    escapes = [found for part in parts for found in part]
    seconds = time.monotonic() - started
    print(f"{reader.name:20}{each:8} inputs {each / seconds:8.0f}/s {len(escapes):5} escapes", flush=True)
    save(reader, args.seed, escapes, args.out)
    return len(escapes)


def self_test() -> int:
    """Reads inputs that escape on purpose, one of each kind; returns 1 if one is not seen."""
    unseen = 0
    for reader, wanted in planted.PLANTED:
        found = [problem.splitlines()[0] for _, problem in run_range(reader, 0, range(2))]
        seen = len(found) == (2 if wanted else 0) and all(wanted in problem for problem in found)
        unseen += not seen
        print(f"{reader.name:20}{'seen' if seen else 'NOT SEEN'}: {found[0] if found else 'nothing':.110}")
    return 1 if unseen else 0


def save(reader: Reader, seed: int, escapes: list[tuple[int, str]], out: Path) -> None:
    kinds: dict[str, int] = {}
    for number, problem in escapes:
        kind = problem.splitlines()[0][:60]
        kinds[kind] = kinds.get(kind, 0) + 1
        if kinds[kind] > 5:
            continue
        out.mkdir(parents=True, exist_ok=True)
        stem = f"{reader.name}_{seed}_{number}"
        (out / f"{stem}{reader.suffix}").write_bytes(reader.input(seed, number))
        (out / f"{stem}.txt").write_text(problem)
    for kind, count in sorted(kinds.items(), key=lambda item: -item[1])[:8]:
        print(f"    {count:5} x {kind}")


if __name__ == "__main__":
    sys.exit(main())
