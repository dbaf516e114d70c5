"""The hooks of a run by name, and the one that makes its epochs independent of each other.

They replace mmengine's where its own would copy a number from the device at every step, delete the old
checkpoint before the new one is safe, pickle live objects, or print nothing for minutes.
"""

from __future__ import annotations

from collections.abc import Mapping
from pkgutil import resolve_name
from typing import Any

import torch
from mmengine.hooks import DistSamplerSeedHook, ParamSchedulerHook

from posekit.engine.hooks.checkpoint import CheckpointHook
from posekit.engine.hooks.doctor import DoctorHook
from posekit.engine.hooks.ema import EMAHook
from posekit.engine.hooks.loss import LossLogHook, ValidationLossHook
from posekit.engine.hooks.progress import CurvesHook, ImageFaultHook, PeopleHook, ProgressHook, TimeLeftHook
from posekit.engine.hooks.task_stopping import TaskStoppingHook
from posekit.registry import HOOKS


@HOOKS.register_module()
class EpochSeedHook(DistSamplerSeedHook):
    """Tells the sampler the epoch, and seeds torch from (seed, epoch, rank).

    What a network draws in epoch N then depends on nothing that happened before it: not on a validation
    in between, nor on the training having been resumed.
    """

    def before_train_epoch(self, runner: Any) -> None:
        super().before_train_epoch(runner)
        seed = (runner.seed * 1_000_003 + runner.epoch) * 65_537 + runner.rank
        torch.manual_seed(seed % 2**63)  # torch takes no more


def default_hooks() -> dict[str, dict[str, Any]]:
    """The hooks of every run by name; a config's ``default_hooks`` changes arguments, or drops one (None)."""
    return {
        "runtime_info": {"type": LossLogHook},
        "timer": {"type": TimeLeftHook},
        "sampler_seed": {"type": EpochSeedHook},
        "logger": {"type": ProgressHook},
        "param_scheduler": {"type": ParamSchedulerHook},
        "people": {"type": PeopleHook},
        "doctor": {"type": DoctorHook},
        "image_faults": {"type": ImageFaultHook},
        "curves": {"type": CurvesHook},
        "checkpoint": {"type": CheckpointHook},
    }


def chosen_hooks(changes: Mapping[str, Any]) -> list[Any]:
    """The default hooks as a config changes them: other arguments, another type, or None for none."""
    chosen: dict[str, Any] = default_hooks()
    for name, hook in changes.items():
        changed = isinstance(hook, dict) and "type" not in hook
        chosen[name] = {**(chosen.get(name) or optional_hooks()[name]), **hook} if changed else hook
    return [hook for hook in chosen.values() if hook is not None]


def optional_hooks() -> dict[str, dict[str, Any]]:
    """The hooks that ``default_hooks`` can switch on by name."""
    return {
        "val_loss": {"type": ValidationLossHook},
        "ema": {"type": EMAHook},
        "task_stopping": {"type": TaskStoppingHook},
        # The study stands above the engine, which knows its hooks by name alone.
        "foreground": {"type": resolve_name("posekit.study.focal_hooks:ForegroundHook")},
        "focal_schedule": {"type": resolve_name("posekit.study.focal_hooks:FocalScheduleHook")},
    }
