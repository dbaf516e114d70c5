"""The training loop, whose epochs can be left and entered again between any two batches, and the loaders."""

from __future__ import annotations

import copy
from collections.abc import Iterable, Iterator, Mapping
from types import FrameType
from typing import Any

import torch
from mmengine.dataset import InfiniteSampler
from mmengine.runner import EpochBasedTrainLoop, IterBasedTrainLoop
from torch import nn
from torch.utils.data import DataLoader, default_collate

from posekit.datasets.mixture import KeyedDataset
from posekit.datasets.sampler import EpochSampler, KeyedSampler
from posekit.engine.checkpoints.state import restore_random_state
from posekit.engine.processes.signals import handling_signals, init_worker
from posekit.errors import ConfigError


def epoch_loop(stated: Mapping[str, Any], source: str | None) -> dict[str, Any]:
    """A config's training loop, with :class:`EpochLoop` in the place of mmengine's loop over epochs.

    Without epochs nothing here would be validated, saved or resumed.

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
    if kind not in (None, EpochBasedTrainLoop, "EpochBasedTrainLoop"):
        return dict(stated)
    return {**{key: value for key, value in stated.items() if key != "by_epoch"}, "type": EpochLoop}


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

    #: Which signal has asked the training to end; 0: none has.
    asked = 0

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
        self.asked = 0
        with handling_signals(self.note):
            return super().run()

    def note(self, number: int, frame: FrameType | None) -> None:
        """Handles a signal; later ones change nothing: a launcher hands on what a whole group was sent."""
        self.asked = self.asked or number

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


def complete_loader(stated: Mapping[str, Any], training: bool, rank: int, seed: int | None) -> dict[str, Any]:
    """A config's data loader with everything that mmengine is to build it with.

    Batches are collated by torch, which keeps the NamedTuple; memory is pinned where there is a GPU; workers
    persist; the sampler is an :class:`~posekit.datasets.sampler.EpochSampler` unless another is stated.
    Samples draw by seed and epoch whatever it is (:mod:`posekit.datasets.draws`).

    Args:
        stated: The config's section; it is not changed.
        training: Whether it is for training: then by default shuffled, all processes having equally many.
        rank: This process's.
        seed: The run's.

    Raises:
        ValueError: On a sampler that has no end, where everybody is to be seen once.
    """
    loader = copy.deepcopy(dict(stated))
    loader.setdefault("collate_fn", {"type": default_collate})
    loader.setdefault("pin_memory", torch.cuda.is_available())
    workers = loader.get("num_workers", 0)
    loader.setdefault("persistent_workers", True)
    if not workers:  # torch refuses both then; --cfg-options may take the workers from a config stating them
        loader.pop("persistent_workers", None)
        loader.pop("prefetch_factor", None)
    quiet = loader.pop("disable_subprocess_warning", False)
    facts = {"num_workers": workers, "rank": rank, "seed": seed or 0, "quiet": quiet}
    loader.setdefault("worker_init_fn", {"type": init_worker, **facts})
    for name in ("sampler", "batch_sampler"):
        if loader.get(name, 0) is None:  # as if it were not stated; torch's goes by the rows' order
            del loader[name]
    own = {"type": EpochSampler, "shuffle": training}
    loader.setdefault("sampler", None if "batch_sampler" in loader else own)
    if not training and loader.get("drop_last"):
        raise ValueError("drop_last=True would leave people out of the score; it is for trainings alone")
    sampler = loader.get("sampler")
    kind = sampler.get("type") if isinstance(sampler, dict) else type(sampler)
    # A training with one is refused by its loop, which knows whether it counts epochs.
    if not training and isinstance(kind, type) and issubclass(kind, InfiniteSampler):
        words = f"{kind.__name__} has no end, nor would an epoch; expected EpochSampler, or none"
        raise ValueError(f"sampler: {words}")
    if isinstance(sampler, dict) and isinstance(kind, type) and issubclass(kind, EpochSampler):
        shape = {"batch_size": loader.get("batch_size", 1), "drop_last": loader.get("drop_last", False)}
        loader["sampler"] = {"round_up": training, **shape, **sampler}
    elif isinstance(sampler, dict):
        size = loader.get("batch_size", 1)
        loader["sampler"] = {"type": KeyedSampler, "sampler": sampler, "batch_size": size}
    loader["dataset"] = {"type": KeyedDataset, "dataset": loader["dataset"]}
    return loader
