"""Pictures of a config's data, and of what a checkpoint makes of them.

    python tools/browse_dataset.py CONFIG                                   what the network is fed
    python tools/browse_dataset.py CONFIG --checkpoint PATH --what heatmaps target against prediction
    python tools/browse_dataset.py CONFIG --checkpoint PATH --what flip     the two halves of the flip test
    python tools/browse_dataset.py CONFIG --results results.json --what worst   worst and best predictions

``samples``: crops as they come out of the augmentation, with their keypoints, and beside each the target
that the codec draws from them. With a shuffled training set they are the first crops of that epoch. Hollow
rings: labelled, but without a target. ``heatmaps`` and ``flip``: one row of panels per crop, and of the first
crops a sheet with every joint (--joints). ``worst``: everybody of the split is predicted (or read from a
results file in COCO's form, anybody's), ranked by the error that the config's evaluator goes by. Results
without ``annotation_id``, as on detected boxes, belong to the people whom COCO's evaluation would give them
to; who gets none, and what is nobody's, is on sheets of its own. In all pictures sky blue is the person's own
left, vermillion the right, yellow what has no side.

Prints how many people, images and joints there are, and writes contact sheets into the output folder.
"""

from __future__ import annotations

import argparse
from collections.abc import Iterator, Mapping, Sequence
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import add_cfg_options, require_writable, run_tool

if TYPE_CHECKING:
    import numpy as np

    from posekit.datasets.table import PersonTable
    from posekit.structures import Pose, Sample

SPLITS = ("train", "val", "test")
PICTURES = ("samples", "heatmaps", "flip", "worst")
PER_SHEET = {"samples": 24, "heatmaps": 12, "flip": 12}
SIDES = "blue: the person's left, orange: right"


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("config", help="a config file, e.g. configs/quickstart/people_mpii.py")
    parser.add_argument("--split", choices=SPLITS, help="which data set (train; for 'worst' val)")
    parser.add_argument("--set", metavar="NAME", help="of several data sets this one alone")
    parser.add_argument(
        "--what", choices=PICTURES, help="what to show (samples; with --checkpoint: heatmaps)"
    )
    parser.add_argument("--checkpoint", metavar="PATH", help="the weights, of any form tools/test.py takes")
    parser.add_argument("--results", metavar="PATH", help="for 'worst': keypoint results in COCO's form")
    parser.add_argument("--num", type=positive, default=24, metavar="N", help="how many people to show (24)")
    parser.add_argument("--joints", type=int, default=2, metavar="N", help="sheets with every joint (2)")
    parser.add_argument("--seed", type=int, metavar="N", help="of order and augmentation (the config's)")
    parser.add_argument("--epoch", type=int, default=0, metavar="E", help="of the augmentation, from 0 (0)")
    parser.add_argument("--out", metavar="DIR", help="folder (work_dirs/<config name>/pictures)")
    add_cfg_options(parser)
    return parser.parse_args()


def positive(text: str) -> int:
    number = int(text)
    if number < 1:
        raise argparse.ArgumentTypeError(f"expected a number from 1 on, found {number}")
    return number


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.datasets.mixture import build_dataset
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.engine.startup import faults_of
    from posekit.visualization.samples import describe_people

    check_arguments(args)
    cfg = load_config(args.config, parse_options(args.cfg_options))
    loader = cfg.get(f"{args.split}_dataloader")
    if loader is None:
        raise_config(f"config {args.config}: there is no '{args.split}_dataloader'")
    if args.set is not None:
        choose_set(cfg, args.split, args.set)
    with faults_of(f"{args.split}_dataloader", args.config):
        dataset = build_dataset(loader["dataset"])
    if args.what == "worst":
        require_one_set(dataset, args.split)
    seed = cfg.randomness.seed if args.seed is None else args.seed
    out = Path(args.out or Path("work_dirs") / Path(args.config).stem / "pictures")
    require_writable(out)
    model = build_model(cfg, args)
    print(f"{args.split}: {describe_people(dataset)}")
    if args.what == "worst":
        written = show_worst(args, cfg, dataset, model, out)
    else:
        samples = list(islice(drawn(dataset, seed, args.epoch), args.num))
        show = {"samples": show_samples, "heatmaps": show_heatmaps, "flip": show_flip}[args.what]
        written = show(args, samples, model, out)
    print(f"\nwritten to {out}: {', '.join(path.name for path in written)}")


