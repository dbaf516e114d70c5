"""How ripe an auxiliary task is to be stopped, by its training and validation errors alone."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

_ROUNDING = 1e-12


def stopping_measure(train: Sequence[float], validation: float, weight: float, last: int) -> float:
    """How ripe a task is to be stopped, after t epochs.

    [k med / (sum - k med)] x [(validation - least) / (weight least)]: median and sum of the last k training
    errors, least of all t. The first factor is large where the training error hardly falls any more, the
    second where the validation error lies above what training has reached. What the paper leaves open:

    - Where the sum equals k med, as of an error that does not change or falls evenly, the first factor is
      infinite. Where it lies below, so that the error falls ever faster, the measure is negative, as the
      formula stands: the task goes on.
    - Where the validation error is at most the least training error, nothing is to be stopped: 0, not the
      product of two negative factors.
    - Where the least training error is 0, the task being learnt by heart, the measure is infinite.

    Args:
        train: The training errors of epochs 1..t, at least ``last``.
        validation: The validation error after epoch t.
        weight: The task's in the sum of the losses, above 0.
        last: k.

    Raises:
        ValueError: On fewer training errors, or a weight that is not above 0.
    """
    if len(train) < last or last < 1 or not weight > 0:
        raise ValueError(
            f"expected {last} or more training errors and a weight above 0, found {len(train)}, {weight}"
        )
    recent, least = np.asarray(train[-last:], np.float64), min(train)
    middle = last * float(np.median(recent))
    fallen, gap = math.fsum(recent) - middle, validation - least
    if gap <= 0 or least == 0:
        return math.inf if gap > 0 else 0.0
    flat = abs(fallen) <= _ROUNDING * middle
    return (math.inf if flat else middle / fallen) * gap / (weight * least)
