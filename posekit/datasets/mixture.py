"""Data sets made of data sets, and how their samples learn which epoch they are drawn for.

:mod:`posekit.datasets.several` mixes data sets by shares, and joins them to be scored.

Torch's ``ConcatDataset`` and ``Subset`` and mmengine's ``ConcatDataset``, ``RepeatDataset`` and
``ClassBalancedDataset`` may hold data sets of one skeleton and each other, but mmengine's none of torch's.
The last asks for ``get_cat_ids(row)``, which a subclass has to add.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

import numpy as np
from mmengine.dataset import ClassBalancedDataset, RepeatDataset
from mmengine.dataset import ConcatDataset as MMEngineConcatDataset
from torch.utils.data import ConcatDataset, Dataset, Subset

from posekit.datasets.draws import SampleKey, drawing_for
from posekit.datasets.split import check_rows
from posekit.errors import ConfigError
from posekit.registry import DATASETS

_OF_TORCH = (ConcatDataset, Subset)
_WRAPPERS = (*_OF_TORCH, RepeatDataset, ClassBalancedDataset)
# What mmengine's wrappers ask a data set for.
_ASKED = {
    "full_init": "a method that reads what is not read yet",
    "metainfo": "a dict of what it says of itself",
    "get_cat_ids": "a method that names the kinds of a row's sample (MixedDataset(ratios=...) needs none)",
}
# What each part says of itself, where mmengine would have all say the same; skeletons are compared here.
_OWN = ("skeleton", "table", "ann_file", "box_source", "crop", "image_ids", "category_id", "people", "counts")


class KeyedDataset(Dataset[Any]):
    """The outermost data set: asked for a key, it makes it current while the sample is made.

    The engine puts it around every data set of a config. In a ``DataLoader`` of one's own it brings the keys
    of an ``EpochSampler`` through wrappers. Attributes, such as ``table``, are those of the data set within.

    Args:
        dataset: A data set, or its settings; torch's wrappers may state settings as well.

    Raises:
        ConfigError: If parts have different skeletons, input sizes or extra columns, or a ``Subset`` names
            samples that are not there.
    """

    # One by one, also where a ``Subset`` within could be asked for many.
    __getitems__ = None

    def __init__(self, dataset: Any) -> None:
        self.dataset = build_dataset(dataset)
        _check_subsets(self.dataset)
        _check_parts(self.dataset)

    def __getitem__(self, key: int) -> Any:
        if not isinstance(key, SampleKey):
            return self.dataset[key]
        with drawing_for(key):
            return self.dataset[key]

    def __len__(self) -> int:
        return len(self.dataset)

    @property
    def metainfo(self) -> dict[str, Any]:
        """What evaluators and logs need to know; see :func:`metainfo_of`."""
        return self.dataset.metainfo if hasattr(self.dataset, "parts") else metainfo_of(self.dataset)

    def faulty_images(self) -> list[str]:
        """Names of the images that could not be read so far, of any part, by any worker."""
        found = [part.faulty_images() for part in parts_of(self.dataset) if hasattr(part, "faulty_images")]
        return [name for names in found for name in names]

    def __getattr__(self, name: str) -> Any:
        if name == "dataset":  # not set yet, as while being unpickled
            raise AttributeError(name)
        return getattr(self.dataset, name)


def build_dataset(stated: Any) -> Any:
    """A data set from itself or from its settings, which may be nested.

    Raises:
        ConfigError: Of a wrapper of mmengine's around a data set without what it asks for.
    """
    if not isinstance(stated, Mapping):
        return stated
    try:
        return DATASETS.build(_completed(stated))
    except AttributeError as error:
        if error.name not in _ASKED:
            raise
        raise ConfigError(
            f"dataset: {type(error.obj).__name__} has no {error.name}, {_ASKED[error.name]}, for which the "
            "wrapper around it asks: write a subclass with one"
        ) from error


def _completed(stated: Any) -> Any:
    """Settings by which mmengine can build: what torch's wrappers hold is built, as they do not do it."""
    if not isinstance(stated, Mapping):
        return stated
    settings = dict(stated)
    make = build_dataset if settings.get("type") in _OF_TORCH else _completed
    for name in settings.keys() & {"dataset", "datasets"}:
        held = settings[name]
        settings[name] = [make(one) for one in held] if isinstance(held, (list, tuple)) else make(held)
    if settings.get("type") is MMEngineConcatDataset:
        settings.setdefault("ignore_keys", list(_OWN))
    return settings