def raise_config(message: str) -> None:
    from posekit.errors import ConfigError

    raise ConfigError(message)


def check_arguments(args: argparse.Namespace) -> None:
    """Fills in what was not stated.

    Raises:
        ConfigError: If weights are missing, or would not be used.
    """
    args.what = args.what or ("heatmaps" if args.checkpoint else "worst" if args.results else "samples")
    args.split = args.split or ("val" if args.what == "worst" else "train")
    if args.results and args.what != "worst":
        raise_config(f"--results is for '--what worst'; for '{args.what}' state --checkpoint PATH")
    if args.what in ("heatmaps", "flip") and not args.checkpoint:
        raise_config(f"--what {args.what}: needs --checkpoint PATH")
    if args.what == "worst" and bool(args.checkpoint) == bool(args.results):
        raise_config("--what worst: needs either --checkpoint PATH or --results PATH")
    if args.what == "samples" and args.checkpoint:
        raise_config("--what samples shows the data alone; drop --checkpoint, or state --what heatmaps")
    if args.epoch < 0 or args.joints < 0 or (args.seed or 0) < 0:
        raise_config("--epoch, --joints and --seed: expected numbers from 0 on")


def choose_set(cfg: Any, split: str, name: str) -> None:
    """Leaves of a mixture's settings, and of its evaluators', those of one set.

    Raises:
        ConfigError: If there is no such set.
    """
    from posekit.metrics.evaluators import OnEachSet

    loader = cfg[f"{split}_dataloader"]
    sets = loader["dataset"].get("datasets") or {}
    named = dict(sets) if isinstance(sets, Mapping) else {str(n): one for n, one in enumerate(sets)}
    if name not in named:
        raise_config(
            f"--set {name}: expected a set of {split}_dataloader, found {list(named) or 'a single data set'}"
        )
    loader["dataset"] = named[name]
    stage = split if cfg.get(f"{split}_evaluator") else "val"
    stated = cfg.get(f"{stage}_evaluator") or []
    chosen: list[Any] = []
    for one in stated if isinstance(stated, (list, tuple)) else [stated]:
        metrics = one["metrics"] if one.get("type") is OnEachSet else one
        metrics = metrics[name] if isinstance(metrics, Mapping) and "type" not in metrics else metrics
        chosen += metrics if isinstance(metrics, (list, tuple)) else [metrics]
    cfg[f"{stage}_evaluator"] = chosen


def require_one_set(dataset: Any, split: str) -> None:
    """Raises ConfigError on a mixture: its people and results are of several files, each with its own ids."""
    if not hasattr(dataset, "table"):
        names = getattr(dataset, "names", None)
        raise_config(
            f"--what worst: expected a data set of one annotation file, found a {type(dataset).__name__}"
            f"{f' of {names}' if names else ''}; browse each by itself: "
            + (f"--set {names[0]}" if names else f"by a config whose {split}_dataloader has that set alone")
        )


def build_model(cfg: Any, args: argparse.Namespace) -> Any:
    """The network: with its weights, or without memory where only the size of its maps is asked for."""
    from posekit.inference.predictions import build_network, load_network

    if args.results:
        return None
    if args.checkpoint:
        return load_network(cfg, args.config, args.checkpoint)
    return build_network(cfg, args.config, device="meta")


def drawn(dataset: Any, seed: int, epoch: int) -> Iterator[Sample]:
    """The samples of an epoch in the order of training."""
    from posekit.datasets import EpochSampler, KeyedDataset

    sampler = EpochSampler(dataset, shuffle=True, seed=seed, round_up=False)
    sampler.set_epoch(epoch)
    keyed = KeyedDataset(dataset)
    return (keyed[key] for key in sampler)


# --- pictures -------------------------------------------------------------------------------------------


