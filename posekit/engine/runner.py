"""The runner: mmengine's, with its traps closed in one place each.

* Two runners in one process do not share a log, a message hub or a visualizer (:meth:`setup_env`).
* Checkpoints are plain, atomic and loaded without running code (:mod:`posekit.engine.checkpointed`).
* A start that fails leaves nothing behind and nothing changed (:mod:`posekit.engine.startup`).
* Batches are collated into :class:`~posekit.structures.Sample` (:mod:`posekit.engine.loops`).
* Start-up does not run compilers and formatters (:meth:`_log_env`), nor does it make a figure
  (:meth:`build_visualizer`).
"""

from __future__ import annotations

import sys
from collections.abc import Mapping
from contextlib import ExitStack
from functools import cached_property
from pathlib import Path
from typing import Any

from mmengine.config import Config
from mmengine.device import get_device
from mmengine.dist import master_only
from mmengine.hooks import Hook
from mmengine.logging import MMLogger
from mmengine.model import is_model_wrapper
from mmengine.optim import OptimWrapper
from mmengine.runner import BaseLoop, LogProcessor, Runner
from mmengine.visualization import Visualizer
from torch import nn
from torch.utils.data import DataLoader

from posekit.engine.checkpointed import CheckpointedRunner
from posekit.engine.checkpoints.lock import sole_owner
from posekit.engine.checkpoints.resume import find_together
from posekit.engine.computing import (
    choose_backend,
    fit_threads,
    same_network_afterwards,
    same_threads_afterwards,
)
from posekit.engine.configs.config import STAGES, prepare_config
from posekit.engine.configs.schema import check_values
from posekit.engine.console import SHOWN, console_of, header
from posekit.engine.hooks.defaults import chosen_hooks
from posekit.engine.hooks.scores import (
    Scores,
    announced_scores,
    check_score_names,
    settle_monitors,
)
from posekit.engine.log_means import IntervalMeans
from posekit.engine.loggers import Loggers, chosen_loggers, start_logger
from posekit.engine.loops import (
    complete_loader,
    epoch_loop,
)
from posekit.engine.optim import batch_facts, check_rates, compile_training, keep_norms, scale_learning_rate
from posekit.engine.processes.group import start_group
from posekit.engine.processes.launched import job_name
from posekit.engine.processes.wrapping import BatchNormHook, wrap_distributed
from posekit.engine.report import environment
from posekit.engine.schedules import Length, fit_schedules
from posekit.engine.start_checks import check_pictures, check_plan
from posekit.engine.startup import faults_of, guarded, make_work_dir, warnings_to
from posekit.engine.visualizer import LazyVisualizer
from posekit.errors import ConfigError
from posekit.io.files import write_json, write_text
from posekit.metrics.each_set import OnEachSet
from posekit.models.pretrained import starting_later
from posekit.models.recompute import recompute
from posekit.parallel import on_main

_TIMESTAMPS: set[str] = set()