def _check_subsets(dataset: Any) -> None:
    """Looks for a ``Subset`` of samples that are not there, in wrappers and parts too."""
    dataset = dataset.dataset if isinstance(dataset, KeyedDataset) else dataset
    if isinstance(dataset, Subset):
        rows = np.asarray(dataset.indices)
        check_rows(rows, len(dataset.dataset), "Subset: 'indices'", "samples in its data set")  # type: ignore[arg-type]
    for one in _held(dataset) or ():
        _check_subsets(one)


def _held(dataset: Any) -> list[Any] | None:
    """What a wrapper or a mixture holds; None of any other."""
    held = getattr(dataset, "parts", None)
    if held is None and isinstance(dataset, _WRAPPERS):
        held = dataset.datasets if isinstance(dataset, ConcatDataset) else [dataset.dataset]
    return held


def parts_of(dataset: Any) -> list[Any]:
    """The data sets that a wrapper or a mixture is made of, in order; of any other, itself."""
    return [part for _, part in named_parts_of(dataset)]


def named_parts_of(dataset: Any, name: str = "") -> list[tuple[str, Any]]:
    """As :func:`parts_of`, each with its name in the innermost mixture that has names."""
    dataset = dataset.dataset if isinstance(dataset, KeyedDataset) else dataset
    held = _held(dataset)
    if held is None:
        return [(name, dataset)]
    names = getattr(dataset, "names", None) or [name] * len(held)
    return [part for one, own in zip(held, names, strict=True) for part in named_parts_of(one, own)]


def metainfo_of(dataset: Any) -> dict[str, Any]:
    """What a data set says of itself, or what can be said of a wrapper's parts together.

    The latter is for logs and has no ``table``: a score is of one annotation file with all its people.

    Raises:
        AttributeError: If it says nothing.
    """
    infos = _people_of_parts(dataset)
    made_of_others = hasattr(dataset, "parts") or isinstance(dataset, _WRAPPERS)
    if not made_of_others or not infos:
        return dataset.metainfo
    counts: Counter[str] = sum((Counter(info["counts"]) for info in infos), Counter())
    told: dict[str, Any] = {
        name: " + ".join(dict.fromkeys(str(info[name]) for info in infos))
        for name in ("ann_file", "box_source")
        if name in infos[0]
    }
    people = min(len(dataset), sum(info["people"] for info in infos))
    return {**told, "people": people, "counts": dict(counts)}


def _people_of_parts(dataset: Any) -> list[dict[str, Any]]:
    """The words of all parts; none if one of them is a data set that knows no people."""
    infos = [getattr(part, "metainfo", None) or {} for part in parts_of(dataset)]
    return infos if all("people" in info for info in infos) else []


def _check_parts(dataset: Any) -> None:
    """Parts must mean the same by their keypoints, mirror them alike, and make samples of one shape."""
    infos = _people_of_parts(dataset)
    found = [info["skeleton"] for info in infos if "skeleton" in info]
    for other in found[1:]:
        if (other.keypoints, other.flip_pairs) != (found[0].keypoints, found[0].flip_pairs):
            raise ConfigError(
                f"dataset: expected parts with the same keypoints in the same order and the same flip pairs, "
                f"found skeletons '{found[0].name}' {found[0].keypoints} and '{other.name}' "
                f"{other.keypoints}; give all of them one: TopDownDataset(skeleton=..., keypoint_map='names')"
            )
    for what, of in (("input sizes", _input_size), ("extra columns", _extra_names)):
        values = [of(info) for info in infos if {"crop", "table"} <= info.keys()]
        for other in values[1:]:
            if other != values[0]:
                raise ConfigError(
                    f"dataset: expected parts with the same {what}, found {values[0]} and {other}"
                )


def _input_size(info: Mapping[str, Any]) -> Any:
    return info["crop"].input_size_hw


def _extra_names(info: Mapping[str, Any]) -> list[str]:
    return sorted(info["table"].extra)
