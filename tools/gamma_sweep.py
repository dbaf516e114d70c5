"""Sweeps the focal weight (y + delta)^gamma, or other losses: does it help on your data, and which is best?

    python tools/gamma_sweep.py CONFIG --gammas 0 0.5 1 2 3 --seeds 0 1 2
    python tools/gamma_sweep.py CONFIG --losses awing='{"type": "AdaptiveWingLoss"}' ohkm=OTHER_CONFIG.py
    python tools/gamma_sweep.py FACES --losses l2='{"type": "L2Loss"}' wing='{"type": "WingLoss"}' --base l2
    python tools/gamma_sweep.py CONFIG --losses LOSSES.json --variants balanced=OTHER_CONFIG.py
    python tools/gamma_sweep.py --quick        the embedded data set, a quarter of an hour on two cores

Every cell (one loss, one seed) is trained and tested as tools/train.py and tools/test.py do it, in processes
of its own and several at a time; all else is identical between cells, which is checked. gamma 0 is plain MSE,
so that there is one such cell a seed whatever the deltas and forms. gamma 0 and 1 come first, seed by seed.
The focal weight is one of pixels: a config whose head learns no heatmaps, such as one of coordinates, is
swept over ``--losses``, compared with the first of them or with ``--base``. ``--variants`` are whole configs,
whose differences the report states. The score may be one that is better when lower, such as the NME of faces.

In the output folder (default ``work_dirs/gamma_<config name>``) it leaves ``cells/<name>/``, ``plan.json``,
and a report that is made anew after every cell. Stopped, killed or out of space, it goes on with
``gamma_sweep.py --out DIR``: finished cells stay, an interrupted training goes on from its newest checkpoint.
Further cells may be added later by other --gammas, --deltas, --forms, --losses, --seeds or --cells. Exit
status: 0 all cells finished, 1 some failed, 2 bad input, 130 interrupted.
"""

from __future__ import annotations

import argparse
import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from posekit.engine.cli import add_cfg_options, run_tool
from posekit.errors import ConfigError
from posekit.io.files import read_json
from posekit.study.cells import (
    FORMS,
    MSE,
    Cell,
    check_list,
    one_run_each,
    parse_cell,
    plan_cells,
    stated_cells,
)

if TYPE_CHECKING:
    from posekit.study.plan import Plan
    from posekit.study.slots import Slot
    from posekit.study.sweep import Sweep

GAMMAS, DELTAS, SEEDS = (0.0, 0.5, 1.0, 2.0, 3.0), (1e-3,), (0, 1, 2)


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", nargs="?", help="a config file (default: that of the sweep in --out)")
    parser.add_argument("--out", metavar="DIR", help="output folder")
    parser.add_argument("--gammas", nargs="*", type=float, metavar="G", help="default: 0 0.5 1 2 3")
    parser.add_argument("--deltas", nargs="*", type=float, metavar="D", help="default: 0.001")
    parser.add_argument("--seeds", nargs="*", type=int, metavar="S", help="default: 0 1 2")
    forms = "; ".join(f"{name}: {form.words}" for name, form in FORMS.items())
    parser.add_argument("--forms", nargs="*", metavar="F", help=f"default: focal. {forms}")
    parser.add_argument(
        "--losses", nargs="*", metavar="NAME=LOSS",
        help="other losses by name, with every seed, beside plain MSE and what --gammas states: "
        """awing='{"type": "AdaptiveWingLoss", "omega": 14}', or a config file whose loss is taken; or a """
        """file.json of names and losses. A 'grid' in a loss, {"omega": [5, 10]}, makes one of each value""",
    )  # fmt: skip
    parser.add_argument(
        "--variants", nargs="*", metavar="NAME=CONFIG.py",
        help="what differs in more than the loss, compared as a whole: another config, or a file.json of "
        """names and {"config": "CONFIG.py", "options": {"model.head.pool": 1}}""",
    )  # fmt: skip
    parser.add_argument(
        "--base", metavar="NAME",
        help="what the others are compared with (default: mse, plain MSE; without heatmaps the first loss)",
    )  # fmt: skip
    parser.add_argument(
        "--cells", nargs="*", metavar="CELL", help="these instead: focal:g1:d0.1:s0 mse:s0 awing:s0 ..."
    )
    parser.add_argument("--jobs", type=int, metavar="N", help="cells at a time (default: one a GPU or core)")
    parser.add_argument("--devices", nargs="+", metavar="D", help="cuda:0,cuda:1 or cpu (default: all GPUs)")
    parser.add_argument("--launcher", choices=["none", "pytorch", "slurm"], help="of a cell's processes")
    parser.add_argument("--processes-per-cell", type=int, metavar="N", help="with --launcher; default: 1")
    parser.add_argument("--diagnose", action="store_true", help="also say of each cell why it errs")
    parser.add_argument(
        "--quick",
        action="store_true",
        help="the embedded data set and few epochs: a quarter of an hour on two cores",
    )
    parser.add_argument("--retry-failed", action="store_true", help="try the cells again that failed")
    parser.add_argument("--report-only", action="store_true", help="only make the report anew")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> int:
    args = parse_arguments()
    if args.report_only:
        if args.out is None:
            raise ConfigError("--report-only: state --out, the folder of the sweep")
        from posekit.study.report import write_report

        path = write_report(Path(args.out))
        cells = read_json(path.with_name("sweep.json"))["cells"]
        print(f"report: {path} ({', '.join(f'{number} {state}' for state, number in cells.items())})")
        return 0
    # Imported late, so that --help answers at once.
    from posekit.study.live import rows, table
    from posekit.study.sweep import all_finished

    if args.quick:
        make_quick(args)
    out = output_folder(args)
    with folder(out) as lock:
        plan, cells, slots = prepare(args, out)
        sweep = run_cells(args, out, plan, cells, slots, lock)
        print("\n".join(["", *table(rows(plan, cells, sweep.records))]))
        report(out)
    if not all_finished(sweep):
        failed = sweep.count("failed")
        print(f"\n{failed} of {len(cells)} cells failed; --retry-failed tries them again", file=sys.stderr)
        return 1
    return 0