def show_samples(args: argparse.Namespace, samples: Sequence[Sample], model: Any, out: Path) -> list[Path]:
    """Crops and targets; the crops alone where the head learns from no maps."""
    from posekit.inference.maps import heatmap_size_hw, parts
    from posekit.models.heads import HeatmapHead
    from posekit.visualization import encode_targets, sample_sheet, save_image

    codec = next((part.codec for part in model.head.modules() if isinstance(part, HeatmapHead)), None)
    weighted = sum(int((sample.weight > 0).sum()) for sample in samples)
    said = f"of these {len(samples)} crops: {weighted} joints with a weight"
    size = samples[0].image.shape[-2:]
    if codec is not None:
        size = heatmap_size_hw(model, size)
        _, weights = encode_targets(samples, codec, size)
        print(f"targets: {size[0]} x {size[1]} (height x width), {codec}")
        said += f", {int((weights > 0).sum())} in a map"
    print(said)
    written = []
    for number, part in enumerate(parts(samples, PER_SHEET["samples"]), 1):
        title = f"{args.split}, epoch {args.epoch} · {SIDES}"
        sheet = sample_sheet(part, model.skeleton, codec, size, title=title)
        written.append(save_image(out / f"{args.split}_samples_{number}.png", sheet))
    return written


def show_heatmaps(args: argparse.Namespace, samples: Sequence[Sample], model: Any, out: Path) -> list[Path]:
    """Target against prediction."""
    from posekit.inference.maps import decoded_points, label_maps, predicted_maps
    from posekit.models.heatmap_heads import heatmap_head
    from posekit.visualization import encode_targets

    maps = predicted_maps(model, samples)
    targets, weights = encode_targets(samples, heatmap_head(model, "--what heatmaps").codec, maps.shape[-2:])
    named = {"target": targets, "prediction": label_maps(model, maps)}
    points = {"prediction": decoded_points(model, maps, samples[0].image.shape[-2:])}
    return write_maps(args, samples, model, named, points, out, weights)


def show_flip(args: argparse.Namespace, samples: Sequence[Sample], model: Any, out: Path) -> list[Path]:
    """The heatmaps of the crops, those of their mirror images turned back, and the mean of both."""
    import numpy as np

    from posekit.inference.maps import decoded_points, flip_halves, label_maps
    from posekit.visualization.heatmaps import flip_maps

    maps = flip_maps(*flip_halves(model, samples))
    size = samples[0].image.shape[-2:]
    points = {name: decoded_points(model, values, size) for name, values in maps.items()}
    apart = np.linalg.norm(points["image"] - points["mirror image"], axis=-1)
    apart = apart[(np.stack([sample.weight for sample in samples]) > 0) & np.isfinite(apart)]
    if apart.size:
        print(f"the points of the two halves are {np.median(apart):.2f} input pixels apart (median)")
    named = {name: label_maps(model, values) for name, values in maps.items()}
    return write_maps(args, samples, model, named, points, out)


def write_maps(
    args: argparse.Namespace,
    samples: Sequence[Sample],
    model: Any,
    maps: dict[str, np.ndarray],
    points: dict[str, np.ndarray],
    out: Path,
    weights: np.ndarray | None = None,
) -> list[Path]:
    """Sheets with a row of panels per crop, and of the first crops a sheet with every joint.

    With ``weights`` (N, K) of the targets the difference of the last map from the first is shown too.
    """
    from posekit.inference.maps import joint_sheet, maps_overview
    from posekit.visualization import save_image

    name = f"{args.split}_{args.what}"
    order = " | ".join(["truth", *maps, *([] if weights is None else ["difference (blue: missing)"])])
    written = []
    for number, start in enumerate(range(0, len(samples), PER_SHEET[args.what]), 1):
        some = slice(start, start + PER_SHEET[args.what])
        sheet = maps_overview(
            model,
            samples[some],
            {key: values[some] for key, values in maps.items()},
            {key: values[some] for key, values in points.items()},
            difference=weights is not None,
            weights=None if weights is None else weights[some],
            title=f"{order} · {SIDES}",
        )
        written.append(save_image(out / f"{name}_{number}.png", sheet))
    for i, sample in enumerate(samples[: args.joints]):
        own, marks = ({key: values[i] for key, values in kind.items()} for kind in (maps, points))
        weight = None if weights is None else weights[i]
        sheet = joint_sheet(model, sample, own, marks, weight is not None, weight)
        who = f"image{int(sample.image_id)}_person{int(sample.person_id)}"
        written.append(save_image(out / f"{name}_{who}.png", sheet))
    return written


