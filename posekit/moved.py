"""Modules that have moved are found under their old names too, with a warning.

So configs that were dumped by an earlier version, and programs that import from it, go on. Importing an old
name gives the very module that has the new one.
"""

import importlib
import sys
import warnings
from importlib.machinery import ModuleSpec

TYPE_CHECKING = False  # typing's own would cost an import
if TYPE_CHECKING:
    from collections.abc import Sequence
    from types import ModuleType
    from typing import Any

MOVED = {
    "posekit.datasets.fields": "posekit.io.records",
    "posekit.datasets.image_size": "posekit.io.image_size",
    "posekit.datasets.images": "posekit.io.images",
    "posekit.datasets.skeletons": "posekit.skeletons",
    "posekit.datasets.synthetic": "posekit.synthetic",
    "posekit.downloads": "posekit.io.downloads",
    "posekit.engine.aside": "posekit.engine.checkpoints.resume",
    "posekit.engine.batches": "posekit.engine.optim",
    "posekit.engine.best": "posekit.engine.hooks.scores",
    "posekit.engine.checkpoint": "posekit.engine.checkpoints.files",
    "posekit.engine.checkpoint_hook": "posekit.engine.hooks.checkpoint",
    "posekit.engine.checkpoints.aside": "posekit.engine.checkpoints.resume",
    "posekit.engine.checksum": "posekit.io.checksum",
    "posekit.engine.config": "posekit.engine.configs.config",
    "posekit.engine.configs.values": "posekit.engine.configs.schema",
    "posekit.engine.distributed": "posekit.engine.processes.group",
    "posekit.engine.divergence": "posekit.engine.hooks.divergence",
    "posekit.engine.dump": "posekit.engine.configs.dump",
    "posekit.engine.ema": "posekit.engine.hooks.ema",
    "posekit.engine.focal_hooks": "posekit.study.focal_hooks",
    "posekit.engine.launched": "posekit.engine.processes.launched",
    "posekit.engine.loader": "posekit.engine.loops",
    "posekit.engine.lock": "posekit.engine.checkpoints.lock",
    "posekit.engine.loss_hooks": "posekit.engine.hooks.loss",
    "posekit.engine.network": "posekit.engine.optim",
    "posekit.engine.parallel": "posekit.engine.processes.wrapping",
    "posekit.engine.progress_hooks": "posekit.engine.hooks.progress",
    "posekit.engine.restore": "posekit.engine.checkpoints.restore",
    "posekit.engine.resume": "posekit.engine.checkpoints.resume",
    "posekit.engine.safe_load": "posekit.io.safe_load",
    "posekit.engine.schema": "posekit.engine.configs.schema",
    "posekit.engine.scores": "posekit.engine.hooks.scores",
    "posekit.engine.signals": "posekit.engine.processes.signals",
    "posekit.engine.state": "posekit.engine.checkpoints.state",
    "posekit.engine.values": "posekit.engine.configs.schema",
    "posekit.engine.within_epoch": "posekit.engine.checkpoints.within_epoch",
    "posekit.files": "posekit.io.files",
    "posekit.inference.images": "posekit.io.pictures",
    "posekit.inference.sources": "posekit.io.sources",
    "posekit.mat_check": "posekit.io.mat",
    "posekit.metrics.records": "posekit.io.records",
    "posekit.npz": "posekit.io.npz",
    "posekit.recognition.similarity": "posekit.recognition.centers",
    "posekit.study.errors": "posekit.metrics.errors",
    "posekit.study.peaks": "posekit.study.foreground",
    "posekit.study.sweep_records": "posekit.study.sweep_figures",
    "posekit.tracking": "posekit.inference.tracking",
    "posekit.video": "posekit.io.video",
    "posekit.visualization.network": "posekit.inference.maps",
    "posekit.visualization.paper_figures": "posekit.study.paper_figures",
    "posekit.visualization.predictions": "posekit.inference.predictions",
    "posekit.visualization.study_figures": "posekit.study.study_figures",
    "posekit.visualization.sweep_figures": "posekit.study.sweep_figures",
    "posekit.visualization.sweep_records": "posekit.study.sweep_figures",
}


class _MovedFinder:
    """Answers for the old names, after Python's own finders have found nothing; loads the new module."""

    @staticmethod
    def find_spec(
        name: str, path: "Sequence[str] | None" = None, target: "ModuleType | None" = None
    ) -> ModuleSpec | None:
        new = MOVED.get(name)
        if new is None:
            return None
        warnings.warn(f"{name} is {new} now", DeprecationWarning, stacklevel=2)
        module = importlib.import_module(new)
        loader: Any = _AliasLoader(module)
        spec = ModuleSpec(name, loader, origin=getattr(module, "__file__", None))
        spec.submodule_search_locations = getattr(module, "__path__", None)
        return spec


class _AliasLoader:
    """Hands out a module that is loaded already."""

    def __init__(self, module: "ModuleType") -> None:
        self.module, self.own_spec = module, module.__spec__

    def create_module(self, spec: ModuleSpec) -> "ModuleType":
        return self.module

    def exec_module(self, module: "ModuleType") -> None:
        module.__spec__ = self.own_spec  # the import system has put the alias's in its place


def install() -> None:
    """Lets the old names be found; once is enough."""
    if _MovedFinder not in sys.meta_path:
        sys.meta_path.append(_MovedFinder)  # type: ignore[arg-type]