@contextmanager
def folder(out: Path) -> Iterator[int | None]:
    """Makes and locks the sweep's folder; yields the lock. A start that fails takes it back."""
    from posekit.engine.startup import make_work_dir, remove_if_empty
    from posekit.study.plan import PLAN
    from posekit.study.processes import LOCK, locked

    made = make_work_dir(out)
    try:
        with locked(out) as lock:
            yield lock
    finally:
        if made and not (out / PLAN).exists():
            (out / LOCK).unlink(missing_ok=True)
            remove_if_empty(made)


def make_quick(args: argparse.Namespace) -> None:
    """Writes the embedded data set and fills in what the demonstration takes where nothing is stated."""
    from posekit.study import quick

    if args.config is not None:
        raise ConfigError(f"--quick: it has a config of its own; leave {args.config} out")
    quick.write_data()
    args.config, args.out = str(quick.CONFIG), args.out or quick.OUT
    args.cfg_options = [*quick.quick_options(), *args.cfg_options]
    if args.cells is None:
        args.gammas = quick.GAMMAS if args.gammas is None else args.gammas
        args.deltas = quick.DELTAS if args.deltas is None else args.deltas
        args.seeds = quick.SEEDS if args.seeds is None else args.seeds


def output_folder(args: argparse.Namespace) -> Path:
    """The sweep's folder, absolute."""
    if args.out is None and args.config is None:
        raise ConfigError("nothing to sweep: state CONFIG, or --out with the folder of a sweep to go on with")
    return Path(args.out or Path("work_dirs") / f"gamma_{Path(args.config).stem}").absolute()


def prepare(args: argparse.Namespace, out: Path) -> tuple[Plan, list[Cell], list[Slot]]:
    """The plan, checked against what the folder holds and written; the cells to be run now; the slots."""
    from posekit.study.plan import changed_code, join_plans, read_plan, write_plan
    from posekit.study.prepare import make_plan
    from posekit.study.slots import make_slots
    from posekit.study.stated import read_losses, read_variants

    old, losses = read_plan(out), read_losses(args.losses or [])
    if args.config is None:
        go_on(args, old, out)
    variants = read_variants(args.variants or [], args.config, args.cfg_options)
    names = [*losses, *variants]
    if twice := [name for name in losses if name in variants]:
        raise ConfigError(f"--variants: {twice[0]} is one of --losses, too; name it otherwise")
    cells = cells_of(args, old, names)
    base = base_of(args, old, cells)
    launcher = args.launcher or "none"
    processes = 1 if args.processes_per_cell is None else args.processes_per_cell
    slots = make_slots(args.devices, args.jobs, launcher, processes)
    if old is not None:
        losses = {**old.losses, **losses}
        variants = {**{n: (v["config"], v["options"]) for n, v in old.variants.items()}, **variants}
    plan = make_plan(args.config, args.cfg_options, cells, losses, variants, base)
    plan.launcher, plan.processes_per_cell = launcher, processes
    if old is not None:
        if warning := changed_code(old, plan):
            print(f"warning: {warning}", file=sys.stderr)
        plan = join_plans(old, plan, out)
    write_plan(plan, out)
    for note in (*plan.notes, plan.people["sentence"]):
        print(f"note: {note}")
    if one_run_each(parse_cell(name) for name in plan.cells):
        print("note: every loss has one run, so that the verdict will be 'undecided'; add --seeds")
    return plan, cells, slots