# --- the worst and the best -----------------------------------------------------------------------------


def show_worst(args: argparse.Namespace, cfg: Any, dataset: Any, model: Any, out: Path) -> list[Path]:
    """Predicts everybody, or reads the predictions, and shows the two ends of the ranking."""
    from posekit.errors import DataError
    from posekit.inference.predictions import evaluator_norm, predict_people
    from posekit.metrics.predictions import read_poses
    from posekit.visualization import prediction_sheet, save_image

    norm, areas = evaluator_norm(cfg, dataset, args.split)
    people, written = dataset, list[Path]()
    if model is not None:
        # A mirrored crop's left knee is the image's right one; and scores are those of plain crops.
        dataset.augment = dataset.pixels = None
        poses = predict_people(model, dataset, cfg[f"{args.split}_dataloader"])
    else:
        poses = read_poses(args.results)
        if not poses:
            raise DataError(f"{args.results}: expected keypoint results, found an empty list")
        if any(pose.person_id < 0 for pose in poses):
            people = annotated_people(cfg[f"{args.split}_dataloader"]["dataset"], dataset)
            poses, written = show_strays(args, people, poses, areas, out)
    for which in ("worst", "best") if poses or not written else ():
        title = f"{args.split}: the {which} {min(args.num, len(poses))} · white: to the truth · {SIDES}"
        try:
            sheet = prediction_sheet(
                people, poses, count=args.num, which=which, norm=norm, title=title,
                areas=None if areas is None else [areas.get(pose.person_id) for pose in poses],
            )  # fmt: skip
        except ValueError as error:
            raise DataError(f"{args.results or args.split}: {error}") from error
        written.append(save_image(out / f"{args.split}_{which}.png", sheet))
    return written


def annotated_people(settings: Any, dataset: Any) -> PersonTable:
    """The people of a data set as they are annotated, whatever boxes it cuts its crops by."""
    from posekit.datasets.overlap import people_alone
    from posekit.datasets.table import GROUND_TRUTH
    from posekit.datasets.topdown import load_people, select_people

    if dataset.table.box_source == GROUND_TRUTH:
        return dataset.table
    part = people_alone(settings)
    return select_people(load_people(part["source"], part["skeleton"]), part["subset"])


def show_strays(
    args: argparse.Namespace, people: PersonTable, poses: Sequence[Pose], areas: Any, out: Path
) -> tuple[list[Pose], list[Path]]:
    """Gives results to people; shows who got none and what is nobody's. Returns the others, by person."""
    from dataclasses import replace

    from posekit.errors import DataError
    from posekit.metrics.result_pairs import LEAST, pair_results
    from posekit.visualization import save_image
    from posekit.visualization.strays import missed_sheet, stray_sheet

    try:
        pairs = pair_results(people, poses, areas)
    except DataError as error:
        raise DataError(f"{args.results}: {error}") from error
    print(
        f"{len(pairs.people)} people have a result ({pairs.measure} of {LEAST} or more), "
        f"{len(pairs.missed)} have none; {len(pairs.strays)} results are nobody's"
    )
    written = []
    for name, drawn, some in (
        ("missed", missed_sheet, pairs.missed.tolist()),
        ("strays", stray_sheet, [poses[i] for i in pairs.strays]),
    ):
        if some:
            title = f"{args.split}: {name}, {min(args.num, len(some))} of {len(some)} · {SIDES}"
            written.append(save_image(out / f"{args.split}_{name}.png", drawn(people, some, args.num, title)))
    ids = people.person_ids[pairs.people].tolist()
    own = [replace(poses[i], person_id=id_) for i, id_ in zip(pairs.results.tolist(), ids, strict=True)]
    return own, written


if __name__ == "__main__":
    run_tool(main)