class PoseRunner(CheckpointedRunner):
    """Trains, validates and tests one config.

    Build it with :meth:`from_cfg`; the arguments of the constructor are mmengine's.
    """

    # mmengine sets these without annotations.
    _timestamp: str
    optim_wrapper: Any
    param_schedulers: Any
    #: How the network that was tested describes itself, its backend included, once there was a test.
    tested: dict[str, Any] | None = None
    #: Standard output is for scores: notes go to the log file, warnings and progress to standard error.
    of_scores = False
    #: Where else curves go, while it trains.
    loggers: Loggers

    def __init__(self, model: Any, work_dir: str, *args: Any, **kwargs: Any) -> None:
        self._started = self._testing = False
        self._made: list[Path] = []
        self.loggers = Loggers({}, None)
        on_main(lambda: self._made.extend(make_work_dir(work_dir)))  # the first one knows what it has made
        self._made.extend(make_work_dir(work_dir))
        with guarded(self):
            super().__init__(model, work_dir, *args, **kwargs)
        self.console.is_open = not self.of_scores

    @classmethod
    def from_cfg(cls, cfg: Any, seed: int | None = None) -> PoseRunner:
        """Builds a runner from a config, which is checked and completed first.

        Args:
            cfg: As from :func:`posekit.engine.configs.config.load_config`, or nested dicts; ``work_dir`` must
                be set.
            seed: In place of the config's. Without it a run that is resumed keeps its checkpoint's seed.

        Raises:
            ConfigError: As :func:`posekit.engine.configs.config.prepare_config`; if nothing can be written to
                the work directory.
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
        if sys.platform != "linux":  # mmengine's own is to fork, also on macOS, whose libraries that breaks
            env_cfg = {**env_cfg, "mp_cfg": {"mp_start_method": "spawn", **env_cfg.get("mp_cfg", {})}}
        super().setup_env(env_cfg)
        self._timestamp = on_main(lambda: self._unique(self._timestamp))
        _TIMESTAMPS.add(self._timestamp)

    def build_logger(self, *args: Any, **kwargs: Any) -> MMLogger:
        """As mmengine's; what it notes while the runner is built goes to the log file alone."""
        logger = super().build_logger(*args, **kwargs)
        self.console = console_of(logger, self.of_scores)
        return logger

    def build_log_processor(self, log_processor: Any) -> LogProcessor:
        """As mmengine's, of :class:`~posekit.engine.log_means.IntervalMeans` where it states no type."""
        if isinstance(log_processor, Mapping):
            log_processor = {"type": IntervalMeans, **log_processor}
        return super().build_log_processor(log_processor)

    def build_visualizer(self, visualizer: Any = None) -> Visualizer:
        """As mmengine's, but for the figure, which nothing here draws on."""
        if visualizer is not None:
            return super().build_visualizer(visualizer)
        backends = [{"type": "LocalVisBackend"}]
        return LazyVisualizer.get_instance(self.experiment_name, vis_backends=backends, save_dir=self.log_dir)

    def _unique(self, stamp: str) -> str:
        name, number = stamp, 1
        while name in _TIMESTAMPS or (Path(self.work_dir) / name).exists():
            number += 1
            name = f"{stamp}_{number:03d}"  # their names sort as they began
        return name

    def _log_env(self, env_cfg: dict[str, Any]) -> None:
        """Logs environment and config; mmengine's own calls gcc, nvcc and yapf."""
        facts = environment(self.seed, self.cfg.filename)
        lines = "\n".join(f"    {key}: {value}" for key, value in facts.items())
        self.logger.info(header(facts, self.logger.log_file), extra={} if self.of_scores else SHOWN)
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
        for hook in chosen_hooks(hooks or {}):
            self.register_hook(hook)
        if self.world_size > 1:
            self.register_hook(BatchNormHook())

    def register_custom_hooks(self, hooks: Any) -> None:
        """As mmengine's, with the errors of a config."""
        with faults_of("custom_hooks", self.cfg.filename):
            super().register_custom_hooks(hooks)

    def build_dataloader(  # type: ignore[override]
        self, dataloader: DataLoader | dict[str, Any], seed: int | None = None, diff_rank_seed: bool = False
    ) -> DataLoader:
        """As mmengine's, of what :func:`~posekit.engine.loops.complete_loader` makes of it."""
        if isinstance(dataloader, DataLoader):
            return dataloader
        stages = [stage for stage in STAGES if getattr(self, f"_{stage}_dataloader") is dataloader]
        section = "_".join([*stages[:1], "dataloader"])
        with faults_of(section, self.cfg.filename), warnings_to(self.logger):
            loader = complete_loader(dataloader, "train" in stages, self.rank, seed)
            return Runner.build_dataloader(loader, seed, diff_rank_seed)

    def build_evaluator(self, evaluator: Any) -> Any:
        """As mmengine's, whose metrics would gather their results in the current folder."""
        if isinstance(evaluator, Mapping) and evaluator.get("type") in (OnEachSet, OnEachSet.__name__):
            evaluator = [evaluator]  # its "metrics" would make mmengine take it for its own Evaluator
        built = super().build_evaluator(evaluator)
        for number, metric in enumerate(built.metrics if self.world_size > 1 else []):
            if metric.collect_device == "cpu" and metric.collect_dir is None:
                metric.collect_dir = str(Path(self.log_dir) / f"gathered_{number}")
        return built

    def build_val_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """As mmengine's, of evaluators that give scores of different names."""
        built = super().build_val_loop(loop)
        check_pictures(self.bare_model, built.dataloader, self.cfg.filename)
        check_score_names(_metrics_of(built), f"config {self.cfg.filename}: val_evaluator", self.logger)
        return built

    def build_test_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """As :meth:`build_val_loop`."""
        built = super().build_test_loop(loop)
        check_pictures(self.bare_model, built.dataloader, self.cfg.filename)
        check_score_names(_metrics_of(built), f"config {self.cfg.filename}: test_evaluator", self.logger)
        return built

    def build_train_loop(self, loop: BaseLoop | dict[str, Any]) -> BaseLoop:
        """As mmengine's, over epochs.

        Raises:
            ConfigError: If it counts no epochs, or an epoch would have no iteration.
        """
        if isinstance(loop, Mapping):
            loop = epoch_loop(loop, self.cfg.filename)
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
            keep_norms(built)
            check_rates(built, self.cfg.filename, self.logger)
        return built

    def scale_lr(self, optim_wrapper: Any, auto_scale_lr: dict[str, Any] | None = None) -> None:
        """Scales the learning rate with the effective batch if asked to, and states both in one line."""
        self.logger.info(scale_learning_rate(self, optim_wrapper, auto_scale_lr))

    def wrap_model(self, model_wrapper_cfg: dict[str, Any] | None, model: nn.Module) -> nn.Module:
        """As mmengine's, on CPUs as well."""
        if self.distributed and not is_model_wrapper(model):
            settings = self.cfg.get("sync_bn"), self.cfg.get("find_unused_parameters", False)
            return wrap_distributed(model.to(get_device()), model_wrapper_cfg, *settings)
        return super().wrap_model(model_wrapper_cfg, model)

    def _maybe_compile(self, target: str) -> None:
        """In place of mmengine's, which compiles the whole step."""
        setting = self.cfg.get("compile")
        if setting not in (None, False) and self.cfg.get("recompute"):
            raise ConfigError(
                f"config {self.cfg.filename}: 'compile' and 'recompute': expected one of them; a compiled "
                "network chooses by itself what it computes again"
            )
        if compile_training(self.bare_model, setting):
            self.logger.info("the network is compiled, which makes the first iterations slow")

    def build_param_scheduler(self, scheduler: Any) -> Any:
        """As mmengine's, of schedulers that fit the training and the scores that they go by."""
        with faults_of("param_scheduler", self.cfg.filename), warnings_to(self.logger):
            length = Length(self.max_epochs, self.max_iters)
            fitting = fit_schedules(scheduler, length, self.cfg.filename)
            return super().build_param_scheduler(settle_monitors(self, fitting))

    @cached_property
    def scores(self) -> Scores:
        """What is known of the validation's scores before there is one."""
        return announced_scores(self)

    def build_model(self, model: nn.Module | dict[str, Any]) -> nn.Module:
        """As mmengine's; what the network starts from is loaded when a training begins anew."""
        with starting_later():
            return super().build_model(model)

    def _init_model_weights(self) -> None:
        """As mmengine's; but a backbone's ``start`` waits for :meth:`load_or_resume`, which may need none."""
        if not hasattr(self.bare_model, "start"):
            super()._init_model_weights()
        if parts := self.cfg.get("recompute"):
            named = recompute(self.bare_model, parts)
            self.logger.info(f"computed again instead of kept: the inner maps of {', '.join(named)}")

    # --- running -----------------------------------------------------------------------------------------

    def train(self) -> nn.Module:
        """Trains; ``run.json`` and the config are left in the work directory.

        Raises:
            ConfigError: If another process is training in the work directory; if a schedule does not fit the
                training, before any data is read.
            Stopped: After SIGTERM or SIGUSR1, once the training is saved.
        """
        with guarded(self), same_threads_afterwards(), ExitStack() as held:
            check_plan(self)
            held.callback(lambda: self.loggers.close())
            on_main(lambda: held.enter_context(sole_owner(self.work_dir)))
            return super().train()

    def val(self) -> dict[str, Any]:
        with guarded(self):
            return super().val()

    def test(self) -> dict[str, Any]:
        with guarded(self), same_threads_afterwards(), same_network_afterwards(self):
            self._testing = True
            try:
                scores = super().test()
                model: Any = self.bare_model
                self.tested = model.describe() if hasattr(model, "describe") else {}
            finally:
                self._testing = False
            return scores

    def load_or_resume(self) -> None:
        """Loads or resumes, chooses what computes, and says in the work directory that the run begins."""
        super().load_or_resume()
        if self._testing:
            fit_threads(self, training=False)
            choose_backend(self)
        elif self.is_training:
            fit_threads(self, training=True)
        if self.is_training and self.epoch < self.max_epochs:
            on_main(self._start_loggers)
        self._started = True
        # A run that has nothing left to do is not recorded over the one that did it.
        if self.is_training and self.epoch < self.max_epochs:
            self._set_earlier_aside()
            self._write_run_record()

    def _start_loggers(self) -> None:
        self.loggers.log, folder = self.logger, Path(self.log_dir) / "vis_data"
        for name, arguments in chosen_loggers(self.cfg.to_dict(), str(self.cfg.filename)):
            self.loggers.backends[name] = start_logger(name, arguments, self.cfg, folder)

    @master_only
    def _write_run_record(self) -> None:
        """Says in the work directory what this run is, once it is sure to begin."""
        folder, start = Path(self.work_dir), getattr(self.bare_model, "start", None)
        write_text(folder / self._config_name(), self.cfg.pretty_text)
        words = "its network's own start" if start is None else start.summary
        if self._has_loaded:
            words = str(self.resumed_from or self._load_from)
        record = environment(self.seed, self.cfg.filename)
        record.update(work_dir=self.work_dir, log_dir=self.log_dir, launcher=self.launcher)
        record.update(ranks=self.world_size, job=job_name(), starts_from=words, **batch_facts(self))
        record.update(scores=self.scores.directions)
        for place in (folder, Path(self.log_dir)):
            write_json(place / "run.json", record)

    def close(self) -> None:
        """Closes the log file; for processes that make many runners."""
        for handler in list(self.logger.handlers):
            handler.close()
            self.logger.removeHandler(handler)


class ScoringRunner(PoseRunner):
    """Tests one config, with standard output left to the caller's table of scores."""

    of_scores = True


def _metrics_of(loop: Any) -> list[Any]:
    return list(getattr(getattr(loop, "evaluator", None), "metrics", ()))
