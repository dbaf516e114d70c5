"""Where the people of a config come from -> parts to be examined."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from posekit.datasets.coco import load_coco
from posekit.datasets.lsp import load_lsp
from posekit.datasets.mpii import load_mpii
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import load_people, select_people
from posekit.doctor.checks import Part
from posekit.doctor.coco_facts import facts_of_coco
from posekit.doctor.facts import Facts, facts_of_table
from posekit.doctor.pictures import look_at
from posekit.errors import ConfigError, PosekitError
from posekit.io.files import read_json, under
from posekit.io.images import leaves_folder, within_folder
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Pose

STAGES = {"train": "training", "val": "validation", "test": "test"}
# Loaders whose boxes are made from joints or a scale: a file that states none has no wrong ones.
_MAKES_BOXES = (load_lsp, load_mpii)
_BESIDE = (".", "images")


def parts_of_files(files: Sequence[str], image_dirs: Sequence[str] = ()) -> list[Part]:
    """The parts of annotation files, of which the first is what is trained on.

    Args:
        files: COCO-form json files.
        image_dirs: The folder of all their images, or one folder for each; without, a folder beside the file
            is taken if it holds the first image.

    Raises:
        ConfigError: If the folders are neither one nor as many as the files.
        DataError: If a file cannot be read.
    """
    if len(image_dirs) not in (0, 1, len(files)):
        raise ConfigError(f"--images: expected one folder, or {len(files)}, found {len(image_dirs)}")
    parts = []
    for number, file in enumerate(files):
        folder = image_dirs[number % len(image_dirs)] if image_dirs else None
        kinds = facts_of_coco(read_json(file), file, folder)
        for facts in kinds:
            name = Path(file).name if len(files) > 1 else ""
            kind = f"keypoints {', '.join(facts.names[:3])}, ..." if len(kinds) > 1 else ""
            found = facts if folder else _with_folder_beside(facts)
            parts.append(Part(", ".join(filter(None, (name, kind))), found))
    return parts


def _with_folder_beside(facts: Facts) -> Facts:
    for folder in [Path(facts.file).parent / name for name in _BESIDE]:
        names = [within_folder(name, folder) for name in facts.image_names]
        if names and not leaves_folder(names[0]) and (folder / names[0]).is_file():
            return replace(facts, image_dir=str(folder), image_names=names)
    return facts


def parts_of_config(cfg: Mapping[str, Any]) -> list[Part]:
    """The training, validation and test people of a config; validation and test, if the same, are one part.

    A COCO-form file is looked at as it is written, whatever its loader would refuse or leave out.

    Raises:
        ConfigError: If no data set names a source.
        DataError: If a file cannot be read.
    """
    named: list[tuple[str, Mapping[str, Any]]] = []
    for stage, name in STAGES.items():
        loader = cfg.get(f"{stage}_dataloader") or {}
        datasets = list(stated(loader.get("dataset")))
        for number, dataset in enumerate(datasets, 1):
            named.append((name if len(datasets) == 1 else f"{name} {number}", dataset))
    if not named:
        raise ConfigError("config: no data set of it has a 'source' that can be looked at")
    joined: dict[str, tuple[list[str], Mapping[str, Any]]] = {}
    for name, dataset in named:
        trained = name.startswith(STAGES["train"])  # apart: who is tested, too, is a finding
        joined.setdefault(f"{trained} {_people(dataset)}", ([], dataset))[0].append(name)
    read = cache(read_json)
    found = [(" and ".join(names), facts_of_dataset(one, read), one) for names, one in joined.values()]
    return [Part(name, facts, one) for name, facts, one in found if facts is not None]


def _people(dataset: Mapping[str, Any]) -> str:
    """Who is in it, as text: validation and test often are the same."""
    return repr([dataset.get(key) for key in ("source", "skeleton", "subset")])


def stated(dataset: Any) -> Iterator[Mapping[str, Any]]:
    """The data sets with a source in a data set's settings, wrappers opened."""
    if isinstance(dataset, Mapping):
        if isinstance(dataset.get("source"), (Mapping, PersonTable)):
            yield dataset
        for key in ("dataset", "datasets"):
            yield from stated(dataset.get(key))
            if key == "datasets" and isinstance(dataset.get(key), Mapping):  # by name
                yield from stated(list(dataset[key].values()))
    elif isinstance(dataset, (list, tuple)):
        for one in dataset:
            yield from stated(one)


