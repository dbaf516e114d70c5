"""Warns, before a training starts, of what looks wrong with its data."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from mmengine.dist import master_only
from mmengine.hooks import Hook

from posekit.datasets.mixture import named_parts_of
from posekit.datasets.table import PersonTable
from posekit.registry import HOOKS


@HOOKS.register_module()
class DoctorHook(Hook):
    """Looks at the training's data for about a second; ``default_hooks=dict(doctor=None)`` does without."""

    @master_only
    def before_train(self, runner: Any) -> None:
        """Logs each finding as a warning; that the data cannot be looked at is no reason to stop."""
        from posekit.doctor.sources import stated
        from posekit.doctor.start import quick_findings

        training = people_of(runner.train_dataloader)
        settings: list[Any] = list(stated((runner.cfg.get("train_dataloader") or {}).get("dataset")))
        if len(settings) != len(training):
            settings = [None] * len(training)
        loop = runner._val_loop  # built by now, or None
        validation = people_of(loop.dataloader) if hasattr(loop, "dataloader") else []
        try:
            found = quick_findings(
                [(one, part.table, mirrors(part)) for one, (_, part) in zip(settings, training, strict=True)],
                [part.table for _, part in validation],
                [name for name, _ in training],
                [name for name, _ in validation],
            )
        except Exception as error:  # a training does not need the answer
            runner.logger.warning(f"the data could not be looked at: {type(error).__name__}: {error}")
            return
        trained, validated = ([part for _, part in named] for named in (training, validation))
        for habit in habits(trained, validated, runner.train_dataloader.sampler):
            runner.logger.warning(habit)
        for finding in found:
            runner.logger.warning(f"{finding.part} data: {finding.kind}: {finding.sentence}")
        if found:
            runner.logger.warning("tools/check_dataset.py CONFIG looks closer, and draws examples")


def habits(training: Sequence[Any], validation: Sequence[Any], sampler: Any) -> list[str]:
    """Settings of the loaders that are seldom meant, in words.

    Args:
        training: The data sets of people that are trained on.
        validation: Those that are validated on.
        sampler: The training's.
    """
    crops = [[part.crop for part in parts if hasattr(part, "crop")] for parts in (training, validation)]
    sizes = [sorted({tuple(crop.input_size_hw) for crop in of_one}) for of_one in crops]
    notes = []
    if all(sizes) and sizes[0] != sizes[1]:
        notes.append(
            f"validation sees crops of {sizes[1]} (height, width), training of {sizes[0]}: change "
            "'input_size_hw' in all loaders"
        )
    augments = [getattr(part, "augment", None) for part in validation]
    if any(getattr(augment, "random", augment is not None) for augment in augments):
        notes.append(
            "val_dataloader.dataset.augment: validation crops are turned and scaled at random; leave it out"
        )
    if any(getattr(part, "pixels", None) is not None for part in validation):
        notes.append(
            "val_dataloader.dataset.pixels: validation crops have their pixels changed; leave it out"
        )
    if training and getattr(sampler, "shuffle", True) is False:
        notes.append("train_dataloader.sampler: shuffle=False: every epoch has the file's order")
    return notes


def people_of(loader: Any) -> list[tuple[str, Any]]:
    """The data sets of a loader that have a table of people, wrappers opened, with their names if any."""
    dataset = getattr(loader.dataset, "dataset", loader.dataset)
    parts = named_parts_of(dataset)
    return [(name, part) for name, part in parts if isinstance(getattr(part, "table", None), PersonTable)]


def mirrors(dataset: Any) -> bool:
    """Whether a data set shows mirror images."""
    return bool(getattr(getattr(dataset, "augment", None), "flip_prob", 0))
