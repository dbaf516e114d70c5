"""Every config states what its recipe does: the tables of ``recipes.py``, and what holds of all of them."""

from __future__ import annotations

import inspect
from collections.abc import Mapping
from itertools import groupby
from typing import Any

import numpy as np
import pytest
from mmengine.optim import build_optim_wrapper
from mmengine.optim.scheduler.param_scheduler import INF
from mmengine.registry import PARAM_SCHEDULERS
from recipes import RECIPES
from test_configs import CONFIGS, ROOT
from torch import nn

from posekit.datasets.several import MixedDataset
from posekit.engine.configs.config import load_config
from posekit.engine.schedules import Length, fit_schedules
from posekit.models.distilled import DistilledEstimator
from posekit.models.estimator import PoseEstimator
from posekit.registry import METRICS
from posekit.transforms import Augment, Crop

# --- what a config says, from its built parts ------------------------------------------------------------


def facts(cfg: Any) -> dict[str, Any]:
    """A config as a row of the tables."""
    dataset, model, head = cfg.train_dataloader["dataset"], cfg.model, cfg.model["head"]
    crop = built((dataset if "crop" in dataset else cfg.val_dataloader["dataset"])["crop"], Crop)
    augment = dataset.get("augment")
    wholly = filled(model)
    return {
        "skeleton": cfg.skeleton if isinstance(cfg.skeleton, str) else cfg.skeleton["name"],
        "data_root": cfg.data_root,
        **{stage: people(cfg[f"{stage}_dataloader"]["dataset"]) for stage in ("train", "val", "test")},
        "input": crop.input_size_hw,
        "crop": (crop.crop_aspect, crop.padding, crop.convention),
        "augment": None if augment is None else vars(built(augment, Augment)),
        "backbone": text(model["backbone"], leave=("pretrained",)),
        "start": start(model["backbone"].get("pretrained")),
        "codec": text(head["codec"]) if "codec" in head else None,
        "loss": losses(head),
        "head": {
            k: v
            for k, v in filled(head.get("heads", {}).get("landmarks", head)).items()
            if k in HEAD_SETTINGS
        },
        "colours": colours(wholly),
        "frozen": wholly["frozen"],
        "prediction": {key: wholly[key] for key in ("flip_test", "test_scales")},
        "optimiser": optimiser(cfg.optim_wrapper),
        "rates": rates(cfg),
        "epochs": (cfg.train_cfg["max_epochs"], cfg.train_cfg["val_interval"]),
        "batch": (cfg.train_dataloader["batch_size"], cfg.auto_scale_lr["base_batch_size"]),
        "protocol": protocol(cfg),
        "best": cfg.default_hooks["checkpoint"]["save_best"],
    }


HEAD_SETTINGS = ("kernel_size", "keypoint_weights", "pool", "hidden", "dropout")


def losses(head: Mapping[str, Any]) -> Any:
    """The loss in words; of several heads, each with its weight; labels with their mirror images."""
    if "heads" in head:
        weights = head["weights"]
        assert weights.keys() == head["heads"].keys()
        return {name: _weighed(filled(own), weights[name]) for name, own in head["heads"].items()}
    if "loss" not in head:  # of whole pictures: it has its own
        return text(head, leave=("codec",))
    unit = filled(head).get("loss_unit", 1)
    return text(head["loss"]) + (f" in units of {unit:g}" if unit != 1 else "")


def _weighed(head: Mapping[str, Any], weight: float) -> str:
    if "loss" in head:
        return f"{text(head['loss'])} x {weight:g} in units of {head['loss_unit']:g}"
    pairs = " ".join(map(str, map(tuple, head["flip_pairs"])))
    words = f"{head['column']}: {head['classes']} from {head['first']} x {weight}"
    return f"{words}, mirrored {pairs}" if pairs else words


def colours(model: Mapping[str, Any]) -> Any:
    if model["normalisation"] != "fixed":
        return f"{model['channel_order']} {model['normalisation']}"
    return model["mean"], model["std"], model["channel_order"]


def people(dataset: Mapping[str, Any]) -> Any:
    """Annotation, folder of the images, and what else chooses people and boxes; of a mixture, each part."""
    if dataset["type"] is MixedDataset:
        return {name: mixed(part, dataset["ratios"][name]) for name, part in dataset["datasets"].items()}
    source = dict(dataset["source"])
    words = [source.pop("type").__name__]
    if "source" in source:  # completed by a teacher
        words.append(f"[{people({**dataset, 'source': source.pop('source'), 'subset': None})}]")
    else:
        words += [source.pop("ann_file"), source.pop("image_dir")]
    chosen = {**source, **{k: v for k, v in (dataset.get("subset") or {}).items() if k != "type"}}
    chosen.pop("data_root", None)
    return " ".join([*words, *(f"{key}={value}" for key, value in sorted(chosen.items()) if value)])


