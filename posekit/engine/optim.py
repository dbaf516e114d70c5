"""What a step is made of: the effective batch, a compiled network, mixed precision, norms of gradients.

mmengine's own wrapper for mixed precision asserts that there is a GPU; this one runs wherever
``torch.autocast`` does.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from logging import Logger
from typing import Any

import torch
from mmengine.optim import OptimWrapper
from torch import Tensor, nn
from torch.utils._pytree import tree_leaves

from posekit.codecs.targets import CONSTANT
from posekit.engine.schedules import map_schedulers
from posekit.errors import ConfigError, is_whole
from posekit.registry import OPTIM_WRAPPERS

_DTYPES = {"bfloat16": torch.bfloat16, "float16": torch.float16}


def check_rates(wrapper: OptimWrapper, source: str | None, logger: Logger) -> None:
    """Looks at the learning rates of an optimiser, which also ``paramwise_cfg`` makes; warns if all are 0.

    Raises:
        ConfigError: Of one that is no finite number, or below 0: the loss would rise, in silence.
    """
    rates = [float(group["lr"]) for group in wrapper.param_groups if "lr" in group]
    wrong = [rate for rate in rates if not (math.isfinite(rate) and rate >= 0)]
    where = f"config {source or '(Python)'}: optim_wrapper"
    if wrong:
        raise ConfigError(
            f"{where}: expected learning rates of finite numbers >= 0, found {wrong[0]:g} (optimizer.lr, "
            "times what paramwise_cfg says)"
        )
    if rates and not any(rates):
        logger.warning(
            f"{where}: every learning rate is 0, so that nothing will be learned; state one above 0: "
            "optim_wrapper.optimizer.lr"
        )


def keep_norms(wrapper: OptimWrapper) -> None:
    """Leaves the norms of clipped gradients on the device, for :func:`take_norm`.

    mmengine's wrapper copies each to the host for the log, and so waits for the device at every step.
    """
    clip = getattr(wrapper, "clip_func", None)
    if clip is None or getattr(clip, "keeps_norms", False):  # it comes again on resuming
        return

    def clip_and_keep(parameters: list[Tensor], **settings: Any) -> None:
        wrapper.norm = clip(parameters, **settings)  # returned, it would be copied

    clip_and_keep.keeps_norms = True  # type: ignore[attr-defined]
    wrapper.clip_func = clip_and_keep


def take_norm(wrapper: Any) -> dict[str, Tensor]:
    """The norm that the last step's gradients had before they were clipped, by its name; or nothing."""
    norm = vars(wrapper).pop("norm", None)
    return {} if norm is None else {wrapper.grad_name: norm}


