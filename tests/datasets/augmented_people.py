"""A few people whose crops are augmented, and what can be told of their draws."""

from __future__ import annotations

import numpy as np
import toy_people
from torch.utils.data import DataLoader, default_collate

from posekit.datasets import TopDownDataset, load_coco
from posekit.transforms import Augment, Crop


def write(folder, people=3, name="people.json", first_id=201, size_hw=(16, 12)):
    """Writes a COCO file with so many people; returns the settings of a data set of them."""
    content = toy_people.coco()
    person = content["annotations"][1]
    content["annotations"] = [{**person, "id": first_id + i} for i in range(people)]
    path = toy_people.write_coco(folder, content, name)
    source = {
        "type": load_coco, "ann_file": str(path), "image_dir": str(folder / "images"),
        "skeleton": toy_people.SKELETON,
    }  # fmt: skip
    return {
        "type": TopDownDataset,
        "source": source,
        "crop": {"type": Crop, "input_size_hw": size_hw},
        "augment": {"type": Augment},
    }


def make(folder, people=3, first_id=201, **settings):
    """The data set itself."""
    stated = write(folder, people, first_id=first_id)
    return stated.pop("type")(**stated, **settings)


def warp_of(dataset, row, *entropy):
    """The warp of a row drawn by ``default_rng(entropy)``, as bytes."""
    rng = np.random.default_rng(entropy)
    placement = dataset.augment.draw(rng, dataset.table[row], dataset.table.skeleton, dataset.crop)
    return dataset.crop.warp(placement).tobytes()


def crops(batches):
    """(person id, warp) of every sample of some batches."""
    return [
        (int(person), warp.numpy().tobytes())
        for batch in batches
        for person, warp in zip(batch.person_id, batch.warp, strict=True)
    ]


def crops_by_epoch(dataset, epochs, set_epoch=lambda epoch: None, **settings):
    """The crops of each epoch of a loader."""
    loader = DataLoader(dataset, 2, collate_fn=default_collate, **settings)
    found = []
    for epoch in range(epochs):
        set_epoch(epoch)
        found.append(crops(loader))
    return found
