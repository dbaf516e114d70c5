"""One network in many processes: wrapped for the exchange of gradients, its batch norm as configured."""

from __future__ import annotations

import warnings
from collections.abc import Mapping
from typing import Any

import torch
import torch.distributed as dist
from mmengine.hooks import Hook
from mmengine.model import MMDistributedDataParallel
from torch import Tensor, nn
from torch.nn.modules.batchnorm import _BatchNorm
from torch.nn.parallel import DistributedDataParallel

from posekit.engine.hooks.ema import EMAHook
from posekit.errors import ConfigError
from posekit.registry import HOOKS


def wrap_distributed(
    model: nn.Module, wrapper: Mapping[str, Any] | None, sync_bn: Any, find_unused_parameters: bool = False
) -> nn.Module:
    """Wraps a network whose gradients are averaged over the processes of the group.

    Args:
        model: On its device.
        wrapper: The config's ``model_wrapper_cfg``; e.g. ``dict(broadcast_buffers=True)`` has every forward
            begin with process 0's batch norm statistics. Default: mmengine's wrapper without that.
        sync_bn: The config's: ``"torch"`` or True computes batch norm over all processes' samples; None or
            False over each one's.
        find_unused_parameters: The config's; for networks of which a step uses a part only.

    Raises:
        ConfigError: On an unknown ``sync_bn``, a batch norm that has no such form, or arguments that the
            wrapper does not take.
    """
    if sync_bn not in (None, False, True, "torch"):
        raise ConfigError(f"sync_bn: expected 'torch' or None, found {sync_bn!r}")
    if sync_bn:
        model = to_sync_batch_norm(model, on_gpu=any(weight.is_cuda for weight in model.parameters()))
    settings = {"type": MMDistributedDataParallel, **(wrapper or {})}
    kind = settings.pop("type")
    if isinstance(kind, type) and issubclass(kind, DistributedDataParallel):
        # No ``device_ids``: the wrapper would move whole batches, of which the network moves what it needs.
        settings.setdefault("broadcast_buffers", False)
        settings.setdefault("find_unused_parameters", find_unused_parameters)
    try:
        with warnings.catch_warnings():
            # torch 2.15 advises another name, which older ones do not know.
            warnings.filterwarnings("ignore", message="`broadcast_buffers` is deprecated")
            return kind(module=model, **settings)
    except TypeError as error:
        raise ConfigError(f"model_wrapper_cfg: {error}") from error


class _Sum(torch.autograd.Function):
    """The sum over the processes; a gradient goes back to each of them."""

    @staticmethod
    def forward(ctx: Any, values: Tensor) -> Tensor:
        total = values.clone()
        dist.all_reduce(total)
        return total

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> Tensor:
        return _Sum.apply(gradients[0])


class CPUSyncBatchNorm(_BatchNorm):
    """``torch.nn.SyncBatchNorm`` for CPUs, which torch's refuses: statistics of all processes' samples."""

    def _check_input_dim(self, input: Tensor) -> None:
        if input.dim() < 2:
            raise ValueError(f"expected at least two dimensions, found {input.dim()}")

    def forward(self, input: Tensor) -> Tensor:
        """Normalises (B, C, ...); in training by mean and variance over all processes."""
        if not self.training or not dist.is_initialized():
            return super().forward(input)
        self._check_input_dim(input)
        values = input.float()
        axes = [axis for axis in range(values.dim()) if axis != 1]
        shape = [1, -1] + [1] * (values.dim() - 2)
        count = values.new_tensor(values.numel() // values.shape[1])
        dist.all_reduce(count)
        mean = _Sum.apply(values.sum(axes)) / count
        centred = values - mean.view(shape)
        variance = _Sum.apply(centred.square().sum(axes)) / count  # two passes: exact for large means
        self._track(mean.detach(), variance.detach() * (count / (count - 1)))
        normal = centred * (variance + self.eps).rsqrt().view(shape)
        if self.affine:
            normal = normal * self.weight.view(shape) + self.bias.view(shape)
        return normal.to(input.dtype)

    @torch.no_grad()
    def _track(self, mean: Tensor, variance: Tensor) -> None:
        if self.running_mean is None or self.running_var is None or self.num_batches_tracked is None:
            return
        self.num_batches_tracked.add_(1)
        share = 1 / float(self.num_batches_tracked) if self.momentum is None else self.momentum
        self.running_mean.lerp_(mean, share)
        self.running_var.lerp_(variance, share)


class _Activated(_BatchNorm):
    """What timm's ``BatchNormAct2d`` does after its batch norm: drops and activates."""

    drop: nn.Module
    act: nn.Module

    def forward(self, input: Tensor) -> Tensor:
        return self.act(self.drop(super().forward(input)))


class SyncBatchNormAct(_Activated, nn.SyncBatchNorm):
    """timm's ``BatchNormAct2d`` over all processes."""


class CPUSyncBatchNormAct(_Activated, CPUSyncBatchNorm):
    """The same for CPUs."""


_PLAIN = (nn.BatchNorm1d, nn.BatchNorm2d, nn.BatchNorm3d)
_SYNCED = (nn.SyncBatchNorm, CPUSyncBatchNorm)


def to_sync_batch_norm(module: nn.Module, on_gpu: bool = False) -> nn.Module:
    """Puts a batch norm over all processes in the place of every one; parameters and names stay.

    torch's own conversion forgets what a subclass does beside: the activations of timm's networks.

    Returns:
        The module, or its stand-in if it is a batch norm itself.

    Raises:
        ConfigError: If a batch norm is of a kind that is not known here.
    """
    for name, child in module.named_children():
        setattr(module, name, to_sync_batch_norm(child, on_gpu))
    if not isinstance(module, _BatchNorm) or isinstance(module, _SYNCED):
        return module
    activated = all(isinstance(getattr(module, part, None), nn.Module) for part in ("act", "drop"))
    if type(module) not in _PLAIN and not activated:
        name = type(module).__name__
        raise ConfigError(f"sync_bn: {name} has no form over all processes; expected BatchNorm2d")
    plain = nn.SyncBatchNorm if on_gpu else CPUSyncBatchNorm
    kind = (SyncBatchNormAct if on_gpu else CPUSyncBatchNormAct) if activated else plain
    other = kind(module.num_features, module.eps, module.momentum, module.affine, module.track_running_stats)
    other._parameters, other._buffers, other._modules = module._parameters, module._buffers, module._modules
    return other.train(module.training)


@HOOKS.register_module()
class BatchNormHook(Hook):
    """Gives all processes the mean of their batch norm statistics, before an epoch is validated or saved.

    Plain batch norm counts each process's own samples; without this the processes would validate, and process
    0 would save, networks that differ. The statistics of averaged weights are treated alike.
    """

    priority = "VERY_HIGH"

    @torch.no_grad()
    def after_train_epoch(self, runner: Any) -> None:
        averages = [hook.average for hook in runner.hooks if isinstance(hook, EMAHook)]
        for name, part in runner.bare_model.named_modules():
            if isinstance(part, _BatchNorm) and not isinstance(part, _SYNCED):
                for kind in ("running_mean", "running_var"):
                    full = f"{name}.{kind}".removeprefix(".")
                    for statistic in (getattr(part, kind), *(average.get(full) for average in averages)):
                        if statistic is not None:
                            dist.all_reduce(statistic)
                            statistic /= dist.get_world_size()
