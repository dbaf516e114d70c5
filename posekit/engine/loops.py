"""The training loop: epochs that can be left, and entered again, between any two batches."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import torch
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader

from posekit.engine.checkpoints.state import restore_random_state
from posekit.engine.processes.signals import Asked, noting_signals
from posekit.errors import ConfigError


def check_loop(stated: Mapping[str, Any], source: str | None) -> None:
    """Refuses a training that counts no epochs: nothing here would be validated, saved or resumed by them.

    Args:
        stated: The config's ``train_cfg``.
        source: The config's file, for messages.

    Raises:
        ConfigError: If it asks for mmengine's loop over iterations.
    """
    kind = stated.get("type")
    by_iteration = isinstance(kind, type) and issubclass(kind, IterBasedTrainLoop)
    if by_iteration or (kind is None and not stated.get("by_epoch", True)):
        found = "IterBasedTrainLoop" if by_iteration else "by_epoch=False"
        raise ConfigError(
            f"config {source or '(Python)'}: train_cfg: trainings are counted in epochs: expected max_epochs "
            f"(iterations x batch / people), found {found}; checkpoints within an epoch: "
            "default_hooks.checkpoint.interval_iters"
        )


class SkippingBatches:
    """A batch sampler that can leave out the first batches of a pass, without loading them.

    Args:
        batches: The loader's own batch sampler.

    Attributes:
        skip: How many the passes leave out that are begun from now on.
    """

    def __init__(self, batches: Iterable[Any]) -> None:
        self.batches = batches
        self.skip = 0

    def __iter__(self) -> Iterator[Any]:
        # Not a generator: the skipped ones are drawn here and now, before the random state is restored.
        batches = iter(self.batches)
        for _ in range(self.skip):
            next(batches, None)
        return batches

    def __len__(self) -> int:
        return len(self.batches)  # type: ignore[arg-type]

    def __getattr__(self, name: str) -> Any:  # hooks look for ``.sampler``
        if name == "batches":  # not set yet, as while being unpickled
            raise AttributeError(name)
        return getattr(self.batches, name)


class EpochLoop(EpochBasedTrainLoop):
    """mmengine's loop over epochs, which can begin within one, and notes the signals that ask it to end.

    What to do about those is the checkpoint hook's.

    Raises:
        ConfigError: If its sampler never comes to the end of an epoch.
    """

    #: Which signal asked the training to end.
    asked = Asked()

    def __init__(self, runner: Any, dataloader: DataLoader | dict[str, Any], **kwargs: Any) -> None:
        super().__init__(runner, dataloader, **kwargs)
        #: Batches of the epoch that a resumed run has behind it.
        self.done = 0
        self.random_state: Mapping[str, Any] | None = None
        self.batches = SkippingBatches(self.dataloader.batch_sampler)
        if getattr(getattr(self.batches, "sampler", None), "endless", False):
            raise ConfigError(
                f"config {runner.cfg.filename}: train_dataloader.sampler: expected one whose epochs end, "
                "found an InfiniteSampler; take an EpochSampler"
            )
        # The loader refuses to have it set; but it has handed it to nobody yet.
        object.__setattr__(self.dataloader, "batch_sampler", self.batches)

    def enter_at(self, batches: int, random_state: Mapping[str, Any] | None) -> None:
        """Lets the next epoch begin at one of its batches, with the random state of that moment."""
        self.done, self.random_state = batches, random_state

    def run(self) -> nn.Module:
        with noting_signals() as self.asked:
            return super().run()

    def run_epoch(self) -> None:
        """One epoch, or what is left of it."""
        self.runner.call_hook("before_train_epoch")
        self.runner.model.train()
        first, self.done = self.done, 0
        for index, batch in enumerate(self._load_from(first), first):
            self.run_iter(index, batch)
        self.runner.call_hook("after_train_epoch")
        self._epoch += 1

    def _load_from(self, first: int) -> Iterator[Any]:
        """Begins to load the epoch's batches; no random number of the training depends on how."""
        # A loader draws a seed from torch's generator, but one with persistent workers only the first time.
        before = torch.get_rng_state()
        self.batches.skip = first
        loaded = iter(self.dataloader)  # which may begin more than one pass over the sampler
        self.batches.skip = 0
        torch.set_rng_state(before)
        if self.random_state is not None:
            restore_random_state(self.random_state)
            self.random_state = None
        return loaded


def end_workers(*loops: Any) -> None:
    """Ends the data-loading processes of loops that are not run any more.

    Left to Python's own ending they are sent SIGTERM, and waited for, which they outlive for a while
    (:func:`posekit.engine.processes.signals.init_worker`).
    """
    for loop in loops:
        loader = getattr(loop, "dataloader", None)
        workers = getattr(loader, "_iterator", None)  # those that persist; others went with their epoch
        if loader is not None and workers is not None:
            workers._shutdown_workers()
            loader._iterator = None
