"""Draws what a person wears: colours, garment lengths, hair.

Colours are float RGB in 0..255. A garment's colour is drawn once per person and both its sides wear it;
now and then one side, either with the same chance, wears another. Tops and bottoms, sleeves and trouser
legs draw lengths and colours from the same distributions, so that a limb's colour tells neither its side
nor its joint.
"""

from __future__ import annotations

import colorsys
from dataclasses import dataclass

import numpy as np

_SKIN = np.array(
    [[255, 224, 196], [241, 194, 150], [224, 172, 125], [190, 130, 88], [141, 90, 58], [92, 58, 40]],
    dtype=float,
)
_HAIR = np.array(
    [[25, 20, 18], [60, 38, 24], [105, 68, 38], [190, 150, 90], [150, 72, 35], [165, 165, 165]], dtype=float
)
FRONT_DETAILS = ("v_neck", "zip", "buttons", "tie", "open_jacket")


@dataclass(frozen=True, eq=False)
class Look:
    """What a person wears.

    Attributes:
        skin, hair, shoes: RGB.
        top, bottom: RGB of the trunk's halves.
        sleeves, legs: (2, 3) RGB per side, left first.
        gloves: RGB of the hands; mostly the skin's.
        sleeve_length, leg_length: 0 none, 1 to the elbow or knee, 2 to the wrist or ankle.
        loose: Width of the garments, 1 = tight.
        front: One of ``FRONT_DETAILS``: every chest tells front from back.
        accent: RGB of the front detail and of stripes.
        stripes: Number of stripes across the top, 0 = plain.
        long_hair: Share of the trunk's length that the hair hangs down, 0 = short.
        hat, backpack: RGB, or None.
        beard, glasses: Whether worn.
    """

    skin: np.ndarray
    hair: np.ndarray
    shoes: np.ndarray
    top: np.ndarray
    bottom: np.ndarray
    sleeves: np.ndarray
    legs: np.ndarray
    gloves: np.ndarray
    sleeve_length: float
    leg_length: float
    loose: float
    front: str
    accent: np.ndarray
    stripes: int
    long_hair: float
    hat: np.ndarray | None
    backpack: np.ndarray | None
    beard: bool
    glasses: bool


def cloth_colour(rng: np.random.Generator) -> np.ndarray:
    """A random garment colour, RGB in 0..255; greys and saturated colours alike."""
    hue, saturation, value = rng.random(), rng.uniform(0.0, 0.85), rng.uniform(0.22, 0.97)
    return 255 * np.array(colorsys.hsv_to_rgb(hue, saturation, value))


def _blend(palette: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A colour between two neighbours of the palette, a little lighter or darker."""
    place = rng.uniform(0, len(palette) - 1)
    low = min(int(place), len(palette) - 2)
    colour = palette[low] + (place - low) * (palette[low + 1] - palette[low])
    return np.clip(colour * rng.uniform(0.92, 1.06) + rng.normal(0, 4, 3), 0, 255)


def skin_colour(rng: np.random.Generator) -> np.ndarray:
    """A random skin tone, RGB in 0..255."""
    return _blend(_SKIN, rng)


def _garment_length(rng: np.random.Generator) -> float:
    """Covered part of a limb: none, short, half, long."""
    kind = rng.random()
    if kind < 0.12:
        return 0.12
    if kind < 0.45:
        return float(rng.uniform(0.4, 0.85))
    return float(rng.uniform(1.2, 1.6)) if kind < 0.55 else 2.0


def _both_sides(colour: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    sides = np.stack([colour, colour])
    if rng.random() < 0.12:
        sides[rng.integers(2)] = cloth_colour(rng)
    return sides


def sample_look(rng: np.random.Generator) -> Look:
    """Draws clothes, skin and hair of one person."""
    skin, top, bottom = skin_colour(rng), cloth_colour(rng), cloth_colour(rng)
    hair = (
        cloth_colour(rng) if rng.random() < 0.06 else _HAIR[rng.integers(len(_HAIR))] * rng.uniform(0.8, 1.15)
    )
    if np.abs(hair - skin).mean() < 45:  # a face must stand out from the hair around it
        hair = _HAIR[0] if skin.mean() > 110 else _HAIR[3]
    return Look(
        skin=skin,
        hair=np.clip(hair, 0, 255),
        shoes=cloth_colour(rng),
        top=top,
        bottom=bottom,
        sleeves=_both_sides(top, rng),
        legs=_both_sides(bottom, rng),
        gloves=cloth_colour(rng) if rng.random() < 0.1 else skin,
        sleeve_length=_garment_length(rng),
        leg_length=_garment_length(rng),
        loose=float(rng.uniform(1.0, 1.25)),
        front=str(rng.choice(FRONT_DETAILS)),
        accent=cloth_colour(rng),
        stripes=int(rng.integers(3, 7)) if rng.random() < 0.3 else 0,
        long_hair=float(rng.uniform(0.25, 0.7)) if rng.random() < 0.45 else 0.0,
        hat=cloth_colour(rng) if rng.random() < 0.15 else None,
        backpack=cloth_colour(rng) if rng.random() < 0.25 else None,
        beard=bool(rng.random() < 0.15),
        glasses=bool(rng.random() < 0.15),
    )
