"""The runner: mmengine's, with its traps closed in one place each.

* Two runners in one process do not share a log, a message hub or a visualizer (:meth:`setup_env`).
* Checkpoints are plain, atomic and loaded without running code (:meth:`save_checkpoint`,
  :meth:`load_checkpoint`, :meth:`resume`).
* A start that fails leaves nothing behind and nothing changed (:mod:`posekit.engine.startup`).
* Batches are collated into :class:`~posekit.structures.Sample` (:meth:`build_dataloader`).
* Start-up does not run compilers and formatters (:meth:`_log_env`).
"""

from __future__ import annotations

import copy
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import torch
from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import is_main_process, master_only
from mmengine.hooks import Hook
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, Runner
from torch import nn
from torch.utils.data import DataLoader, default_collate

from posekit.datasets.sampler import EpochSampler
from posekit.engine.batches import batch_facts, scale_learning_rate
from posekit.engine.checkpoint import (
    read_checkpoint,
    write_checkpoint,
)
from posekit.engine.config import STAGES, prepare_config
from posekit.engine.distributed import job_name, on_main, start_group
from posekit.engine.ema import resume_average, training_form
from posekit.engine.hooks import default_hooks as own_default_hooks
from posekit.engine.hooks import optional_hooks
from posekit.engine.lock import sole_owner
from posekit.engine.loops import EpochLoop, end_workers
from posekit.engine.report import environment
from posekit.engine.resume import (
    Found,
    batches_done,
    check_meta,
    find_checkpoint,
    find_together,
    fitting_state,
    random_state_of,
    restore_optimizer,
    restore_schedulers,
)
from posekit.engine.signals import init_worker
from posekit.engine.startup import faults_of, guarded, make_work_dir, warnings_to
from posekit.engine.state import (
    describe_run,
    message_hub_state,
    pending_gradients,
    random_states,
    restore_gradients,
    restore_message_hub,
    restore_random_state,
)
from posekit.engine.values import check_values
from posekit.errors import CheckpointError, ConfigError
from posekit.files import write_json, write_text

_TIMESTAMPS: set[str] = set()


