"""Models in a file: weights in half precision (``NAME.safetensors``) and a card beside them (``NAME.json``).

The card says how to build the network (``model``, types by name), how a box becomes its input (``crop``), and
for people what it was trained on, how well it does and where it fails. Nothing else is needed to use it: no
config file, no network. Those in ``posekit/weights`` come with the package.

A card may come from a stranger: it names posekit's own parts alone, so that building it calls nothing else,
and its network is built without memory first and must not have more numbers than the weights have bytes.
"""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from torch import nn

from posekit.errors import CheckpointError, ConfigError, shown
from posekit.io.bundled import DEFAULT_MODEL, WEIGHTS
from posekit.io.checkpoint import read_checkpoint
from posekit.io.files import atomic_file, read_json, write_json
from posekit.models.estimator import PoseEstimator
from posekit.models.mobile import without_timm
from posekit.models.pretrained import starting_later
from posekit.models.without_memory import without_memory
from posekit.registry import MODELS
from posekit.structures import Skeleton
from posekit.transforms import Crop

# Of a card: deeper, longer or larger is no network.
_MAX_DEPTH, _MAX_LIST, _MAX_NUMBER, _MAX_WEIGHTS = 12, 1000, 100_000, 50_000
# What would read other files, or fetch some.
_NOT_ON_CARDS = (
    "pretrained",
    "init_cfg",
    "checkpoint_path",
    "pretrained_cfg",
    "pretrained_cfg_overlay",
    "cache_dir",
)
NO_MODEL = (
    "this installation of posekit comes without a model: state one, e.g. "
    "Predictor(model='hrnet_w32_coco_256x192_udp_mmpose') for the zoo (python tools/test.py --list-zoo), or "
    "Predictor(model='CONFIG.py', checkpoint='CHECKPOINT.pth') for your own"
)


def bundled_models() -> dict[str, Path]:
    """Name -> weights of the models that come with the package, the one used by default first."""
    found = sorted(WEIGHTS.glob("*.safetensors"), key=lambda path: (path.stem != DEFAULT_MODEL, path.stem))
    return {path.stem: path for path in found if path.with_suffix(".json").is_file()}


def read_bundle(path: str | Path) -> tuple[PoseEstimator, Crop, dict[str, Any]]:
    """Builds the network of a bundle, with its weights.

    Args:
        path: The weights; the card lies beside them.

    Returns:
        The network on the CPU, in evaluation mode and full precision; its crop; the card. Trunks that
        posekit has itself are built without timm (:mod:`posekit.models.mobile`), and are the same.

    Raises:
        DataError: If the card is missing or no json.
        CheckpointError: If the card does not describe a network, or the weights do not fit it.
    """
    from posekit.models.released import load_into

    card_path = Path(path).with_suffix(".json")
    card = read_json(card_path)
    where = f"{card_path}: the card must say how to build the network in 'model' and 'crop'"
    if not isinstance(card, dict) or not all(isinstance(card.get(k), Mapping) for k in ("model", "crop")):
        raise CheckpointError(f"{where}: found {shown(card)}")
    try:
        check_card(card["model"])
        with without_timm():
            with _at_most(Path(path).stat().st_size), without_memory():
                build_estimator(card["model"])
            estimator, crop = build_estimator(card["model"]), Crop(**card["crop"])
    except OSError as error:
        raise CheckpointError(f"checkpoint {path}: cannot be read: {error.strerror or error}") from error
    except Exception as error:  # constructors meet values of any kind; each means the same here
        raise CheckpointError(f"{where}: {type(error).__name__}: {str(error) or error!r:.400}") from error
    load_into(estimator, path)
    return estimator.eval(), crop, card


def check_card(spec: Any, where: str = "model", depth: int = 0) -> None:
    """Looks through a card's ``model`` before anything is built of it.

    Raises:
        ConfigError: On a ``type`` that is not the bare name of one of posekit's own parts, weights to start
            from, or numbers that no network has.
    """
    if depth > _MAX_DEPTH:
        raise ConfigError(f"{where}: nested more than {_MAX_DEPTH} deep")
    if isinstance(spec, Mapping):
        for key, value in spec.items():
            place = f"{where}.{key:.40}"
            if key == "type" and not _is_own_part(value):
                raise ConfigError(
                    f"{place}: expected the name of one of posekit's parts, found {shown(value)}"
                )
            if key in _NOT_ON_CARDS and value not in (None, False):
                raise ConfigError(f"{place}: not allowed on a card, found {shown(value)}")
            check_card(value, place, depth + 1)
    elif isinstance(spec, list):
        if len(spec) > _MAX_LIST:
            raise ConfigError(f"{where}: expected at most {_MAX_LIST} entries, found {len(spec)}")
        for number, value in enumerate(spec):
            check_card(value, f"{where}.{number}", depth + 1)
    elif isinstance(spec, (int, float)) and not abs(spec) <= _MAX_NUMBER:
        raise ConfigError(f"{where}: expected a number of at most {_MAX_NUMBER}, found {shown(spec)}")


def _is_own_part(name: Any) -> bool:
    MODELS.import_from_location()
    return (
        isinstance(name, str) and name in MODELS.module_dict
    )  # and not what mmengine would import by a path


