"""What was read of a large COCO file, as arrays that the cache of annotations keeps."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Callable
from typing import Any

import numpy as np

from posekit.datasets.file_cache import through_cache


def through_cache_of(reading: Any, make: Callable[..., Any]) -> Any:
    """The file as it was read at an earlier start, if it was.

    Args:
        reading: What is asked of it, a ``CocoReading``.
        make: Of what is kept, a ``CocoFile``.
    """
    skeleton = reading.skeleton
    settings = [reading.image_dir, skeleton.name, skeleton.keypoints, dict(reading.extra), *reading[5:]]

    def read() -> dict[str, np.ndarray]:
        file = reading.read()
        stated = [file.images[0], list(file.counts.items()), sorted(file.categories), file.has_annotations]
        return {
            "stated": np.frombuffer(json.dumps(stated).encode("ascii"), np.uint8),
            "ids": np.array(file.images[1], np.int64),
            "sizes": np.array(file.images[2], np.int64).reshape(-1, 2),
            **{f"people.{name}": column for name, column in file.people.items()},
        }

    kept = through_cache(reading.path, [reading.on_bad_record, settings], read)
    names, counts, categories, has_annotations = json.loads(kept["stated"].tobytes())
    people = {name[7:]: column for name, column in kept.items() if name.startswith("people.")}
    images = names, kept["ids"].tolist(), list(map(tuple, kept["sizes"].tolist()))
    return make(reading, images, Counter(dict(counts)), frozenset(categories), has_annotations, people)