class PoseRunner(Runner):
    """Trains, validates and tests one config.

    Build it with :meth:`from_cfg`; the arguments of the constructor are mmengine's.
    """

    # mmengine sets these without annotations.
    _timestamp: str
    optim_wrapper: Any
    param_schedulers: Any
    #: What became of the checkpoint's keys, once one is loaded; see :mod:`posekit.models.released`.
    load_report: Any = None

    def __init__(self, model: Any, work_dir: str, *args: Any, **kwargs: Any) -> None:
        self._found: Found | None = None
        self._started = False
        self._made: list[Path] = []
        on_main(lambda: self._made.extend(make_work_dir(work_dir)))  # the first one knows what it has made
        self._made.extend(make_work_dir(work_dir))
        with guarded(self):
            super().__init__(model, work_dir, *args, **kwargs)

    @classmethod
    def from_cfg(cls, cfg: Any, seed: int | None = None) -> PoseRunner:
        """Builds a runner from a config, which is checked and completed first.

        Args:
            cfg: As from :func:`posekit.engine.config.load_config`, or nested dicts; ``work_dir`` must be set.
            seed: In place of the config's. Without it a run that is resumed keeps its checkpoint's seed.

        Raises:
            ConfigError: As :func:`posekit.engine.config.prepare_config`; if nothing can be written to the
                work directory.
            CheckpointError: If what is to be resumed cannot be read.
        """
        source = (cfg.filename if isinstance(cfg, Config) else None) or "(Python)"
        cfg = prepare_config(cfg, source)
        with faults_of("env_cfg.dist_cfg", source):
            start_group(cfg.get("launcher", "none"), **(cfg.get("env_cfg") or {}).get("dist_cfg", {}))
        found = find_together(cfg.work_dir, cfg.get("load_from")) if cfg.get("resume") else None
        stated, kept = cfg.randomness.seed, found.seed if found else None
        if seed is None:
            seed = stated if kept is None else kept
        cfg.randomness.seed = seed
        check_values(cfg.to_dict(), source)
        runner: PoseRunner = super().from_cfg(cfg)  # type: ignore[assignment]
        runner._found = found
        if seed == kept != stated:
            runner.logger.info(f"resuming with seed {kept}, as the run began; the config has {stated}")
        return runner

    # --- set-up ------------------------------------------------------------------------------------------

    def setup_env(self, env_cfg: dict[str, Any]) -> None:
        """Makes the time stamp unique, which log folder and all process-wide singletons are named after.

        mmengine's has a resolution of one second, and ``get_instance`` hands an old logger, message hub or
        visualizer to a second runner of the same name.
        """
        with faults_of("env_cfg.dist_cfg", self.cfg.filename):
            start_group(self.launcher, **env_cfg.get("dist_cfg", {}))
        super().setup_env(env_cfg)
        self._timestamp = on_main(lambda: self._unique(self._timestamp))
        _TIMESTAMPS.add(self._timestamp)

    def _unique(self, stamp: str) -> str:
        name, number = stamp, 1
        while name in _TIMESTAMPS or (Path(self.work_dir) / name).exists():
            number += 1
            name = f"{stamp}_{number}"
        return name

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Logs environment and config; mmengine's own calls gcc, nvcc and yapf."""
        facts = environment(self.seed, self.cfg.filename)
        lines = "\n".join(f"    {key}: {value}" for key, value in facts.items())
        self.logger.info(f"environment:\n{lines}\n    launcher: {self.launcher}, ranks: {self.world_size}")
        self.logger.info(f"config:\n{self.cfg.pretty_text}")

    def get_hooks_info(self) -> str:
        """One line instead of mmengine's eighty."""
        return "    " + ", ".join(type(hook).__name__ for hook in self.hooks)

    @master_only
    def dump_config(self) -> None:
        """Writes the config beside this run's log; :meth:`train` also puts it into the work directory."""
        write_text(Path(self.log_dir) / self._config_name(), self.cfg.pretty_text)

    def _config_name(self) -> str:
        return Path(self.cfg.filename).name if self.cfg.filename else "config.py"

    def register_default_hooks(self, hooks: Mapping[str, Hook | dict[str, Any] | None] | None = None) -> None:
        """Registers posekit's default hooks, changed by the config: arguments, another type, or None."""
        chosen: dict[str, Any] = own_default_hooks()
        for name, hook in (hooks or {}).items():
            if isinstance(hook, dict) and "type" not in hook:
                chosen[name] = {**(chosen.get(name) or optional_hooks()[name]), **hook}
            else:
                chosen[name] = hook
        for hook in chosen.values():
            if hook is not None:
                self.register_hook(hook)
        if self.world_size > 1:
            from posekit.engine.parallel import BatchNormHook  # torch's wrappers, which one process needs not

            self.register_hook(BatchNormHook())

    def build_dataloader(  # type: ignore[override]
        self, dataloader: DataLoader | dict[str, Any], seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As mmengine's, with torch's collating (it keeps the NamedTuple) and pinned memory on GPUs."""
        if isinstance(dataloader, DataLoader):
            return dataloader
        loader = dict(copy.deepcopy(dataloader))
        loader.setdefault("collate_fn", {"type": default_collate})
        loader.setdefault("pin_memory", torch.cuda.is_available())
        # torch refuses both without workers, which --cfg-options may take away from a config stating them.
        if loader.get("num_workers", 0) > 0:
            loader.setdefault("persistent_workers", True)
        else:
            loader.pop("persistent_workers", None)
            loader.pop("prefetch_factor", None)
        loader.setdefault(
            "worker_init_fn",
            {
                "type": init_worker,
                "num_workers": loader.get("num_workers", 0),
                "rank": self.rank,
                "seed": seed or 0,
                "quiet": loader.pop("disable_subprocess_warning", False),
            },
        )
        if "sampler" not in loader and "batch_sampler" not in loader:
            loader["sampler"] = _default_sampler(training=dataloader is self._train_dataloader)
        sampler = loader.get("sampler")
        if isinstance(sampler, dict) and sampler.get("type") is EpochSampler:
            shape = {"batch_size": loader.get("batch_size", 1), "drop_last": loader.get("drop_last", False)}
            loader["sampler"] = {"round_up": dataloader is self._train_dataloader, **shape, **sampler}
        named = {f"{stage}_dataloader": getattr(self, f"_{stage}_dataloader") for stage in STAGES}
        name = next((name for name, own in named.items() if own is dataloader), "dataloader")
        with faults_of(name, self.cfg.filename), warnings_to(self.logger):
            return Runner.build_dataloader(loader, seed, diff_rank_seed)

    def build_evaluator(self, evaluator: Any) -> Any:
        """As mmengine's, whose metrics would gather their results in the current folder."""
        built = super().build_evaluator(evaluator)
        for number, metric in enumerate(built.metrics if self.world_size > 1 else []):
            if metric.collect_device == "cpu" and metric.collect_dir is None:
                metric.collect_dir = str(Path(self.log_dir) / f"gathered_{number}")
        return built

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """As mmengine's.

        Raises:
            ConfigError: If an epoch would have no iteration.
        """
        if isinstance(loop, dict) and "type" not in loop and loop.get("by_epoch"):
            loop = {"type": EpochLoop, **{key: value for key, value in loop.items() if key != "by_epoch"}}
        with faults_of("train_cfg", self.cfg.filename):
            built = super().build_train_loop(loop)
        if not len(built.dataloader):
            raise ConfigError(
                f"config {self.cfg.filename}: train_dataloader: its {len(built.dataloader.dataset)} samples "
                f"make no batch of {built.dataloader.batch_size} (drop_last={built.dataloader.drop_last})"
            )
        return built

    def build_optim_wrapper(self, optim_wrapper: Any) -> Any:
        """As mmengine's; the wrapper logs to this runner, not to the one that was made last."""
        with faults_of("optim_wrapper", self.cfg.filename):
            built = super().build_optim_wrapper(optim_wrapper)
        if isinstance(built, OptimWrapper):
            built.message_hub = self.message_hub
        return built

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: dict[str, Any] | None = None) -> None:
        """Scales the learning rate with the effective batch if asked to, and states both in one line.

        Linear scaling: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.1.

        Raises:
            ConfigError: If it is asked for without a base batch, or the scheduler states the rates.
        """
        self.logger.info(scale_learning_rate(self, optim_wrapper, auto_scale_lr))

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """As mmengine's, on CPUs as well; ``channels_last`` changes how the weights lie in memory."""
        if self.cfg.get("channels_last"):
            model = model.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
        if self.distributed and not is_model_wrapper(model):
            from posekit.engine.parallel import wrap_distributed

            settings = self.cfg.get("sync_bn"), self.cfg.get("find_unused_parameters", False)
            return wrap_distributed(model.to(get_device()), model_wrapper_cfg, *settings)
        return super().wrap_model(model_wrapper_cfg, model)

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """As mmengine's, with the errors of a config."""
        with faults_of("param_scheduler", self.cfg.filename):
            return super().build_param_scheduler(scheduler)

    # --- running -----------------------------------------------------------------------------------------

    def train(self) -> nn.Module:
        """Trains; ``run.json`` and the config are left in the work directory.

        Raises:
            ConfigError: If another process is training in the work directory.
            Stopped: After SIGTERM or SIGUSR1, once the training is saved.
        """
        with guarded(self), ExitStack() as held:
            on_main(lambda: held.enter_context(sole_owner(self.work_dir)))
            held.callback(self._end_workers)
            return super().train()

    def val(self) -> dict[str, Any]:
        with guarded(self), ExitStack() as held:
            held.callback(self._end_workers)
            return super().val()

    def test(self) -> dict[str, Any]:
        with guarded(self), ExitStack() as held:
            held.callback(self._end_workers)
            return super().test()

    def _end_workers(self) -> None:
        end_workers(self._train_loop, self._val_loop, self._test_loop)

    @master_only
    def _write_run_record(self) -> None:
        """Says in the work directory what this run is, once it is sure to begin."""
        folder = Path(self.work_dir)
        write_text(folder / self._config_name(), self.cfg.pretty_text)
        record = environment(self.seed, self.cfg.filename)
        record.update(
            work_dir=self.work_dir, log_dir=self.log_dir, launcher=self.launcher, ranks=self.world_size
        )
        record.update(job=job_name(), **batch_facts(self))
        write_json(folder / "run.json", record)
        write_json(Path(self.log_dir) / "run.json", record)

    def close(self) -> None:
        """Closes the log file; for processes that make many runners."""
        for handler in list(self.logger.handlers):
            handler.close()
            self.logger.removeHandler(handler)

    @property
    def _bare_model(self) -> nn.Module:
        return self.model.module if is_model_wrapper(self.model) else self.model

    # --- checkpoints -------------------------------------------------------------------------------------

    def load_checkpoint(
        self,
        filename: str,
        map_location: str | Callable = "cpu",
        strict: bool = True,
        revise_keys: list[tuple[str, str]] | None = None,
    ) -> dict[str, Any]:
        """Loads weights of any form that :mod:`posekit.models.released` knows; every key must fit.

        A training may start from another head's weights: what the file lacks then keeps its random start,
        and a warning says so.

        Args:
            filename: A local file.
            map_location: Unused: weights are read on the CPU and copied to where the model is.
            strict: Unused: always strict.
            revise_keys: Unused: a known form says how its keys are renamed.

        Raises:
            CheckpointError: If it is damaged, unsafe or of another architecture.
        """
        # Once a training has begun its loop is built; a test needs the head.
        return self._adopt(read_checkpoint(filename), filename, isinstance(self._train_loop, BaseLoop))

    def _adopt(
        self, checkpoint: dict[str, Any], source: str | Path, allow_head: bool = False
    ) -> dict[str, Any]:
        from posekit.models.released import load_checkpoint_into  # networks, which few importers need

        self.call_hook("after_load_checkpoint", checkpoint=checkpoint)
        self.load_report = load_checkpoint_into(self._bare_model, checkpoint, source, allow_head)
        self._has_loaded = True
        self.logger.info(f"weights loaded from {source} ({self.load_report})")
        if self.load_report.random:
            parts = dict.fromkeys(".".join(name.split(".")[:2]) for name in self.load_report.random)
            self.logger.warning(f"{source} does not fit {', '.join(parts)}: which start at random")
        return checkpoint

    def load_or_resume(self) -> None:
        """Loads or resumes what the config names: ``load_from``, ``resume`` or both."""
        if not self._has_loaded:
            if self._resume:
                self._resume_found()
            elif self._load_from is not None:
                self.load_checkpoint(self._load_from)
        self._started = True
        # A run that has nothing left to do is not recorded over the one that did it.
        if isinstance(self._train_loop, BaseLoop) and self.epoch < self.max_epochs:
            self._write_run_record()

    def _resume_found(self) -> None:
        """Resumes from what :meth:`from_cfg` has read, and lets go of it."""
        found = self._found or find_checkpoint(self.work_dir, self._load_from)
        self._found = None
        if found is None:
            self.logger.info(f"no checkpoint in {self.work_dir} yet: starting from the beginning")
            return
        for reason in found.passed_over:
            self.logger.warning(f"{reason}; trying the one before")
        self._resume_from(found.checkpoint, found.path)

    def resume(
        self,
        filename: str | Path | None,
        resume_optimizer: bool = True,
        resume_param_scheduler: bool = True,
        map_location: str | Callable = "default",
    ) -> None:
        """Continues the run that wrote a checkpoint.

        Args:
            filename: A checkpoint ``epoch_N.pth``.
            resume_optimizer: Restore the optimiser.
            resume_param_scheduler: Restore the schedulers.
            map_location: Unused, as in :meth:`load_checkpoint`.

        Raises:
            CheckpointError: As :meth:`load_checkpoint`; also if it holds weights alone.
        """
        source = str(filename)
        self._resume_from(read_checkpoint(source), source, resume_optimizer, resume_param_scheduler)

    def _resume_from(
        self, checkpoint: dict[str, Any], source: str | Path, optimizer: bool = True, schedulers: bool = True
    ) -> None:
        meta = checkpoint["meta"] if isinstance(checkpoint.get("meta"), dict) else {}
        missing = [key for key in ("optimizer", "message_hub") if key not in checkpoint]
        if missing or not all(isinstance(meta.get(key), int) for key in ("epoch", "iter")):
            raise CheckpointError(
                f"checkpoint {source}: holds weights but not the state of a training ({missing} missing); "
                "resume from an epoch_N.pth, or start anew from it with --cfg-options load_from=..."
            )
        if "mmengine_version" in meta:  # MMPose's files hold an optimiser and a message hub as well
            raise CheckpointError(
                f"checkpoint {source}: the state of another program's training (MMPose's?); expected an "
                "epoch_N.pth of posekit. Its weights can start a training: --cfg-options load_from=..."
            )
        check_meta(self, meta, source)
        with fitting_state(source):
            checkpoint, average = training_form(checkpoint)
        self._adopt(checkpoint, source)
        self.resumed_from = Path(source)
        loop: Any = self.train_loop
        loop._epoch, loop._iter = meta["epoch"], meta["iter"]
        with fitting_state(source):
            resume_average(self, average)
            restore_message_hub(self.message_hub, checkpoint["message_hub"])
            if optimizer:
                self.optim_wrapper = self.build_optim_wrapper(self.optim_wrapper)
                restore_optimizer(self, checkpoint["optimizer"])
                restore_gradients(self._bare_model, checkpoint.get("gradients", {}))
            if schedulers and self.param_schedulers is not None:
                self.param_schedulers = self.build_param_scheduler(self.param_schedulers)
                restore_schedulers(self, checkpoint.get("param_schedulers", []), source)
            self._enter_epoch(batches_done(self, meta, source), random_state_of(self, checkpoint))
        within = f", batch {loop.done} of {len(self.train_dataloader)}" if getattr(loop, "done", 0) else ""
        self.logger.info(f"resumed from {source}: epoch {self.epoch}, iteration {self.iter}{within}")

    def _enter_epoch(self, batches: int, state: Mapping[str, Any] | None) -> None:
        """Goes to where the sampler stood; within an epoch the loop restores the random state on its way."""
        if state is not None:
            restore_random_state(state)
        if batches:
            self.train_loop.enter_at(batches, state)  # type: ignore[union-attr]

    def save_checkpoint(
        self,
        out_dir: str,
        filename: str,
        file_client_args: dict[str, Any] | None = None,
        save_optimizer: bool = True,
        save_param_scheduler: bool = True,
        meta: dict[str, Any] | None = None,
        by_epoch: bool = True,
        backend_args: dict[str, Any] | None = None,
    ) -> None:
        """Writes a checkpoint of plain values, atomically; all processes must call it, the first one writes.

        Args:
            out_dir: Folder.
            filename: Name in it.
            file_client_args: Unused; local files only.
            save_optimizer: Add what resuming needs: optimiser, message hub, random state.
            save_param_scheduler: Add the schedulers.
            meta: Added to the meta data; ``epoch``, ``iter`` and ``batches`` (of the epoch that has begun)
                count what is done.
            by_epoch: Called at the end of an epoch, which the loop counts only afterwards.
            backend_args: Unused.

        Raises:
            CheckpointError: If it cannot be written; an older file of the name is intact.
        """
        # At the end of an epoch the loop has counted the last iteration, but not yet the epoch.
        done = (self.epoch + 1, self.iter) if by_epoch else (self.epoch, self.iter + 1)
        states = random_states(self.world_size) if save_optimizer else []
        gradients = pending_gradients(self._bare_model, self.optim_wrapper) if save_optimizer else {}
        if not is_main_process():
            return
        described = {**describe_run(self, *done), **(meta or {})}
        per_batch = (self.train_dataloader.batch_size or 0) * self.world_size
        described["samples"] = described.setdefault("batches", 0) * per_batch
        checkpoint: dict[str, Any] = {"meta": described, "state_dict": self._bare_model.state_dict()}
        if save_optimizer:
            checkpoint["optimizer"] = self.optim_wrapper.state_dict()
            checkpoint["message_hub"] = message_hub_state(self.message_hub)
            checkpoint["rng"] = states[0]
            if len(states) > 1:
                checkpoint["rng_ranks"] = states
            if gradients:
                checkpoint["gradients"] = gradients
        if save_param_scheduler and self.param_schedulers is not None:
            # OneCycle keeps its annealing function among its state; a scheduler built anew has it already.
            checkpoint["param_schedulers"] = [
                {key: value for key, value in scheduler.state_dict().items() if not callable(value)}
                for scheduler in self.param_schedulers
            ]
        self.call_hook("before_save_checkpoint", checkpoint=checkpoint)
        write_checkpoint(checkpoint, Path(out_dir) / filename)


def _default_sampler(training: bool) -> dict[str, Any]:
    return {"type": EpochSampler, "shuffle": training}