@contextmanager
def _at_most(numbers: int) -> Iterator[None]:
    """Stops a network under construction that has more numbers than that, or is of absurdly many parts."""
    total = weights = 0
    own = threading.get_ident()  # torch calls the hook for every network of the process

    def count(module: nn.Module, name: str, weight: Any) -> None:
        nonlocal total, weights
        if threading.get_ident() != own:
            return
        total, weights = total + (0 if weight is None else weight.numel()), weights + 1
        if total > 2 * numbers or weights > _MAX_WEIGHTS:
            raise ConfigError(f"model: has more weights than its file of {numbers:,} bytes can hold")

    hook = nn.modules.module.register_module_parameter_registration_hook(count)
    try:
        yield
    finally:
        hook.remove()


def write_bundle(
    path: str | Path, cfg: Mapping[str, Any], checkpoint: str | Path, **facts: Any
) -> PoseEstimator:
    """Makes a bundle of a config and a checkpoint that was trained with it.

    Of a config that tests in two stages the first network becomes a bundle of its own beside it,
    ``NAME_first.safetensors``, which the card names; give both away together.

    Args:
        path: ``NAME.safetensors``; the card goes beside it.
        cfg: As from :func:`posekit.engine.configs.config.load_config`.
        checkpoint: Of any known form.
        facts: What the card says beside ``name``, ``model`` and ``crop``: data, terms, scores, limits ...

    Returns:
        The network as it will be read back, so that its score can be compared with the checkpoint's.

    Raises:
        CheckpointError: If the checkpoint does not fit the config.
        ConfigError: If the path has another suffix or the config no crop, or its first stage is neither a
            config with a checkpoint nor a bundle.
    """
    from safetensors.torch import save

    from posekit.inference.cards import FIRST_STAGE, first_to_card, stages_of_config
    from posekit.inference.crops import crop_of_config
    from posekit.models.distilled import TRAINING_ALONE, DistilledEstimator
    from posekit.models.released import load_checkpoint_into

    path = Path(path)
    if path.suffix != ".safetensors":
        raise ConfigError(f"{path}: expected the suffix '.safetensors'")
    model, crop = plain_config(cfg["model"]), crop_of_config(cfg, str(path))
    model["backbone"].pop("pretrained", None)
    model.pop("frozen", None)  # of the training it comes from; whoever goes on from it decides anew
    if model.get("type") == DistilledEstimator.__name__:
        model = {name: part for name, part in model.items() if name not in TRAINING_ALONE}
        model["type"] = PoseEstimator.__name__
    estimator = build_estimator(model)
    load_checkpoint_into(estimator, read_checkpoint(checkpoint), checkpoint)
    weights = {name: _half(tensor) for name, tensor in estimator.state_dict().items()}
    fields = ("input_size_hw", "aspect", "padding", "convention")
    card = {
        "name": path.stem,
        **facts,
        "model": model,
        "crop": {name: getattr(crop, name) for name in fields},
    }
    stage, upright = stages_of_config(cfg, str(path))
    if stage is not None and upright is not None:
        beside = path.with_name(f"{path.stem}_first.safetensors")
        card[FIRST_STAGE] = first_to_card(beside, upright)
        _write_first(beside, stage.model, stage.checkpoint)
    with atomic_file(path) as file:
        file.write(save(weights))
    write_json(path.with_suffix(".json"), json.loads(json.dumps(card)))
    return read_bundle(path)[0]


def _write_first(path: Path, model: Any, checkpoint: Any) -> None:
    """Puts the network of a first stage into a bundle."""
    from posekit.engine.configs.config import load_config

    if checkpoint is not None and model is not None and Path(model).suffix == ".py":
        write_bundle(path, load_config(model), checkpoint)
        return
    source = bundled_models().get(str(model)) if checkpoint is None else Path(checkpoint)
    if (model is not None and checkpoint is not None) or source is None:
        raise ConfigError(
            f"{path}: a first stage becomes a bundle if it is a config with a checkpoint, or a bundle; found "
            f"model={shown(model)}, checkpoint={shown(checkpoint)}"
        )
    read_bundle(source)  # what is no bundle is an error here
    for suffix in (".safetensors", ".json"):
        with atomic_file(path.with_suffix(suffix)) as file:
            file.write(source.with_suffix(suffix).read_bytes())


def build_estimator(model: Mapping[str, Any]) -> PoseEstimator:
    """A network from its config, never fetching the weights its backbone once started from.

    Raises:
        ConfigError: If the config does not describe a ``PoseEstimator``.
    """
    spec = dict(model)
    if isinstance(spec.get("backbone"), Mapping):
        spec["backbone"] = {key: value for key, value in spec["backbone"].items() if key != "pretrained"}
    with starting_later():
        built = MODELS.build({"type": PoseEstimator, **spec})
    if not isinstance(built, PoseEstimator):
        raise ConfigError(f"model: expected a PoseEstimator, found {type(built).__name__}")
    return built


def plain_config(value: Any) -> Any:
    """A config as JSON can hold it: classes by their names, tuples as lists."""
    if isinstance(value, Mapping):
        return {key: plain_config(item) for key, item in value.items()}
    if isinstance(value, (list, tuple)):
        return [plain_config(item) for item in value]
    if isinstance(value, Skeleton):
        return value.to_dict()
    return value.__name__ if isinstance(value, type) else value


def _half(tensor: torch.Tensor) -> torch.Tensor:
    return (tensor.half() if tensor.is_floating_point() else tensor).contiguous()
