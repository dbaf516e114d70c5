"""From labels and pictures to a folder that trains: annotations, split, config, and what to run next."""

from __future__ import annotations

import os
import re
import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import NamedTuple

from posekit.datasets.importers import Labels, read_labels
from posekit.datasets.importers.pictures import PictureFolder
from posekit.datasets.own.dataset import WRITTEN_BY, OwnDataset, own_dataset
from posekit.engine.configs.own_keypoints import BEST, OwnTraining, check_sizes, own_config
from posekit.errors import ConfigError, DataError
from posekit.io.files import read_object, write_json, write_text


class NewDataset(NamedTuple):
    """What was written: the config, and what to tell the user."""

    config: Path
    facts: dict[str, str]
    notes: list[str]
    commands: dict[str, str]


def new_dataset(
    source: str | Path,
    images: str | Path | None = None,
    out: str | Path | None = None,
    name: str | None = None,
    category: str | None = None,
    val_share: float = 0.2,
    seed: int = 0,
    input_size_hw: tuple[int, int] = (160, 160),
    epochs: int | None = None,
    flip_pairs: Sequence[tuple[str, str]] | None = None,
    mirror: bool = True,
    overwrite: bool = False,
    tools: str | Path = "tools",
) -> NewDataset:
    """Writes ``annotations.json``, ``train.json``, ``val.json`` and ``NAME.py`` for labels of any known form.

    Args:
        source: The labels: a file or a folder.
        images: The pictures' folder; None: that of the labels.
        out: The folder to write; None: NAME, in the current folder.
        name: See :func:`posekit.datasets.own.dataset.own_dataset`, as the next four and ``flip_pairs``.
        category: Whose keypoints.
        val_share: Part of the pictures to validate on.
        seed: Of the split and the training.
        input_size_hw: Of the network.
        epochs: None: by the number of people.
        flip_pairs: Pairs of names; empty: each point is its own mirror image.
        mirror: False: never mirror pictures.
        overwrite: Replace a config that is there. Labels that this has not written are never replaced.
        tools: Where train.py and test.py are, for the commands to run next.

    Raises:
        DataError: On labels or pictures that cannot be used.
        ConfigError: On settings that cannot.
    """
    check_sizes(input_size_hw, epochs)
    if name is not None and re.fullmatch(r"[A-Za-z_][\w-]*", name) is None:
        raise ConfigError(f"--name: expected letters, digits, '_' and '-', found {name!r}")
    source = Path(source)
    labels = read_labels(source)
    folder = PictureFolder(Path(images) if images else _usual_folder(source, labels))
    data = own_dataset(labels, folder, source, name, category, val_share, seed, flip_pairs, mirror)
    name = re.sub(r"\W+", "_", data.skeleton.name)
    target = Path(out) if out else Path(name)
    config = target / f"{name}.py"
    if config.exists() and not overwrite:
        raise ConfigError(
            f"{config}: is there already, maybe with changes of yours; --out another, or --overwrite"
        )
    _spare(source, [target / f"{part}.json" for part in data.contents])
    look = _look_at(data, folder.root)
    commands = _commands(config, Path(tools), look)
    training = OwnTraining(
        train=len(data.contents["train"]["annotations"]),
        images=_images_from(target, folder.root),
        mirrored=data.mirrored,
        sigmas_from=data.facts["sigmas"],
        input_size_hw=input_size_hw,
        epochs=epochs,
        seed=seed,
        command=commands["train"].replace("\\", "/"),
    )
    _write(target, config, data, own_config(data.skeleton, training))
    notes = ["nothing to validate on has a box: state PHOTO.jpg and X1,Y1,X2,Y2 yourself"]
    return NewDataset(config, data.facts, data.notes + notes * ("PHOTO.jpg" in look), commands)


def _usual_folder(source: Path, labels: Labels) -> Path:
    """Where the pictures are if nobody says it: at the absolute paths of the labels, else beside these."""
    names = [Path(picture.name) for picture in labels.pictures]
    if names and all(name.is_absolute() and name.is_file() for name in names):
        return Path(os.path.commonpath([name.parent for name in names]))
    return source if source.is_dir() else source.parent


def _spare(source: Path, targets: Sequence[Path]) -> None:
    """Refuses to replace what is read, and json files that are not this function's own."""
    inside = list(source.rglob("*.json")) if source.is_dir() else []
    read = inside if len(inside) == 1 else [source]
    for path in targets:
        if not os.path.lexists(path):
            continue
        if any(path.samefile(file) for file in read if path.exists()):
            raise ConfigError(f"{path}: is what is read and would be overwritten; give --out another folder")
        if not _is_own(path):
            raise ConfigError(
                f"{path}: is there already and was not written by new_dataset, maybe your own labels; give "
                "--out another folder"
            )


def _is_own(path: Path) -> bool:
    try:
        info = read_object(path).get("info")
    except DataError:
        return False
    return isinstance(info, dict) and info.get("written_by") == WRITTEN_BY


def _write(target: Path, config: Path, data: OwnDataset, text: str) -> None:
    try:
        for part, content in data.contents.items():
            write_json(target / f"{part}.json", content)
        write_text(config, text)
    except OSError as error:
        raise ConfigError(f"--out {target}: cannot be written: {error.strerror or error}") from error


def _images_from(target: Path, images: Path) -> str:
    """The pictures' folder as the config names it: from its own folder if it lies there, else absolute."""
    target, images = target.absolute(), images.absolute()
    inside = images.is_relative_to(target)
    return Path(os.path.relpath(images, target)).as_posix() if inside else images.as_posix()


def _look_at(data: OwnDataset, images: Path) -> list[object]:
    """A picture to validate on with a box in it, as demo.py takes them: only people are found without."""
    val = data.contents["val"]
    paths = {image["id"]: images / image["file_name"] for image in val["images"]}
    for one in val["annotations"]:
        if one["bbox"] and one["num_keypoints"]:
            x, y, width, height = one["bbox"]
            box = ",".join(f"{round(side, 1):g}" for side in (x, y, x + width, y + height))
            return [paths[one["image_id"]], "--boxes", box]
    return ["PHOTO.jpg", "--boxes", "X1,Y1,X2,Y2"]


def _commands(config: Path, tools: Path, look: list[object]) -> dict[str, str]:
    best = config.parent / "work_dir" / f"best_{BEST.replace('/', '_')}.pth"
    words: dict[str, list[object]] = {
        "check": [tools / "check_dataset.py", config],
        "train": [tools / "train.py", config],
        "test": [tools / "test.py", config, best],
        "look": [tools / "demo.py", *look, "--config", config, "--checkpoint", best],
    }
    if (tools / "train.py").is_file():
        return {name: shlex.join(["python", *map(str, rest)]) for name, rest in words.items()}
    # Called by the command ``posekit``, beside which the scripts do not lie.
    names = {"check": "check", "train": "train", "test": "test", "look": "demo"}
    return {name: shlex.join(["posekit", names[name], *map(str, rest[1:])]) for name, rest in words.items()}
