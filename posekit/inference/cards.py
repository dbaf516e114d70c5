"""What configs and cards say of a first stage: which network, and how its points place the second's crops."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

from posekit.errors import CheckpointError, ConfigError, shown
from posekit.inference.crops import cropped_dataset
from posekit.transforms import Line, Shape, Upright

FIRST_STAGE = "first_stage"
_TURNS = {kind.__name__: kind for kind in (Line, Shape)}


class FirstOfCard(NamedTuple):
    """The first stage that a card names: its weights, beside the card's own, and what is corrected by it."""

    weights: Path
    upright: Upright


def stages_of_config(cfg: Mapping[str, Any], source: str) -> tuple[Any, Upright | None]:
    """The first stage that a config tests with and what it corrects, both built; None twice for one stage.

    Raises:
        ConfigError: If crops are corrected by what a predictor does not have.
    """
    dataset = cropped_dataset(cfg, source)
    stated, stage = dataset.get("upright"), dataset.get(FIRST_STAGE)
    if stated is None:
        return None, None
    stage = _built(stage) if isinstance(stage, Mapping) else stage
    if not hasattr(stage, "load"):
        by = "labelled keypoints" if stage is None else type(stage).__name__
        raise ConfigError(
            f"config {source}: the crops of its test are corrected by {by}, which only a data set has; state "
            "test_dataloader.dataset.first_stage=dict(type=FirstStage, model=..., checkpoint=...)"
        )
    return stage, stated if isinstance(stated, Upright) else _built({"type": Upright, **stated})


def _built(stated: Mapping[str, Any]) -> Any:
    """An object of its settings."""
    settings = dict(stated)
    kind = settings.pop("type", None)
    try:
        return kind(**settings)  # type: ignore[misc]
    except TypeError as error:
        raise ConfigError(f"{getattr(kind, '__name__', kind)}: {error}") from error


def first_to_card(weights: Path, upright: Upright) -> dict[str, Any]:
    """A first stage as a card holds it: json."""
    turn: dict[str, Any] | None = None
    if isinstance(upright.turn, Line):
        line = upright.turn
        turn = {"type": "Line", "start": [*line.start], "end": [*line.end], "degrees": line.degrees}
    elif isinstance(upright.turn, Shape):
        turn = {"type": "Shape", "points": {name: [*xy] for name, xy in upright.turn.points.items()}}
    elif upright.turn is not None:
        raise ConfigError(f"a card holds Line and Shape, found {type(upright.turn).__name__}")
    names = None if upright.keypoints is None else [*upright.keypoints]
    numbers = {"box": upright.box, "margin": upright.margin, "min_score": upright.min_score}
    return {"weights": weights.name, "upright": {"turn": turn, "keypoints": names, **numbers}}


def first_of_card(card: Mapping[str, Any], path: Path) -> FirstOfCard | None:
    """The first stage that a card names, if any; the card may come from a stranger.

    Args:
        card: The card's content.
        path: The weights that it belongs to.

    Raises:
        CheckpointError: If it names another file than one beside its own, that is not there, or it states no
            such correction.
    """
    stated = card.get(FIRST_STAGE)
    if stated is None:
        return None
    where = f"{path.with_suffix('.json')}: '{FIRST_STAGE}'"
    name = stated.get("weights") if isinstance(stated, Mapping) else None
    if not isinstance(name, str) or Path(name).name != name or name == path.name or "\\" in name:
        raise CheckpointError(
            f"{where}: expected in 'weights' the name of another file beside it, found {shown(name)}"
        )
    beside = path.with_name(name)
    if not (beside.is_file() and beside.with_suffix(".json").is_file()):
        raise CheckpointError(
            f"{where}: expected {beside} and its card, which belong to it; give away all "
            "files of both stages together"
        )
    settings = stated.get("upright")
    if not isinstance(settings, Mapping):
        raise CheckpointError(f"{where}: expected the settings of 'upright', found {shown(settings)}")
    turn = settings.get("turn")
    try:
        if turn is not None:
            turn = dict(turn)
            kind = _TURNS[turn.pop("type")]
            if isinstance(turn.get("points"), str):
                raise ConfigError("a card's shape is no file")
            turn = kind(**turn)
        return FirstOfCard(beside, Upright(**{**settings, "turn": turn}))
    except (KeyError, TypeError, ValueError) as error:  # a ConfigError among them
        raise CheckpointError(f"{where}: 'upright': {type(error).__name__}: {error}") from error
