"""Figures: the paper's, of any runs, of a gamma sweep. Each is written as png and svg.

    python tools/plot.py heatmap                        a keypoint's heatmap and its weights (paper, Fig. 1)
    python tools/plot.py losses                         MSE and focal MSE over the error (Fig. 2)
    python tools/plot.py point-losses                   losses of points (wing paper, Figs. 3, 5)
    python tools/plot.py ced SCORES [SCORES ...]        CED curves of evaluate.py nme --curve --out
    python tools/plot.py plane                          what losses do to embeddings, in two dimensions
    python tools/plot.py gamma SWEEP                    accuracy and score for each gamma (Fig. 3)
    python tools/plot.py compare RUN_A RUN_B            training and validation of two losses (Figs. 6, 7)
    python tools/plot.py predictions CONFIG CHECKPOINT  predictions drawn on photos (Fig. 8)
    python tools/plot.py curves RUN [RUN ...]           losses, scores, learning rates of any runs

RUN is a work directory or a scalars.json, SWEEP the folder of tools/gamma_sweep.py; of runs that are still
going what is there is drawn. --out is a folder (work_dirs/figures by default), or a file whose suffix (.png,
.svg, .pdf) says the one form to write. `tools/plot.py COMMAND --help` lists a command's settings.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import add_cfg_options, named_runs, require_writable, run_tool
from posekit.errors import ConfigError, DataError

if TYPE_CHECKING:
    from matplotlib.figure import Figure

    from posekit.visualization.records import Curves

FORMATS = ("png", "svg", "pdf")
SPLITS = ("train", "val", "test")


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    commands = parser.add_subparsers(dest="command", required=True, metavar="COMMAND")

    def command(name: str, what: str, run: Any) -> argparse.ArgumentParser:
        sub = commands.add_parser(name, help=what, description=what)
        sub.set_defaults(run=run)
        sub.add_argument(
            "--out", default="work_dirs/figures", metavar="PATH", help="folder or file (%(default)s)"
        )
        sub.add_argument("--title", default="", metavar="TEXT", help="above the figure")
        return sub

    sub = command(
        "heatmap", "a keypoint's heatmap and how losses weigh its pixels (paper, Fig. 1)", draw_heatmap
    )
    sub.add_argument("--codec", default="msra", metavar="NAME", help="who draws it (%(default)s)")
    sub.add_argument("--sigma", type=float, metavar="S", help="of the Gaussian, cells (the codec's: 2)")
    sub.add_argument("--radius", type=float, metavar="R", help="of its window, cells (the codec's)")
    sub.add_argument("--size", type=int, default=64, metavar="N", help="of the map, cells (%(default)s)")
    add_losses(sub, [0, 0.5, 1, 2])

    sub = command(
        "losses", "MSE and focal MSE over the error, for several targets y (paper, Fig. 2)", draw_losses
    )
    sub.add_argument(
        "--targets", type=float, nargs="+", default=[0, 0.1, 0.5, 1], metavar="Y", help="0 0.1 0.5 1"
    )
    sub.add_argument(
        "--symmetric", action="store_true", help="with (max(y, prediction) + delta)^gamma instead"
    )
    add_losses(sub, [0.5, 1, 2])

    sub = command(
        "point-losses",
        "value, gradient and optimal step of losses of coordinates (wing paper, Figs. 3 and 5)",
        draw_point_losses,
    )
    sub.add_argument("--omegas", type=float, nargs="+", default=[5, 10, 15], metavar="W", help="5 10 15")
    sub.add_argument("--epsilons", type=float, nargs="+", default=[0.5, 2], metavar="E", help="0.5 2")
    sub.add_argument(
        "--reach", type=float, default=20, metavar="X", help="the largest error, input pixels (%(default)s)"
    )

    sub = command("ced", "the share of faces with at most an NME, for several networks", draw_ced)
    sub.add_argument("runs", nargs="+", metavar="SCORES", help="what evaluate.py nme --curve --out wrote")
    add_names(sub)

    sub = command(
        "plane", "what losses do to features in the plane: softmax, normalised, margins", draw_plane
    )
    sub.add_argument("--classes", type=int, default=8, metavar="N", help="synthetic ones (%(default)s)")
    sub.add_argument("--seed", type=int, default=0, metavar="N", help="(%(default)s)")
    sub.add_argument("--steps", type=int, default=600, metavar="N", help="of each training (%(default)s)")

    sub = command("gamma", "accuracy per gamma over epochs (paper, Fig. 3), score against gamma", draw_gamma)
    sub.add_argument("sweep", help="the folder of tools/gamma_sweep.py")
    sub.add_argument("--score", metavar="NAME", help="a score, or its end (the headline score)")

    sub = command("compare", "training and validation of two losses (paper, Figs. 6 and 7)", draw_pair)
    sub.add_argument("runs", nargs="+", metavar="RUN", help="two work directories, or more")
    add_names(sub)
    sub.add_argument("--score", metavar="NAME", help="a validation score, or its end (the headline score)")

    sub = command(
        "predictions", "predictions drawn on photos, with their errors (paper, Fig. 8)", draw_predictions
    )
    sub.add_argument("config", help="a config file")
    sub.add_argument("checkpoint", help="the weights, of any form tools/test.py takes")
    sub.add_argument("--num", type=int, default=12, metavar="N", help="how many people (%(default)s)")
    sub.add_argument("--split", choices=SPLITS, default="val", help="of which data (%(default)s)")
    sub.add_argument(
        "--which", choices=("spread", "worst", "best", "both"), default="spread",
        help="spread (default): people evenly through the data; the others predict everybody first",
    )  # fmt: skip
    add_cfg_options(sub)

    sub = command("curves", "losses, scores and learning rates of any runs side by side", draw_curves)
    sub.add_argument("runs", nargs="+", metavar="RUN", help="a work directory or a scalars.json")
    add_names(sub)
    sub.add_argument(
        "--scores", nargs="+", metavar="NAME", help="scores, or their ends (the headline scores)"
    )
    return parser.parse_args()


def add_losses(parser: argparse.ArgumentParser, gammas: list[float]) -> None:
    shown = " ".join(f"{gamma:g}" for gamma in gammas)
    parser.add_argument(
        "--gammas", type=float, nargs="+", default=gammas, metavar="G", help=f"exponents ({shown})"
    )
    parser.add_argument("--delta", type=float, default=1e-3, metavar="D", help="(%(default)s)")


def add_names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument(
        "--names", nargs="+", metavar="TEXT", help="what to call them (what tells their paths apart)"
    )


# --- the paper's figures --------------------------------------------------------------------------------


def make_losses(args: argparse.Namespace, symmetric: bool = False) -> dict[float | str, Any]:
    """Gamma -> loss, plain MSE first."""
    from posekit.models import FocalMSELoss, MSELoss, SymmetricFocalMSELoss

    kind = SymmetricFocalMSELoss if symmetric else FocalMSELoss
    focal = {gamma: kind(gamma=gamma, delta=args.delta) for gamma in sorted(set(args.gammas))}
    return {0.0: MSELoss(), **{gamma: loss for gamma, loss in focal.items() if gamma != 0}}


def draw_heatmap(args: argparse.Namespace) -> None:
    from posekit.codecs.named import get_codec
    from posekit.study.paper_figures import heatmap_figure, target_map

    if not 8 <= args.size <= 1024:
        raise ConfigError(f"--size: expected 8 to 1024 cells, found {args.size}")
    chosen = {"sigma": args.sigma, "radius": args.radius}
    codec = get_codec(args.codec, **{name: value for name, value in chosen.items() if value is not None})
    target = target_map(codec, args.size)
    inside = int((target > 0).sum())
    settings = "".join(f", {name} {getattr(codec, name):g}" for name in chosen if getattr(codec, name, None))
    notes = (
        f"codec {args.codec}{settings}: {inside:,} foreground and {target.size - inside:,} background cells"
    )
    notes += f"\nweights: $(y + \\delta)^\\gamma$, δ = {args.delta:g}"
    figure = heatmap_figure(target, make_losses(args), peak=codec.peak, title=args.title, notes=notes)
    write(args, {"heatmap": figure})


def draw_losses(args: argparse.Namespace) -> None:
    from posekit.study.paper_figures import losses_figure

    if not args.targets or not all(0 <= target <= 1 for target in args.targets):
        raise ConfigError(f"--targets: expected finite numbers from 0 to 1, found {args.targets}")
    factor = r"(\max(y, y') + \delta)^\gamma" if args.symmetric else r"(y + \delta)^\gamma"
    figure = losses_figure(
        make_losses(args, args.symmetric), targets=args.targets, title=args.title,
        notes=rf"focal MSE: ${factor}\,(y - y')^2$, δ = {args.delta:g}; y: target, y′: prediction",
    )  # fmt: skip
    write(args, {"losses": figure})


def draw_point_losses(args: argparse.Namespace) -> None:
    """Two figures: the losses side by side, and wing loss with several settings."""
    from posekit.models.point_losses import L1Loss, L2Loss, SmoothL1Loss, SoftWingLoss, WingLoss
    from posekit.study.point_figures import point_losses_figure

    if not 0 < args.reach < float("inf"):
        raise ConfigError(f"--reach: expected a number above 0, found {args.reach}")
    every = {
        "L2": L2Loss(), "L1": L1Loss(), "smooth L1": SmoothL1Loss(), "wing, ω = 10, ε = 2": WingLoss(),
        "soft wing": SoftWingLoss(),
    }  # fmt: skip
    wings = {
        f"ω = {omega:g}, ε = {epsilon:g}": WingLoss(omega, epsilon)
        for omega in args.omegas
        for epsilon in args.epsilons
    }
    notes = "optimal step: the way to the minimum over the gradient's magnitude"
    figures = {
        "point_losses": point_losses_figure(every, reach=args.reach, title=args.title, notes=notes),
        "wing_settings": point_losses_figure(
            wings, reach=args.reach, title=args.title or "Wing loss", notes=notes
        ),
    }
    write(args, figures)


def draw_ced(args: argparse.Namespace) -> None:
    from posekit.io.files import read_object
    from posekit.study.point_figures import ced_figure, ced_of_scores, check_one_norm

    files = named_runs(args.runs, args.names)
    scores = {file: read_object(file) for file in files.values()}
    check_one_norm(scores)
    curves = {name: ced_of_scores(scores[file], file) for name, file in files.items()}
    write(args, {"ced": ced_figure(curves, title=args.title)})


def draw_plane(args: argparse.Namespace) -> None:
    from posekit.recognition.plane import PLANE_LOSSES, plane_features
    from posekit.recognition.study_figures import plane_figure

    features = {name: plane_features(name, args.classes, args.seed, args.steps) for name in PLANE_LOSSES}
    write(
        args, {"plane": plane_figure(features, args.title or "Two features, classes that overlap a little")}
    )


def draw_predictions(args: argparse.Namespace) -> None:
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.inference import predictions
    from posekit.visualization import prediction_sheet, save_image

    if args.num < 1:
        raise ConfigError(f"--num: expected a number from 1 on, found {args.num}")
    folder, name, suffix = destination(args.out)
    if suffix not in (None, "png"):
        raise ConfigError(f"--out {args.out}: photos are written as .png, found .{suffix}")
    cfg = load_config(args.config, parse_options(args.cfg_options))
    dataset, loader = predictions.split_dataset(cfg, args.config, args.split)
    require_writable(folder)
    model = predictions.load_network(cfg, args.config, args.checkpoint)
    norm, areas = predictions.evaluator_norm(cfg, dataset, args.split)
    rows = predictions.measurable_rows(dataset, args.num, norm) if args.which == "spread" else None
    poses = predictions.predict_people(model, dataset, loader, rows)
    words = {
        "spread": "evenly through",
        "worst": "the worst of",
        "best": "the best of",
        "both": "worst and best of",
    }
    title = (
        f"{min(args.num, len(poses))} people, {words[args.which]} {args.split}'s {len(dataset)}, worst first"
    )
    sheet = prediction_sheet(
        dataset, poses, count=args.num, which=args.which, norm=norm, columns=min(4, args.num),
        title=args.title or f"{title} · white: to the truth · blue: the person's left, orange: right",
        areas=None if areas is None else [areas.get(pose.person_id) for pose in poses],
    )  # fmt: skip
    print("written:", save_image(folder / f"{name or 'predictions'}.png", sheet))


# --- runs -----------------------------------------------------------------------------------------------


def read_runs(args: argparse.Namespace) -> dict[str, Curves]:
    """Name -> curves of the runs on the command line."""
    from posekit.visualization.records import read_curves

    return {name: read_curves(run) for name, run in named_runs(args.runs, args.names).items()}


def draw_curves(args: argparse.Namespace) -> None:
    from posekit.visualization.curves import curves_figure, missing

    runs = read_runs(args)
    figure = curves_figure(
        runs, args.scores, title=args.title or "Learning curves", notes="rings: the best validation"
    )
    for what, absent in missing(runs, args.scores).items():
        print(f"{what}: not logged by {', '.join(absent)}")
    write(args, {"curves": figure})


def draw_pair(args: argparse.Namespace) -> None:
    from posekit.study.study_figures import train_val_pair
    from posekit.visualization.records import find_score, headline_scores, score_label, train_and_val

    if len(args.runs) < 2:
        raise ConfigError(f"compare: expected two runs or more, found {len(args.runs)}")
    runs = read_runs(args)
    every = list(dict.fromkeys(key for curves in runs.values() for key in curves.val))
    wanted = args.score or next(iter(headline_scores(every)), None)
    score = find_score(every, wanted, " and ".join(runs)) if wanted else ""
    pair = {name: train_and_val(curves, score) for name, curves in runs.items()}
    figure = train_val_pair(
        pair, score=score_label(score) or "accuracy", title=args.title, notes="one run each"
    )
    write(args, {"compare": figure})


def draw_gamma(args: argparse.Namespace) -> None:
    from posekit.study.sweep_figures import read_sweep, sweep_figures
    from posekit.visualization.records import find_score, headline_scores

    cells = read_sweep(args.sweep)
    every = list(dict.fromkeys(key for records in cells for key in [*records.curves.val, *records.test]))
    wanted = args.score or next(iter(headline_scores(every)), None)
    if wanted is None:
        raise DataError(f"{args.sweep}: its cells have logged no score")
    score = find_score(every, wanted, args.sweep)
    write(args, sweep_figures(cells, score, args.title))
    states = [records.state for records in cells]
    print(", ".join(f"{states.count(state)} cells {state}" for state in dict.fromkeys(states)))


# --- files ----------------------------------------------------------------------------------------------


def destination(out: str) -> tuple[Path, str | None, str | None]:
    """Folder, file name without suffix, and suffix; the last two are None for a folder."""
    path = Path(out)
    suffix = path.suffix.lstrip(".").lower()
    if suffix in FORMATS and not path.is_dir():
        return path.parent, path.stem, suffix
    if path.is_file():
        raise ConfigError(f"--out {out}: expected a folder, or a file that ends in {', '.join(FORMATS)}")
    return path, None, None


def write(args: argparse.Namespace, figures: Mapping[str, Figure]) -> None:
    """Writes figures, under a file's name if --out is one."""
    from posekit.study.study_figures import save_figure

    folder, name, suffix = destination(args.out)
    if name is not None and len(figures) > 1:
        raise ConfigError(
            f"--out {args.out}: expected a folder for {len(figures)} figures ({', '.join(figures)})"
        )
    require_writable(folder)
    for own, figure in figures.items():
        written = save_figure(figure, folder / (name or own), (suffix,) if suffix else FORMATS[:2])
        print("written:", *written)


if __name__ == "__main__":
    run_tool(main=lambda: (args := parse_arguments()).run(args))
