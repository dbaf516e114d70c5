"""The study of losses at the price of seconds: a network's early stages as published, computed once.

Of a network of timm that has ``blocks`` (MobileNet, EfficientNet) the last ones and the head learn, on maps
that the others give of every picture and of its mirror image; there are no other random changes. Cells have
the files of :mod:`posekit.recognition.study`. One that is killed begins anew, and ends the same.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor, nn

from posekit.errors import ConfigError
from posekit.io.files import atomic_file, write_json
from posekit.recognition.files import write_embeddings
from posekit.recognition.sampling import IdentitySampler
from posekit.recognition.study import CELL, PAIRED, SEEN, UNSEEN, finished, kept_rows, settings_of
from posekit.structures import blank_sample

MAPS = "maps"


@dataclass(frozen=True, eq=False)
class Maps:
    """What the early stages give of a data set's pictures.

    Attributes:
        images: Their N names.
        labels: int64 (N,), class numbers; zeros where there are no identities.
        maps: float32 (N, C, h, w).
        mirrored: float32 likewise, of the mirror images; empty where nothing is learnt from.
    """

    images: list[str]
    labels: Tensor
    maps: Tensor
    mirrored: Tensor


class FrozenStudy:
    """Cells of one config, one after another.

    Args:
        cfg: As :func:`~posekit.engine.configs.config.load_config` gives it, prepared: types are classes.
        out: The study's folder; the maps are kept in its ``maps``.
        pictures: The source of the pictures that pairs are of.
        learning: How many of the network's last blocks learn; 0: the head alone.

    Raises:
        ConfigError: If the network has no such blocks.
    """

    def __init__(self, cfg: Any, out: Path, pictures: Mapping[str, Any], learning: int = 1) -> None:
        self.cfg, self.out, self.learning = cfg, out, learning
        test = dict(cfg.test_dataloader["dataset"])
        train = {**test, "source": cfg.train_dataloader["dataset"]["source"]}
        self._settings = {SEEN: train, UNSEEN: test, PAIRED: {**test, "source": dict(pictures)}}
        self._sets: dict[str, Maps] = {}

    def run(self, folder: Path, head: Mapping[str, Any], seed: int) -> None:
        """Trains a cell and writes its files; a finished one is left as it is.

        Raises:
            DataError: If the folder holds another loss's cell.
        """
        stated = {**settings_of(head), "learning": self.learning}
        if finished(folder, stated):
            return
        torch.manual_seed(seed)
        model = self._model(head)
        trunk, tail = self._split(model)
        for name in self._settings:
            if name not in self._sets:
                self._sets[name] = self._maps(name, model, trunk)
        batch, epochs = int(self.cfg.train_dataloader["batch_size"]), int(self.cfg.train_cfg["max_epochs"])
        _train(tail, model.head, self._sets[SEEN], batch, epochs, self.cfg, seed)
        folder.mkdir(parents=True, exist_ok=True)
        model.head.normalise = False
        for name, maps in self._sets.items():
            rows = kept_rows(name, len(maps.images))
            found = _embed(tail, model.head, maps.maps[torch.from_numpy(rows)])
            write_embeddings(folder / name, [maps.images[row] for row in rows], found)
        write_json(folder / CELL, {"head": stated, "seed": seed, "epochs": epochs})

    def _model(self, head: Mapping[str, Any]) -> Any:
        from posekit.registry import MODELS

        settings = dict(self.cfg.model)
        settings["head"] = {**settings["head"], "weights": None, **head}
        return MODELS.build({**settings, "skeleton": self.cfg.skeleton, "frozen": ()})

    def _split(self, model: Any) -> tuple[nn.Module, nn.Module]:
        network: Any = getattr(model.backbone, "backbone", None)
        blocks = getattr(network, "blocks", None)
        if blocks is None or not 0 <= self.learning < len(blocks):
            raise ConfigError(
                f"--frozen: expected a number of last blocks to learn, of a network that has more, found "
                f"{self.learning} of {0 if blocks is None else len(blocks)} in {type(network).__name__}"
            )
        kept = len(blocks) - self.learning
        trunk = nn.Sequential(network.conv_stem, network.bn1, *blocks[:kept])
        return trunk.eval(), nn.Sequential(*blocks[kept:])

    @torch.inference_mode()
    def _maps(self, name: str, model: Any, trunk: nn.Module) -> Maps:
        from posekit.registry import DATASETS

        dataset = DATASETS.build({"skeleton": self.cfg.skeleton, **self._settings[name]})
        table = dataset.table
        images = [table.image_name(int(number)) for number in table.image_index]
        labels = torch.from_numpy(np.asarray(table.extra.get("identity", np.zeros(len(images))), np.int64))
        path = self.out / MAPS / f"{Path(name).stem}{self.learning}.npy"
        if path.exists():
            maps = torch.from_numpy(np.load(path, allow_pickle=False))
        else:
            maps = _computed(model, trunk, dataset, mirrored=name == SEEN)
            path.parent.mkdir(parents=True, exist_ok=True)
            with atomic_file(path) as file:
                np.save(file, maps.numpy())
        return Maps(images, labels, maps[: len(images)].clone(), maps[len(images) :].clone())


def _computed(model: Any, trunk: nn.Module, dataset: Any, mirrored: bool) -> Tensor:
    """The maps of N pictures and, if asked, N more of their mirror images."""
    parts: tuple[list[Tensor], list[Tensor]] = ([], [])
    for start in range(0, len(dataset), 64):
        rows = range(start, min(start + 64, len(dataset)))
        image = torch.stack([torch.as_tensor(dataset[row].image) for row in rows])
        for flip in (False, True)[: 1 + mirrored]:
            parts[flip].append(trunk(model.normalise(image.flip(3) if flip else image)).contiguous())
    return torch.cat([*parts[0], *parts[1]])


def _train(
    tail: nn.Module, head: Any, seen: Maps, batch: int, epochs: int, cfg: Any, seed: int
) -> None:  # fmt: skip
    optimizer = dict(cfg.optim_wrapper["optimizer"])
    kind = optimizer.pop("type")
    sampler = dict(cfg.train_dataloader["sampler"], seed=seed)
    sampler.pop("type")
    order = IdentitySampler(seen.labels.numpy(), batch, **sampler)
    steps = len(order) // batch
    modules = nn.ModuleList([tail, head]).train()
    optim = kind(modules.parameters(), **optimizer)
    schedule = torch.optim.lr_scheduler.OneCycleLR(optim, optimizer["lr"], epochs * steps)
    for epoch in range(epochs):
        order.set_epoch(epoch)
        rows = np.array([int(key) for key in order]).reshape(steps, batch)
        flips = np.random.default_rng((seed, epoch, 1)).random(rows.shape) < 0.5
        for chosen, flip in zip(torch.from_numpy(rows), torch.from_numpy(flips), strict=True):
            maps = torch.where(flip[:, None, None, None], seen.mirrored[chosen], seen.maps[chosen])
            sample = blank_sample(torch.zeros(batch, 3, 1, 1, dtype=torch.uint8), 0)
            report = head.loss(head([tail(maps)]), sample._replace(extra={"identity": seen.labels[chosen]}))
            optim.zero_grad()
            report["loss"].backward()
            optim.step()
            schedule.step()


@torch.inference_mode()
def _embed(tail: nn.Module, head: Any, maps: Tensor) -> np.ndarray:
    tail.eval(), head.eval()
    return torch.cat([head([tail(part)])[-1] for part in maps.split(256)]).float().numpy()
