"""Where else a training's curves go: TensorBoard, Weights & Biases, MLflow.

A config says ``loggers = ["tensorboard"]``, by name or as ``dict(type=WandbVisBackend, ...)`` with the
arguments of mmengine's back ends, which do the work. ``scalars.json``, of which posekit draws its own curves,
is written whatever stands there. The first process alone logs.
"""

from __future__ import annotations

import os
import re
from collections.abc import Mapping
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from mmengine.visualization import MLflowVisBackend, TensorboardVisBackend, WandbVisBackend
from mmengine.visualization.vis_backend import BaseVisBackend

from posekit.errors import ConfigError, did_you_mean, shown

#: Name -> the class that logs there; the name is also that of the package.
LOGGERS: dict[str, type[BaseVisBackend]] = {
    "tensorboard": TensorboardVisBackend,
    "wandb": WandbVisBackend,
    "mlflow": MLflowVisBackend,
}


def chosen_loggers(cfg: Mapping[str, Any], source: str) -> list[tuple[str, dict[str, Any]]]:
    """The loggers of a config: (name, arguments that it states), each once.

    Raises:
        ConfigError: On a name that is none.
    """
    stated = cfg.get("loggers") or []
    chosen: dict[str, dict[str, Any]] = {}
    for entry in stated if isinstance(stated, (list, tuple)) else [stated]:
        arguments = dict(entry) if isinstance(entry, Mapping) else {}
        kind = arguments.pop("type", entry)
        name = next((name for name, known in LOGGERS.items() if kind in (name, known)), None)
        if name is None:
            expected = f"expected names of {list(LOGGERS)}, or dict(type=WandbVisBackend, ...) of mmengine's"
            hint = did_you_mean(kind, LOGGERS) if isinstance(kind, str) else ""
            raise ConfigError(f"config {source}: loggers: {expected}, found {shown(entry)}{hint}")
        chosen[name] = {**chosen.get(name, {}), **arguments}
    return list(chosen.items())


def require_packages(cfg: Mapping[str, Any], source: str) -> None:
    """Looks for the packages of a config's loggers, without importing them.

    Raises:
        ConfigError: If one is not installed.
    """
    for name, _ in chosen_loggers(cfg, source):
        if find_spec(name) is None:
            raise ConfigError(
                f"config {source}: loggers: '{name}' needs a package that is not installed: "
                f"pip install 'posekit[loggers]' (or {name})"
            )


def start_logger(name: str, arguments: Mapping[str, Any], cfg: Any, folder: Path) -> BaseVisBackend:
    """Begins a run of a logger and hands it the config.

    Args:
        name: Of :data:`LOGGERS`.
        arguments: Its class's, in place of posekit's own.
        cfg: The run's config, with ``work_dir``.
        folder: For what it writes; the log folder's name is the run's.

    Raises:
        ConfigError: If it does not begin: it knows no account, or reaches no server.
    """
    try:
        backend = LOGGERS[name](
            save_dir=str(folder), **{**_defaults(name, cfg, folder.parent.name), **arguments}
        )
        backend.add_config(cfg)
    except Exception as error:  # each has its own kinds of errors
        reason = " ".join(str(error).split())
        raise ConfigError(f"loggers: '{name}' cannot begin: {type(error).__name__}: {reason}") from error
    return backend


def _defaults(name: str, cfg: Any, run: str) -> dict[str, Any]:
    work_dir = Path(cfg.work_dir).absolute()
    if name == "wandb":  # its own steps count calls
        axes = [{"name": f"{stage}/*", "step_metric": "iter"} for stage in ("train", "val")]
        return {"define_metric_cfg": axes, "init_kwargs": {"name": f"{work_dir.name} {run}"}}
    if name == "mlflow":
        # mmengine's default is a folder of files, which mlflow 3 refuses; and it would copy the work
        # directory's texts to the server.
        uri = os.environ.get("MLFLOW_TRACKING_URI") or f"sqlite:///{work_dir / 'mlflow.db'}"
        return {"tracking_uri": uri, "exp_name": work_dir.name, "artifact_suffix": (), "run_name": run}
    return {}


class Loggers:
    """The loggers of one training, fed until it ends; one that fails is left out from there on.

    Both kinds of values stand over the iterations done: ``train/loss``, ``val/AP``.
    """

    def __init__(self, backends: Mapping[str, BaseVisBackend], log: Any) -> None:
        self.backends, self.log = dict(backends), log

    def add(self, stage: str, values: Mapping[str, Any], iteration: int) -> None:
        """Logs the numbers among some values; ``stage`` is "train" or "val"."""
        numbers = {key: value for key, value in values.items() if isinstance(value, (int, float))}
        row = {f"{stage}/{key}": float(value) for key, value in numbers.items() if key != "iter"}
        for name, backend in list(self.backends.items()):
            own = {"iter": float(iteration), **row} if name == "wandb" else row
            if name == "mlflow":  # which takes no @
                own = {re.sub(r"[^\w./: -]", "_", key): value for key, value in row.items()}
            try:
                backend.add_scalars(own, iteration)
            except Exception as error:  # days of training must not end for a server
                self._leave_out(name, error)

    def close(self) -> None:
        """Ends the loggers' runs; a second time nothing happens."""
        for name, backend in list(self.backends.items()):
            try:
                backend.close()
            except Exception as error:
                self._leave_out(name, error)
        self.backends.clear()

    def _leave_out(self, name: str, error: Exception) -> None:
        del self.backends[name]
        reason = " ".join(str(error).split())
        self.log.warning(f"loggers: '{name}' failed and is left out: {type(error).__name__}: {reason}")