def mixed(part: Mapping[str, Any], ratio: float) -> dict[str, Any]:
    """A part of a mixture: its share, people, and what happens to their crops, as far as it is stated."""
    crops = {key: settings(part[key]) for key in ("crop", "augment", "pixels") if part.get(key)}
    others = {key: part[key] for key in ("keypoint_weight", "empty") if part.get(key)}
    return {"ratio": ratio, "people": people(part), **crops, **others}


def built(part: Mapping[str, Any], kind: type) -> Any:
    assert part["type"] is kind
    return kind(**{key: value for key, value in part.items() if key != "type"})


def filled(part: Mapping[str, Any]) -> dict[str, Any]:
    """A part's settings and its class's defaults; an estimator's kinds hand the others to their base."""
    parameters = list(inspect.signature(part["type"]).parameters.values())
    if part["type"] is DistilledEstimator:
        parameters += inspect.signature(PoseEstimator).parameters.values()
    defaults = {p.name: p.default for p in parameters if p.default is not p.empty}
    return {**defaults, **{key: value for key, value in part.items() if key != "type"}}


def text(part: Mapping[str, Any], leave: tuple[str, ...] = ()) -> str:
    """``MSELoss(reduction='mean')``."""
    values = ", ".join(f"{key}={value!r}" for key, value in sorted(filled(part).items()) if key not in leave)
    return f"{part['type'].__name__}({values})"


def settings(part: Mapping[str, Any] | list[Mapping[str, Any]]) -> str:
    """As :func:`text`, of torch's or mmengine's own class: what is stated; of several, each."""
    if isinstance(part, list):
        return f"[{', '.join(map(settings, part))}]"
    values = ", ".join(f"{key}={value!r}" for key, value in part.items() if key != "type")
    return f"{part['type'].__name__}({values})"


def optimiser(wrapper: Mapping[str, Any]) -> str:
    """torch's optimiser, and what a constructor of rates makes of it."""
    words = settings(wrapper["optimizer"])
    if "constructor" not in wrapper:
        return words
    return f"{words} {wrapper['constructor'].__name__}{dict(wrapper['paramwise_cfg'])} {wrapper['clip_grad']}"


def start(pretrained: Any) -> str | None:
    if not pretrained:
        return None
    digits = [pretrained["sha256"]] if pretrained.get("sha256") else []
    strict = ["strict"] if pretrained.get("strict") else []
    return " ".join([pretrained["path"], *digits, *strict, *pretrained.get("parts", ())])


def rates(cfg: Any) -> list[Any]:
    """(learning rate, epochs) after one another, by mmengine's schedulers; of those by iteration, words."""
    stated = fit_schedules(cfg.param_scheduler, Length(cfg.train_cfg["max_epochs"]))
    if any(s.get("convert_to_iter_based") or s.get("by_epoch") is False for s in stated):
        # Without an end it goes on as long as the training.
        return [settings({k: v for k, v in s.items() if (k, v) != ("end", INF)}) for s in stated]
    optimiser = build_optim_wrapper(nn.Linear(1, 1), cfg.optim_wrapper)
    schedulers = [PARAM_SCHEDULERS.build({**s, "optimizer": optimiser}) for s in stated]
    found = []
    for _ in range(cfg.train_cfg["max_epochs"]):
        found.append(float(np.format_float_scientific(optimiser.param_groups[0]["lr"], precision=6)))
        optimiser.step()
        for scheduler in schedulers:
            scheduler.step()
    return [(rate, len(list(epochs))) for rate, epochs in groupby(found)]


def protocol(cfg: Any) -> str:
    """How it is scored, in the evaluators' own words; validated and tested alike."""
    val, test = (
        " | ".join(METRICS.build(dict(metric)).describe() for metric in cfg[f"{stage}_evaluator"])
        for stage in ("val", "test")
    )
    assert val == test
    return test


# --- tests -----------------------------------------------------------------------------------------------


def test_every_config_is_in_the_tables():
    assert sorted(RECIPES) == CONFIGS


@pytest.mark.parametrize("name", CONFIGS)
def test_a_config_states_what_its_recipe_does(name):
    assert facts(load_config(ROOT / name)) == RECIPES[name]


@pytest.mark.parametrize("name", CONFIGS)
def test_tables_hang_together(name):
    """What holds of any recipe, whatever its numbers."""
    row = RECIPES[name]
    people, of_rate = row["batch"]
    assert of_rate % people == 0
    epochs, interval = row["epochs"]
    assert epochs % interval == 0  # the last epoch is validated
    if isinstance(row["rates"][0], tuple):
        assert sum(length for _, length in row["rates"]) == epochs
    assert row["prediction"]["flip_test"] or name.startswith("checks/")
    height, width = row["input"]
    aspect = row["crop"][0]
    assert aspect == width / height or name.startswith("paper/")
    # UDP's unbiased pair: a codec of aligned grids reads crops between pixel centres. Without heatmaps there
    # is no grid to align.
    codec = row["codec"] or "SimCC"
    assert codec.startswith("SimCC") or codec.startswith("UDP") == (row["crop"][2] == "udp")