@OPTIM_WRAPPERS.register_module()
class MixedPrecisionOptimWrapper(OptimWrapper):
    """An optimiser wrapper whose forward runs under ``torch.autocast``; weights stay float32.

    Args:
        dtype: ``"bfloat16"`` or ``"float16"``. Default: bfloat16 on a CPU and on a GPU that has it,
            float16 on older GPUs. float16 scales the loss, so that small gradients do not vanish; torch's
            scaler then looks at every step whether one has become infinite, and the host waits for it.
        init_scale: First factor of the loss scaling.
        **kwargs: As :class:`mmengine.optim.OptimWrapper` takes them.

    Raises:
        ConfigError: On another dtype.
    """

    def __init__(self, dtype: str | None = None, init_scale: float = 65536.0, **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.device_type = self.optimizer.param_groups[0]["params"][0].device.type
        self.dtype = self._choose_dtype(dtype)
        scaling = self.dtype is torch.float16
        # With scaling off every call of the scaler passes straight through.
        self.scaler = torch.amp.GradScaler(self.device_type, init_scale=init_scale, enabled=scaling)

    def _choose_dtype(self, name: str | None) -> torch.dtype:
        if name is None:
            # Not ``torch.cuda.is_bf16_supported()``, which counts GPUs that only emulate it, slowly.
            amd_or_cpu = self.device_type == "cpu" or torch.version.hip is not None
            has_it = amd_or_cpu or torch.cuda.get_device_capability() >= (8, 0)
            return torch.bfloat16 if has_it else torch.float16
        if name not in _DTYPES:
            raise ConfigError(f"optim_wrapper.dtype: expected one of {sorted(_DTYPES)}, found {name!r}")
        return _DTYPES[name]

    @contextmanager
    def optim_context(self, model: nn.Module) -> Iterator[None]:
        with super().optim_context(model), torch.autocast(self.device_type, dtype=self.dtype):
            yield

    def backward(self, loss: Tensor, **kwargs: Any) -> None:
        self.scaler.scale(loss).backward(**kwargs)
        self._inner_count += 1

    def step(self, **kwargs: Any) -> None:
        if self.clip_grad_kwargs:
            self.scaler.unscale_(self.optimizer)
            self._clip_grad()
        self.scaler.step(self.optimizer, **kwargs)
        self.scaler.update()

    def state_dict(self) -> dict[str, Any]:
        return {**super().state_dict(), "loss_scaler": self.scaler.state_dict()}

    def load_state_dict(self, state_dict: dict[str, Any]) -> None:
        state_dict = dict(state_dict)
        scaler = state_dict.pop("loss_scaler", None)
        if scaler and self.scaler.is_enabled():
            self.scaler.load_state_dict(scaler)
        super().load_state_dict(state_dict)


def batch_facts(runner: Any) -> dict[str, Any]:
    """Batch of each process, number of processes, batches accumulated, and their product."""
    per_process = runner.train_dataloader.batch_size or 1
    accumulated = getattr(runner.optim_wrapper, "_accumulative_counts", 1)
    facts = {"batch_size": per_process, "processes": runner.world_size, "accumulated": accumulated}
    return {**facts, "effective_batch": per_process * runner.world_size * accumulated}


def scale_learning_rate(runner: Any, optim_wrapper: Any, setting: Mapping[str, Any] | None) -> str:
    """Multiplies all learning rates by effective batch / base batch, if the config says so.

    Linear scaling: Goyal et al., Accurate, large minibatch SGD, 2017, section 2.1.

    Args:
        runner: With its training loop built. Rates that its schedulers state are multiplied too.
        optim_wrapper: Built; its schedulers are not.
        setting: The config's ``auto_scale_lr``: ``dict(base_batch_size=128, enable=True)``.

    Returns:
        Batch and learning rate in one line.

    Raises:
        ConfigError: If there is no base batch.
    """
    facts = batch_facts(runner)
    batch = facts["effective_batch"]
    words = (
        f"effective batch {batch} = {facts['batch_size']} per process x {facts['processes']} processes "
        f"x {facts['accumulated']} accumulated"
    )
    loader = runner.train_dataloader
    even = getattr(loader.sampler, "round_up", False)
    size = getattr(loader.sampler, "size", len(loader.dataset))
    if even and (repeated := len(loader.sampler) * runner.world_size - size) > 0:
        words += f"; {repeated} sample(s) of each epoch used twice, for equal shares"
    groups = getattr(optim_wrapper, "param_groups", None)
    if not groups:  # several optimisers
        return words
    setting = setting or {}
    base = setting.get("base_batch_size")
    if not setting.get("enable", False):
        hint = f", not scaled; made for batch {base} (--auto-scale-lr)" if base and base != batch else ""
        return f"{words}; learning rate {groups[0]['lr']:g}{hint}"
    if not is_whole(base):
        raise ConfigError(
            f"config {runner.cfg.filename}: auto_scale_lr.base_batch_size: expected the batch that the rate "
            f"was made for, found {base!r}"
        )
    runner.param_schedulers = _scaled(runner.param_schedulers, batch / base)
    before = groups[0]["lr"]
    for group in groups:
        group["lr"] *= batch / base
    return f"{words}; learning rate {before:g} x {batch}/{base} = {groups[0]['lr']:g}"


def _scaled(schedulers: Any, factor: float) -> Any:
    """Schedulers not built yet, with the rates that they state multiplied as well."""

    def scaled(one: Mapping[str, Any], where: str) -> Mapping[str, Any]:
        if "Momentum" in str(one["type"]):
            return one
        return {**one, **{name: one[name] * factor for name in ("eta_max", "eta_min") if one.get(name)}}

    return map_schedulers(schedulers, scaled)


def compile_training(model: nn.Module, setting: Any) -> bool:
    """Compiles what a network does to get its losses; validations and tests run as they are.

    mmengine compiles the whole step, with the optimiser's counters, and so once more whenever one changes.
    torch, where a second size of batch comes, as an epoch's last one often is, compiles anew for any size and
    from then on uses that slower form for all. Here each size has its own, two as a rule. What else changes
    from step to step, such as a gamma on a schedule, is left to torch; an old one, such as 2.4, compiles for
    every value and gives up after eight.

    Args:
        model: The bare network. Its parameters and their names stay.
        setting: The config's ``compile``: True, or the arguments of ``torch.compile``, such as
            ``dict(mode="max-autotune")``; None and False compile nothing. With ``dynamic`` stated, it alone
            says what becomes of sizes.

    Returns:
        Whether there was anything to do.

    Raises:
        ConfigError: If torch refuses the arguments.
    """
    if setting is None or setting is False:
        return False
    plain, arguments = model.forward, {} if setting is True else setting
    for function in CONSTANT:
        torch.compiler.assume_constant_result(function)
    try:
        compiled = torch.compile(plain, **arguments)
    except (RuntimeError, TypeError, ValueError) as error:
        words = str(error).strip().partition("\n")[0]
        raise ConfigError(f"config: compile: torch.compile refuses it: {words}") from error

    def forward(*fields: Any, mode: str = "tensor") -> Any:
        if mode != "loss":
            return plain(*fields, mode=mode)
        for field in tree_leaves(fields) if arguments.get("dynamic") is None else ():
            if isinstance(field, Tensor):
                torch._dynamo.mark_static(field)
        return compiled(*fields, mode=mode)

    model.forward = forward
    return True
