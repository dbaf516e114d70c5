"""How a trained network's errors come about: ``python -m posekit.study.diagnosis CONFIG CHECKPOINT``.

Predicts everybody of a split and says, of each joint and overall, in percent of the labelled joints:

===================  =================================================================================
wrong                farther from the truth than the config's score allows (100 - PCK)
wrong_with_response  wrong, although the map responds at the truth (within a cell of it) with half of its
                     maximum or more; the flank of a wide peak close by counts as well
wrong_with_peak      wrong, although the map has a peak of its own there (a cell that none of its neighbours
                     exceeds) of half its maximum or more: the joint was found, another place preferred
inverted             wrong, and within the allowed distance of the mirrored partner's true place
inverted_with_peak   inverted, with a peak at the truth as above
other_joint          wrong, not inverted, and within that distance of another joint of the person
near_miss            wrong, none of these, and within twice the allowed distance of the truth
missed               wrong, and none of these
===================  =================================================================================

and, as means over the labelled joints' maps, ``background_response`` (over the cells whose target is 0),
``peak_height`` (both in units of the codec's peak) and ``peak_width`` (full width at half maximum, cells).
The maps are those that are decoded, with the flip test if the config has it. ``overall`` takes the joints as
the headline score does, e.g. twelve for mean12. With OKS ``kinds`` says of each joint what tools/analyze.py
says of any results: good, jitter, inversion, swap, miss (:mod:`posekit.metrics.keypoint_kinds`). Needs
ground-truth boxes, and PCK, PCKh or OKS as evaluator.
"""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from posekit.engine.cli import add_cfg_options, require_writable, run_tool, work_dir
from posekit.errors import ConfigError
from posekit.metrics.errors import PersonErrors
from posekit.study.error_kinds import AT_TRUTH, MEANS, STRONG, MapFacts, as_table, diagnose

if TYPE_CHECKING:
    from posekit.structures import Pose, Sample


def map_facts(model: Any, maps: Any, sample: Sample) -> MapFacts:
    """The facts of a batch's maps.

    Args:
        model: A ``PoseEstimator``.
        maps: Tensor (B, C, h, w), as decoded.
        sample: The batch.

    Returns:
        By name, (B, K); unknown for joints without a target.
    """
    import torch

    from posekit.codecs import grid
    from posekit.models.heads import heatmap_head
    from posekit.study.foreground import local_maxima, mean_where_empty, peak_widths, response_at

    codec, size = heatmap_head(model, "diagnosis").codec, sample.input_size_hw
    target, weight = codec.encode(sample.keypoints, sample.weight, size, maps.shape[-2:])
    shape, step = weight.shape, codec.maps_per_keypoint
    maps, target = maps[:, ::step].flatten(0, 1), target[:, ::step].flatten(0, 1)
    scale = grid.pixels_per_cell(size, maps.shape[-2:], codec.alignment)
    cells = grid.to_cells(sample.keypoints, scale).flatten(0, 1)
    height = maps.amax(dim=(1, 2))
    known, peaked = weight.flatten() > 0, height > 0
    width = torch.full_like(height, torch.nan)
    width[peaked] = peak_widths(maps[peaked]).to(width)
    found = {
        "background_response": mean_where_empty(maps, target, codec.peak) / codec.peak,
        "peak_height": height / codec.peak,
        "peak_width": width,
    }
    found = {name: torch.where(known, value, torch.nan) for name, value in found.items()}
    for name, places in zip(AT_TRUTH, (None, local_maxima(maps)), strict=True):
        found[name] = torch.where(known, response_at(maps, cells, places), 0.0)
    return {name: value.reshape(shape).cpu().double().numpy() for name, value in found.items()}


def examine(model: Any, dataset: Any, loader: Mapping[str, Any]) -> tuple[list[Pose], dict[int, MapFacts]]:
    """Predicts everybody of a data set; each person's facts (K,) by person id.

    Args:
        model: A ``PoseEstimator`` in test mode.
        dataset: A ``TopDownDataset`` without augmentation.
        loader: The config's data loader: its ``batch_size`` and ``num_workers`` are used.
    """
    import torch

    from posekit.inference.predictions import batches
    from posekit.models.estimator import poses_of
    from posekit.models.heads import heatmaps_of

    poses: dict[int, Pose] = {}
    facts: dict[int, MapFacts] = {}
    with torch.no_grad():
        # With the truth, whose targets are compared.
        for sample in batches(dataset, loader, next(model.parameters()).device, with_truth=True):
            outputs = model.outputs(model.normalise(sample.image))
            of_batch = map_facts(model, heatmaps_of(model, outputs).float(), sample)
            for i, pose in enumerate(poses_of(model.head.predict(outputs, sample), sample)):
                # A person whose image cannot be read is replaced by another, who is then predicted again.
                if pose.person_id not in poses:
                    poses[pose.person_id] = pose
                    facts[pose.person_id] = {name: value[i] for name, value in of_batch.items()}
    return list(poses.values()), facts


