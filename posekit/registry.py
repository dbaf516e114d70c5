"""The registries, and nothing else.

Configs name classes by importing them, so a registry is needed only where a class is named by a string:
on the command line (``--cfg-options model.head.loss.type=FocalMSELoss``) and in a config that was dumped.
``build`` accepts both forms.
"""

from __future__ import annotations

from mmengine.registry import DATA_SAMPLERS as _MMENGINE_SAMPLERS
from mmengine.registry import DATASETS as _MMENGINE_DATASETS
from mmengine.registry import HOOKS as _MMENGINE_HOOKS
from mmengine.registry import METRICS as _MMENGINE_METRICS
from mmengine.registry import MODELS as _MMENGINE_MODELS
from mmengine.registry import OPTIM_WRAPPERS as _MMENGINE_OPTIM_WRAPPERS
from mmengine.registry import Registry

# Estimators, backbones, heads, losses and codecs.
MODELS = Registry(
    "posekit model",
    parent=_MMENGINE_MODELS,
    scope="posekit",
    locations=["posekit.models", "posekit.bottomup"],
)
# Data sets, and the functions that read annotation files into tables.
DATASETS = Registry(
    "posekit dataset", parent=_MMENGINE_DATASETS, scope="posekit", locations=["posekit.datasets"]
)
SAMPLERS = Registry(
    "posekit sampler", parent=_MMENGINE_SAMPLERS, scope="posekit", locations=["posekit.datasets"]
)
METRICS = Registry(
    "posekit metric", parent=_MMENGINE_METRICS, scope="posekit", locations=["posekit.metrics.evaluators"]
)
HOOKS = Registry(
    "posekit hook", parent=_MMENGINE_HOOKS, scope="posekit", locations=["posekit.engine.hooks.defaults"]
)
OPTIM_WRAPPERS = Registry(
    "posekit optim wrapper",
    parent=_MMENGINE_OPTIM_WRAPPERS,
    scope="posekit",
    locations=["posekit.engine.optim"],
)