def go_on(args: argparse.Namespace, old: Plan | None, out: Path) -> None:
    """Takes config, options and launcher from the sweep that the folder holds."""
    if old is None:
        raise ConfigError(f"{out}: holds no sweep (plan.json); state CONFIG to begin one")
    if args.cfg_options:
        raise ConfigError("--cfg-options: a sweep goes on with those it began with; state none")
    if not Path(old.folder).is_dir():
        raise ConfigError(f"{out}: the sweep began in {old.folder}, which is gone; state CONFIG")
    os.chdir(old.folder)  # the config's paths start there
    args.config, args.cfg_options = old.config, old.options
    args.launcher = args.launcher or old.launcher
    args.processes_per_cell = args.processes_per_cell or old.processes_per_cell


def cells_of(args: argparse.Namespace, old: Plan | None, losses: list[str]) -> list[Cell]:
    """The cells that the command line asks for; without a word of it those of the old plan."""
    grid = (args.gammas, args.deltas, args.forms, args.seeds)
    for option, words in (("losses", args.losses), ("variants", args.variants)):
        if words is not None:
            check_list(option, words)
    if args.cells is not None:
        if any(values is not None for values in grid):
            raise ConfigError("--cells: state cells, or gammas, deltas, forms and seeds, not both")
        check_list("cells", args.cells)
        return list(dict.fromkeys(parse_cell(text) for text in args.cells))
    if old is not None and not losses and all(values is None for values in grid):
        return [parse_cell(name) for name in old.cells]
    if not focal_losses(args):
        if stated := [
            f"--{name}" for name in ("gammas", "deltas", "forms") if getattr(args, name) is not None
        ]:
            raise ConfigError(
                f"{' '.join(stated)}: the head of {args.config} is not one that learns heatmaps, whose "
                "pixels a focal loss weighs; state --losses or --variants"
            )
        names = losses or list(dict.fromkeys(parse_cell(name).form for name in (old.cells if old else ())))
        if not names:
            raise ConfigError(
                f"config {args.config}: its head learns no heatmaps, so that there is no gamma to sweep; "
                "state what to compare: --losses, --variants"
            )
        return stated_cells(names, SEEDS if args.seeds is None else args.seeds)
    defaults = ((0.0,) if losses else GAMMAS, DELTAS, ("focal",), SEEDS)
    gammas, deltas, forms, seeds = (
        list(default if given is None else given) for given, default in zip(grid, defaults, strict=True)
    )
    return plan_cells(gammas, deltas, forms, seeds, losses)


def focal_losses(args: argparse.Namespace) -> bool:
    """Whether the config's head learns heatmaps, as far as it says; several heads have no one loss."""
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.study.prepare import learns_heatmaps

    cfg = load_config(args.config, parse_options(args.cfg_options))
    if args.variants and "heads" in cfg.model.get("head", {}):
        return False
    return learns_heatmaps(cfg) is not False


def base_of(args: argparse.Namespace, old: Plan | None, cells: list[Cell]) -> str:
    """The setting that the others are compared with."""
    settings = [cell.setting for cell in [*(map(parse_cell, old.cells) if old else ()), *cells]]
    if args.base is not None:
        if args.base not in settings:
            known = ", ".join(dict.fromkeys(settings))
            raise ConfigError(f"--base: expected one of {known}, found {args.base}")
        return str(args.base)
    if old is not None:
        return old.base
    return MSE if focal_losses(args) else settings[0]


def run_cells(
    args: argparse.Namespace, out: Path, plan: Plan, cells: list[Cell], slots: list[Slot], lock: int | None
) -> Sweep:
    """Runs the cells, the report being made beside them."""
    from posekit.study.live import Display
    from posekit.study.processes import Reporter
    from posekit.study.sweep import Sweep, forget_failures
    from posekit.study.work import Work

    if args.retry_failed:
        forget_failures(out, cells)
    reporter = Reporter(out, lock)
    display = Display(plan, out, after_cell=reporter.begin)
    sweep = Sweep(out, cells, slots, Work(out, plan, args.diagnose), display, lock)
    done = len(cells) - len(sweep.waiting)
    print(f"{len(cells)} cells in {out}, {done} done before; {len(slots)} at a time", flush=True)
    try:
        sweep.run()
    except KeyboardInterrupt:
        finished, again = sweep.count("finished"), f"python tools/gamma_sweep.py --out {out}"
        print(
            f"\nstopped; {finished} of {len(cells)} cells are finished; go on with: {again}", file=sys.stderr
        )
        raise
    finally:
        reporter.stop()
    return sweep


def report(out: Path) -> None:
    """Makes the report; a fault in it is told and costs no cell."""
    try:
        from posekit.study.report import write_report

        write_report(out)
    except Exception as error:  # hours of training must not end for a report, which can be made again
        print(f"the report was not made: {type(error).__name__}: {error}", file=sys.stderr)


if __name__ == "__main__":
    run_tool(main)