def errors_of(cfg: Any, split: str, dataset: Any, poses: list[Pose], source: str) -> PersonErrors:
    """What the config's first evaluator of joints makes of the poses.

    Raises:
        ConfigError: If there is none, the boxes are detections or nobody is annotated.
    """
    from posekit.metrics.base import GROUND_TRUTH_BOXES, PoseMetric
    from posekit.metrics.poses import PoseArrays
    from posekit.registry import METRICS

    meta = dataset.metainfo
    if meta["box_source"] != GROUND_TRUTH_BOXES:
        raise ConfigError(
            f"config {source}: {split}_dataloader: a diagnosis needs ground-truth boxes, the boxes are from "
            f"{meta['box_source']}"
        )
    listed = cfg.get(f"{split}_evaluator") or []
    for part in listed if isinstance(listed, (list, tuple)) else [listed]:
        metric = METRICS.build(dict(part))
        if isinstance(metric, PoseMetric):
            metric.dataset_meta = meta
            arrays = PoseArrays.from_poses(poses, dataset.metainfo["skeleton"].num_keypoints)
            found = metric.errors(arrays, meta)
            if found is not None:
                return found
    raise ConfigError(
        f"config {source}: {split}_evaluator: expected PCKMetric, PCKhMetric or OKSMetric, and annotated "
        "people"
    )


def diagnose_checkpoint(cfg: Any, checkpoint: str, split: str = "val", source: str = "") -> dict[str, Any]:
    """Runs a config's network over a split and diagnoses it, :func:`~posekit.study.error_kinds.diagnose`.

    Args:
        cfg: From :func:`posekit.engine.configs.config.load_config`.
        checkpoint: Weights of any known form.
        split: "val" or "test".
        source: The config's file, for messages.

    Raises:
        ConfigError: If the config has no such split, or no fitting evaluator or network.
        CheckpointError: If the weights are damaged or another network's.
    """
    from posekit.engine.startup import faults_of
    from posekit.inference.predictions import load_network
    from posekit.registry import DATASETS

    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise ConfigError(f"config {source}: there is no '{split}_dataloader'")
    with faults_of(f"{split}_dataloader", source):
        dataset: Any = DATASETS.build(loader["dataset"])
    errors_of(cfg, split, dataset, [], source)  # what cannot be scored is refused before the work
    model = load_network(cfg, source, checkpoint)
    poses, facts = examine(model, dataset, loader)
    errors = errors_of(cfg, split, dataset, poses, source)
    unknown = {name: np.full(len(errors.joints), np.nan) for name in (*MEANS, *AT_TRUTH)}
    rows = [facts.get(int(person), unknown) for person in errors.person_id]
    stacked = {name: np.array([row[name] for row in rows]).reshape(errors.valid.shape) for name in unknown}
    about = {"config": source, "checkpoint": str(checkpoint), "split": split, "strong": STRONG}
    return {**about, **diagnose(errors, stacked)}


def parse_arguments() -> argparse.Namespace:
    """The command line."""
    parser = argparse.ArgumentParser(
        prog="python -m posekit.study.diagnosis",
        description=__doc__,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    parser.add_argument("config", help="a config file")
    parser.add_argument("checkpoint", help="a checkpoint of any known form")
    parser.add_argument("--split", choices=("val", "test"), default="val", help="whose people (val)")
    parser.add_argument("--out", metavar="PATH", help="file (default: diagnosis.json in the work folder)")
    add_cfg_options(parser)
    return parser.parse_args()


def main() -> None:
    """Writes the diagnosis and prints it as a table."""
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.engine.configs.config import load_config, parse_options
    from posekit.io.files import write_json

    cfg = load_config(args.config, parse_options(args.cfg_options))
    out = Path(args.out or Path(work_dir(None, cfg.get("work_dir"), args.config), "diagnosis.json"))
    require_writable(out.parent)
    found = diagnose_checkpoint(cfg, args.checkpoint, args.split, args.config)
    write_json(out, found)
    print(f"{as_table(found)}\n\nwritten to {out}")


if __name__ == "__main__":
    run_tool(main)