def facts_of_dataset(
    dataset: Mapping[str, Any], read: Any = read_json, table: PersonTable | None = None
) -> Facts | None:
    """The facts of one data set's settings; None if its people have no keypoints, or are not annotated.

    Args:
        dataset: The settings of a ``TopDownDataset``.
        read: Reads a json file.
        table: Its people, where they have been read.

    Raises:
        DataError: If a file cannot be read.
    """
    source = dataset["source"]
    maker = source.get("type") if isinstance(source, Mapping) else None
    mirrored = _mirrors(dataset.get("augment"))
    if maker not in (load_coco, "load_coco"):
        if table is None:
            table = select_people(load_people(source, _own_skeleton(dataset)), dataset.get("subset"))
        known = facts_of_table(table, mirrored, boxes_stated=maker not in _MAKES_BOXES)
        return known if known.names else None
    skeleton = get_skeleton(source.get("skeleton") or _own_skeleton(dataset) or "coco17")
    root = source.get("data_root") or ""
    file, folder = under(root, source["ann_file"]), under(root, source["image_dir"])
    content = read(file)
    if not skeleton.keypoints or (source.get("detections") and "annotations" not in content):
        return None
    facts = replace(facts_of_coco(content, file, folder, skeleton)[0], mirrored=mirrored)
    return facts if dataset.get("subset") is None else _subset(facts, dataset, table)


def _own_skeleton(dataset: Mapping[str, Any]) -> Any:
    """What a data set states of its source; with a keypoint map, it states what the source is made into."""
    return None if dataset.get("keypoint_map") is not None else dataset.get("skeleton")


def _mirrors(augment: Any) -> bool:
    if augment is None:
        return False
    stated = (
        augment.get("flip_prob", 0.5) if isinstance(augment, Mapping) else getattr(augment, "flip_prob", 0)
    )
    return bool(stated)


def _subset(facts: Facts, dataset: Mapping[str, Any], table: PersonTable | None) -> Facts:
    """The people on the images of a data set's subset, as far as its loader can read the file."""
    if table is None:
        source = {k: v for k, v in dataset["source"].items() if k not in ("detections", "boxes")}
        settings = {**source, "on_bad_record": "skip", "clean_boxes": False}
        try:
            table = select_people(load_people(settings, dataset.get("skeleton")), dataset["subset"])
        except PosekitError:
            return facts
    images = np.unique(table.image_ids[table.image_index])
    return facts.select(np.isin(facts.image_ids[facts.image], images) & (facts.image >= 0))


def with_pictures(part: Part, decode: bool = True, most: int | None = None) -> Part:
    """The part with what its image files say.

    Args:
        part: Its images need a folder that there is.
        decode: Whether to decode all files, or to read their first bytes.
        most: Look at so many, evenly through the part; None: all.
    """
    facts = part.facts
    if facts.image_dir is None or not Path(facts.image_dir).is_dir():
        return part
    rows = facts.used
    if most is not None and len(rows) > most:
        rows = rows[np.linspace(0, len(rows) - 1, most).astype(int)]
    pictures = look_at(facts.image_dir, facts.image_names, rows.tolist(), decode)
    return part._replace(facts=replace(facts, pictures=pictures))


def with_poses(part: Part, predict: Callable[[Any], Sequence[Pose]]) -> Part:
    """The part with a model's joints of its people.

    Args:
        part: Of a config.
        predict: A data set, not augmented -> the poses of its people, as far as they can be read.
    """
    assert part.dataset is not None
    settings = {key: value for key, value in part.dataset.items() if key not in ("augment", "pixels")}
    source = settings["source"]
    if isinstance(source, Mapping):
        settings["source"] = {**source, "on_bad_record": "skip"}
    poses = predict(DATASETS.build({**settings, "on_bad_image": "skip"}))
    rows = {int(person): row for row, person in enumerate(part.facts.ids)}
    predicted = np.full((*part.facts.visible.shape, 3), np.nan)
    for pose in poses:
        if pose.person_id in rows:
            predicted[rows[pose.person_id]] = np.column_stack([pose.keypoints, pose.scores])
    return part._replace(facts=replace(part.facts, predicted=predicted))
