"""Words for results that are of other categories than the people they are scored against."""

from __future__ import annotations

import numpy as np

from posekit.errors import shown
from posekit.metrics.ground_truth import CocoPeople


def category_notes(people: CocoPeople, named: np.ndarray, of: str = "the results") -> list[str]:
    """What is to be said of categories with people to find that no result names; nothing without results.

    Args:
        people: The ground truth.
        named: int (D,), the categories that the results name, those that are not scored included.
        of: Who names them, for messages.
    """
    truth = people.truth
    category, counts = np.unique(truth.category[~truth.ignore], return_counts=True)
    ids = truth.category_ids[category]
    lost = ~np.isin(ids, named)
    if not len(named) or not lost.any():
        return []
    names = np.array(people.category_names or truth.category_ids.astype(str))[category]
    missed = zip(ids[lost], names[lost], counts[lost], strict=True)
    told = [f"{i} '{name:.40}' ({n} people)" for i, name, n in missed]
    there = sorted({int(i) for i in named})
    alone = f"category {there[0]} alone" if len(there) == 1 else f"the categories {shown(there)}"
    words = (
        f"{of} name {alone}; {people.file} has people of others, who count as missed: "
        f"{', '.join(told[:5])}{', ...' * (len(told) > 5)}. If they were looked for, write their category_id "
        "into the results"
    )
    if not lost.all():
        scored = " ".join(str(i) for i in ids[~lost][:5])
        words += f"; to score the others alone: --category {scored}, category= of OKSMetric"
    return [words]


def categories_in_words(people: CocoPeople) -> str:
    """The categories that are scored, for messages: ids and names."""
    names = people.category_names or tuple(map(str, people.truth.category_ids.tolist()))
    listed = [f"{i} '{name:.40}'" for i, name in zip(people.truth.category_ids, names, strict=True)]
    return ", ".join(listed[:5]) + ", ..." * (len(listed) > 5)
