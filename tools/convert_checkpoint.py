"""Writes a released checkpoint in posekit's form, or posekit's under the HRNet release's names.

``python tools/convert_checkpoint.py IN OUT``: IN is of any form that ``tools/test.py`` takes; nothing in it
is executed. With a config or a name of the model zoo the network is built and every key must fit it; without,
the keys are renamed and the network that they describe is printed. Values are not changed by a bit.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

from posekit.engine.cli import run_tool

if TYPE_CHECKING:
    from torch import Tensor

    from posekit.models.released import Released


def parse_arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("input", metavar="IN", help="a checkpoint")
    parser.add_argument("output", metavar="OUT", help="the file to write, whole or not at all")
    network = parser.add_mutually_exclusive_group()
    network.add_argument("--config", help="a config whose network every key must fit")
    network.add_argument("--name", help="the same, a network of the model zoo, e.g. hrnet_w32_coco_256x192")
    parser.add_argument("--to", choices=["posekit", "hrnet-release"], default="posekit", help="form of OUT")
    parser.add_argument("--force", action="store_true", help="replace OUT if it exists")
    return parser.parse_args()


def main() -> None:
    args = parse_arguments()
    # Imported late, so that --help answers at once.
    from posekit.engine.checkpoints.files import write_checkpoint
    from posekit.errors import ConfigError
    from posekit.io.checkpoint import read_checkpoint
    from posekit.models.released import describe, released_weights

    if Path(args.output).exists() and not args.force:
        raise ConfigError(f"{args.output}: exists; --force replaces it")
    checkpoint = read_checkpoint(args.input)
    released = released_weights(checkpoint, args.input)
    refuse_parts(released, args.input)
    weights, left_over, added = released.weights, released.left_over, released.added
    if args.config or args.name:
        weights, left_over, added = fitted(args.config, args.name, checkpoint, args.input)
    plain = (
        as_release(weights, args.input)
        if args.to == "hrnet-release"
        else {
            "state_dict": dict(weights),
            "meta": describe_source(args.input, released, left_over, checkpoint),
        }
    )
    write_checkpoint(plain, args.output)
    print(f"{args.input}: {describe(weights)} ({released.form.name}), {len(weights)} keys")
    print_names("left over", left_over)
    print_names("added, 0", added)
    print(f"written to {args.output} ({args.to})")


def refuse_parts(released: Released, source: str) -> None:
    """Classifiers and unknown networks have no posekit form."""
    from posekit.errors import CheckpointError
    from posekit.models.released import describe

    if released.form.name == "unknown":
        raise CheckpointError(f"{source}: {describe(released.weights)}; expected one of a known release")
    if not released.form.whole:
        raise CheckpointError(
            f"{source}: a trunk alone ({released.form.name}); give it to a backbone as 'pretrained'"
        )


def fitted(
    config: str | None, name: str | None, checkpoint: Mapping[str, Any], source: str
) -> tuple[dict[str, Tensor], tuple[str, ...], tuple[str, ...]]:
    """The weights of the network that a config or a name states, what was left over and what added."""
    from posekit.models.released import load_checkpoint_into

    model = network_of_config(config) if config else network_of_zoo(str(name))
    report = load_checkpoint_into(model, checkpoint, source)
    return dict(model.state_dict()), report.left_over, report.kept


def network_of_config(config: str) -> Any:
    from posekit.engine.configs.config import load_config
    from posekit.models.pretrained import starting_later
    from posekit.registry import MODELS

    with starting_later():
        return MODELS.build(load_config(config).model)


def network_of_zoo(name: str) -> Any:
    from posekit.models import create

    return create(name)


def describe_source(
    source: str, released: Released, left_over: tuple[str, ...], checkpoint: Mapping[str, Any]
) -> dict[str, Any]:
    """The ``meta`` of the written file: where its weights come from, and what posekit's own file said."""
    from posekit.engine.report import versions
    from posekit.io.files import sha256

    own = checkpoint.get("meta") if released.form.name == "posekit" else None
    return {
        **(own or {}),
        "source": {
            "file": Path(source).name,
            "sha256": sha256(source),
            "form": released.form.name,
            "left_over": list(left_over),
        },
        "converted": time.strftime("%Y-%m-%dT%H:%M:%S%z"),
        "versions": versions(),
    }


def as_release(weights: Mapping[str, Tensor], source: str) -> dict[str, Tensor]:
    """HRNet and SimpleBaseline under the names of the HRNet release, which has both networks."""
    from posekit.errors import CheckpointError
    from posekit.models.released import describe, posekit_to_bare

    names = {key: posekit_to_bare(key) for key in weights}
    if not names.keys() >= {"head.final_layer.weight", "backbone.layer1.0.conv1.weight"}:
        raise CheckpointError(
            f"{source}: the HRNet release has no names for {describe(weights)}; "
            "expected an HRNet or a SimpleBaseline"
        )
    return {names[key]: tensor for key, tensor in weights.items()}


def print_names(title: str, names: Any) -> None:
    if names:
        print(f"  {len(names)} {title}:", *list(names)[:8], "..." if len(names) > 8 else "")


if __name__ == "__main__":
    run_tool(main)
