"""From a config's data set, or an annotation file, to a set of crops that is read in its place."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NamedTuple

from posekit.datasets.coco import load_coco
from posekit.datasets.crops.mapping import results_on_photos
from posekit.datasets.crops.reach import PADDING, Reach, Square
from posekit.datasets.crops.writer import RegionOf
from posekit.datasets.table import PersonTable
from posekit.datasets.topdown import TopDownDataset
from posekit.engine.configs.config import load_config, parse_options
from posekit.engine.startup import faults_of
from posekit.errors import ConfigError, DataError, shown
from posekit.io.categories import Category, named_categories, same_names
from posekit.io.files import atomic_file, compact_json, read_object, under
from posekit.io.records import record_list
from posekit.skeletons import SKELETONS
from posekit.structures import Skeleton
from posekit.transforms import Crop

PIXELS = 4 / 3  # of a reduced picture for one of the input
# Boxes of a detector belong to photos; crops are of the annotated people.
_OF_DETECTIONS = ("detections", "boxes", "score_threshold", "match_iou")
# Settings of a data set by which its people, and what is seen of them, are chosen.
_OF_PEOPLE = ("skeleton", "keypoint_map", "crop", "augment", "subset")


class CropSource(NamedTuple):
    """What is to be cropped.

    Attributes:
        table: The people.
        content: The COCO file that they are of.
        region_of: What a crop has to show.
        full_size: The ``max_size`` that goes with the input (:func:`full_size`); None: unknown.
        notes: What the user should know.
        on_bad_record: What becomes of faulty records, "error" or "skip".
        on_bad_image: What becomes of photos that cannot be read, "error" or "skip".
        of_photos: Keys of the config's data set that hold of its photos alone: None for its crops.
    """

    table: PersonTable
    content: Mapping[str, Any]
    region_of: RegionOf
    full_size: int | None
    notes: list[str]
    on_bad_record: str = "error"
    on_bad_image: str = "error"
    of_photos: Sequence[str] = ()


def source_of_arguments(args: Any, padding: float | None = None) -> CropSource:
    """The people that a tool's command line states: a config's, or an annotation file's.

    Args:
        args: With ``source``, ``split``, ``set``, ``images``, ``category``, ``on_bad_image``,
            ``on_bad_record`` and ``cfg_options``; None, or empty, where they are not stated.
        padding: As of the two functions below.

    Raises:
        ConfigError: Of options that do not go together, and as these do.
        DataError: As these do.
    """
    if args.source.endswith(".py"):
        if args.images or args.category:
            raise ConfigError("a config names its own photos and categories; drop --images and --category")
        if args.on_bad_record:
            raise ConfigError(
                "--on-bad-record goes with an annotation file; a config's source states its own"
            )
        cfg = load_config(args.source, parse_options(args.cfg_options))
        return source_of_config(cfg, args.source, args.split or "train", args.set, padding, args.on_bad_image)
    if not args.images:
        raise ConfigError(f"{args.source}: state the folder of its photos: --images PHOTOS")
    if args.cfg_options or args.set or args.split:
        raise ConfigError("--cfg-options, --set and --split go with a config")
    policies = args.on_bad_record or "error", args.on_bad_image or "error"
    return source_of_file(args.source, args.images, args.category, padding, *policies)


def source_of_file(
    ann_file: str,
    image_dir: str,
    category: Category = None,
    padding: float | None = None,
    on_bad_record: str = "error",
    on_bad_image: str = "error",
) -> CropSource:
    """The people of an annotation file.

    Args:
        ann_file: A COCO-form json file.
        image_dir: The folder of its photos.
        category: Names or ids of those that are cropped; None: all with keypoints, which must be the same.
        padding: See :class:`~posekit.datasets.crops.reach.Square`; None: the default.
        on_bad_record: As of :func:`~posekit.datasets.coco.load_coco`.
        on_bad_image: As of :func:`~posekit.datasets.crops.writer.write_crops`.

    Raises:
        ConfigError: On an unknown category or a padding below 1.
        DataError: If the file cannot be used.
    """
    content = read_object(ann_file)
    skeleton = _skeleton_of(content, ann_file, category)
    table = load_coco(ann_file, image_dir, skeleton, category=category, on_bad_record=on_bad_record)
    return CropSource(table, content, _square(padding), None, [], on_bad_record, on_bad_image)


def source_of_config(
    cfg: Mapping[str, Any],
    config: str,
    split: str,
    set_name: str | None = None,
    padding: float | None = None,
    on_bad_image: str | None = None,
) -> CropSource:
    """The people of a config's data set, and all that its crop and augmentation may show of them.

    Args:
        cfg: From :func:`posekit.engine.configs.config.load_config`.
        config: Its path, for messages.
        split: "train", "val" or "test".
        set_name: Which of several sets.
        padding: The square around the box instead; None: by crop and augmentation.
        on_bad_image: As of :func:`~posekit.datasets.crops.writer.write_crops`; None: the config's.

    Raises:
        ConfigError: If the config has no such data set, or one that cannot be cropped.
        DataError: If its file cannot be used.
    """
    section = f"{split}_dataloader"
    settings = _settings(cfg, config, split, set_name)
    source = dict(settings["source"])
    if source.get("type") not in (load_coco, "load_coco"):
        raise ConfigError(
            f"config {config}: {section}: expected a source read by load_coco, found "
            f"{shown(getattr(source.get('type'), '__name__', source.get('type')))}; crop a COCO-form file by "
            "stating it: ANN.json --images DIR"
        )
    notes = []
    if source.get("detections") is not None:
        notes.append("the boxes are the annotated ones: a detector's are on photos, and no crop has them")
    if settings.get("subset") is not None:
        notes.append(
            "the people of the config's 'subset' alone are cropped; read the crops without it, as below, for "
            "they have other image ids"
        )
    of_photos = [key for key in ("subset",) if settings.get(key) is not None]
    of_photos += [f"source.{key}" for key in ("detections", "boxes") if source.get(key) is not None]
    on_bad_image = on_bad_image or settings.get("on_bad_image", "error")
    source = {key: value for key, value in source.items() if key not in _OF_DETECTIONS}
    upright = settings.get("upright") is not None or settings.get("first_stage") is not None
    if upright and padding is None:
        raise ConfigError(
            f"config {config}: {section}: 'upright' and 'first_stage' place crops by points that are not "
            "known beforehand; state --padding"
        )
    used = {key: settings[key] for key in _OF_PEOPLE if key in settings}
    with faults_of(section, config):
        dataset = TopDownDataset(
            source, **used, on_bad_image=on_bad_image, check_images=on_bad_image != "skip"
        )
    table = dataset.table
    reach = Reach(dataset.crop, dataset.augment, table.skeleton)
    content = read_object(under(source.get("data_root") or "", source["ann_file"]))
    region_of = reach if padding is None else _square(padding)
    on_bad_record = source.get("on_bad_record", "error")
    size = full_size(dataset.crop)
    return CropSource(table, content, region_of, size, notes, on_bad_record, on_bad_image, of_photos)


def full_size(crop: Crop) -> int:
    """The longer side of a box at which a plain sample has four thirds of a pixel for each of the input's.

    Sampled pixel for pixel a reduced picture would look blurred; larger draws than 0.75 are a little softer.
    """
    return math.ceil(PIXELS * max(crop.input_size_hw) / crop.padding)


def _settings(cfg: Mapping[str, Any], config: str, split: str, set_name: str | None) -> Mapping[str, Any]:
    """Those of the data set that is meant."""
    loader = cfg.get(f"{split}_dataloader")
    if loader is None:
        raise ConfigError(f"config {config}: there is no '{split}_dataloader'")
    dataset = loader["dataset"]
    sets = dataset.get("datasets")
    named = sets if isinstance(sets, Mapping) else {str(n): one for n, one in enumerate(sets or ())}
    if set_name is not None and not named:
        raise ConfigError(
            f"config {config}: {split}_dataloader has one data set, which has no name; drop --set {set_name}"
        )
    if named:
        if set_name not in named:
            raise ConfigError(
                f"config {config}: {split}_dataloader: --set: expected one of {sorted(named)}, "
                f"found {set_name!r}"
            )
        dataset = named[set_name]
    if not isinstance(dataset.get("source"), Mapping):
        raise ConfigError(
            f"config {config}: {split}_dataloader: the data set has no 'source'; crop a COCO-form file by "
            "stating it: ANN.json --images DIR"
        )
    return dataset


def _square(padding: float | None) -> Square:
    padding = PADDING if padding is None else padding
    if not 1 <= padding < 100:
        raise ConfigError(f"--padding: expected a number from 1 on and below 100, found {padding:g}")
    return Square(padding)


def _skeleton_of(content: Mapping[str, Any], path: str, category: Category) -> Skeleton:
    """What the file's categories have: a known skeleton if it has their names."""
    stated = [c for c in record_list(content, "categories", path) if c.get("keypoints")]
    if not stated:
        raise DataError(f"{path}: categories: expected one with 'keypoints', found none")
    ids = named_categories(stated, category, path)
    found = [c["keypoints"] for c in stated if c.get("id") in ids]
    if any(names != found[0] for names in found):
        known = ", ".join(f"{c.get('id')} {c.get('name', '')!s:.40}" for c in stated[:20])
        raise ConfigError(f"{path}: the categories have different keypoints; choose by --category: {known}")
    for skeleton in SKELETONS.values():
        if skeleton.keypoints and same_names(skeleton.keypoints, found[0]):
            return skeleton
    return Skeleton("keypoints", found[0])


def write_results_on_photos(results: str, crops: str | Path, out: str) -> tuple[int, Sequence[str]]:
    """Writes results on crops as results on their photos.

    Args:
        results: COCO-form keypoint results on the crops.
        crops: The crops' annotation, or their folder.
        out: The file to write.

    Returns:
        How many there are, and the names of the fields that are left out.

    Raises:
        DataError: As :func:`~posekit.datasets.crops.mapping.results_on_photos`.
        ConfigError: If ``out`` is one of the files that are read, or a folder.
    """
    crops = Path(crops)
    crops = crops / "annotations.json" if crops.is_dir() else crops
    if Path(out).resolve() in (Path(results).resolve(), crops.resolve()):
        raise ConfigError(f"--out {out}: is one of the files that are read; nothing is overwritten")
    if Path(out).is_dir():
        raise ConfigError(f"--out {out}: expected a file to write, found a folder; state a name in it")
    made, dropped = results_on_photos(results, crops)
    with atomic_file(out) as file:
        file.write(compact_json(made, finite=True))
    return len(made), dropped
