"""The cells of a gamma sweep: their names, their order, their losses, and what is refused."""

from __future__ import annotations

import math

import pytest
from hypothesis import given
from hypothesis import strategies as st

from posekit.errors import ConfigError
from posekit.registry import MODELS
from posekit.study.cells import FORMS, Cell, make_cell, one_run_each, parse_cell, plan_cells


def test_names_say_what_a_cell_is():
    assert make_cell("focal", 1, 1e-3, 0).name == "focal_g1_d0.001_s0"
    assert make_cell("focal-max", 0.5, 0.1, 12).name == "focal-max_g0.5_d0.1_s12"
    assert make_cell("focal", 2, 1e-5, 0).name == "focal_g2_d1e-05_s0"


def test_gamma_0_is_plain_mse_whatever_form_and_delta():
    assert {make_cell(form, 0, delta, 3) for form in FORMS for delta in (0, 0.1)} == {
        Cell("mse", 0.0, None, 3)
    }
    assert make_cell("focal", 0, 0.1, 3).name == "mse_s3"
    assert make_cell("focal", 0, 0.1, 3).loss() == {"type": "MSELoss"}


def test_losses():
    assert make_cell("focal", 1, 0.1, 0).loss() == {
        "type": "FocalMSELoss",
        "gamma": 1.0,
        "delta": 0.1,
        "normalise": False,
    }
    assert make_cell("focal-norm", 1, 0.1, 0).loss("sum_over_batch")["normalise"] is True
    assert make_cell("focal-norm", 1, 0.1, 0).loss("sum_over_batch")["reduction"] == "sum_over_batch"
    assert make_cell("mse", 0, 0, 0).loss("sum_over_batch")["reduction"] == "sum_over_batch"


@pytest.mark.parametrize("form", FORMS)
def test_every_form_can_be_built(form):
    import posekit.models.losses as losses

    loss = MODELS.build(make_cell(form, 2, 0.1, 0).loss())
    assert type(loss) is getattr(losses, FORMS[form].loss)
    assert (loss.gamma, loss.delta, loss.normalise) == (2.0, 0.1, FORMS[form].normalise)


def test_a_fading_form_brings_its_schedule():
    assert make_cell("focal-fade", 2, 0.1, 0).options()["default_hooks.focal_schedule"] == {
        "gamma": [2.0, 0.0]
    }
    assert list(make_cell("focal", 2, 0.1, 0).options()) == ["model.head.loss"]


def test_the_main_comparison_comes_first_seed_by_seed():
    names = [cell.name for cell in plan_cells([0, 0.5, 1], [1e-3, 0.1], ["focal", "focal-max"], [0, 1])]
    assert names[:4] == ["mse_s0", "focal_g1_d0.001_s0", "mse_s1", "focal_g1_d0.001_s1"]
    assert names[4:7] == ["focal_g0.5_d0.001_s0", "focal_g0.5_d0.1_s0", "focal_g1_d0.1_s0"]
    assert len(names) == len(set(names)) == 2 * (1 + 2 * 2 * 2)
    assert [name[-1] for name in names[4:]] == ["0"] * 7 + ["1"] * 7


def test_stated_losses_come_seed_by_seed_after_the_forms_and_are_read_back():
    names = [cell.name for cell in plan_cells([0, 1, 2], [0.1], ["focal"], [0, 1], ["awing", "ohkm-4"])]
    assert names[:4] == ["mse_s0", "focal_g1_d0.1_s0", "mse_s1", "focal_g1_d0.1_s1"]
    assert names[4:] == [
        f"{loss}_s{seed}" for seed in (0, 1) for loss in ("focal_g2_d0.1", "awing", "ohkm-4")
    ]
    cell = parse_cell("ohkm-4:s1")
    assert (cell, cell.setting, cell.stated) == (Cell("ohkm-4", None, None, 1), "ohkm-4", True)
    assert not any(parse_cell(name).stated for name in names[:4])
    assert cell.describe() == {
        **{"name": "ohkm-4_s1", "loss": "ohkm-4", "gamma": None, "delta": None, "normalise": False, "seed": 1}
    }


@given(
    form=st.sampled_from(list(FORMS)),
    gamma=st.integers(1, 4000).map(lambda n: n / 1000),
    delta=st.integers(0, 10**6).map(lambda n: n / 10**6),
    seed=st.integers(0, 2**32 - 1),
)
def test_a_cell_is_read_back_from_its_name(form, gamma, delta, seed):
    cell = make_cell(form, gamma, delta, seed)
    assert parse_cell(cell.name) == cell
    assert parse_cell(cell.name.replace("_", ":")) == cell


@pytest.mark.parametrize(
    ("gamma", "delta", "message"),
    [
        (-1, 0.1, "gamma: expected a finite number >= 0, found -1"),
        (math.nan, 0.1, "gamma: expected a finite number >= 0, found nan"),
        (math.inf, 0.1, "gamma: expected a finite number >= 0, found inf"),
        (1, -0.1, "delta: expected a finite number >= 0, found -0.1"),
        (0, math.nan, "delta: expected a finite number >= 0, found nan"),
        (-0.5, 0, "gamma -0.5 with delta 0: the background would weigh 0^-0.5, which is infinite"),
    ],
)
def test_impossible_weights(gamma, delta, message):
    with pytest.raises(ConfigError) as caught:
        plan_cells([4, gamma], [delta], ["focal"], [0])
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("lists", "message"),
    [
        (([], [1], ["focal"], [0]), "--gammas: expected at least one value"),
        (([1], [], ["focal"], [0]), "--deltas: expected at least one value"),
        (([1], [1], [], [0]), "--forms: expected at least one value"),
        (([1], [1], ["focal"], []), "--seeds: expected at least one value"),
        (([1], [1], ["focal"], [0, 1, 0]), "--seeds: 0 stands there twice"),
        (([1, 2, 1], [1], ["focal"], [0]), "--gammas: 1 stands there twice"),
        (([1], [1], ["focl"], [0]), "loss form: expected one of focal"),
        (([1], [1], ["focal"], [-1]), "seed: expected a whole number from 0"),
        (([1], [1], ["focal"], [2**32]), "seed: expected a whole number from 0"),
    ],
)
def test_impossible_lists(lists, message):
    with pytest.raises(ConfigError) as caught:
        plan_cells(*lists)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        *("focal", "focal:g1:s0", "focal:g1:d1", "focal:gx:d1:s0", "focal:g1:d1:s1.5", "focal:g1:g2:d1:s0"),
        *("mse:sx", "wing:s-1", "wi/ng:s0", "1wing:s0", "wing", "wing:g1:s0", "x" * 61 + ":s0", "focal:s0"),
        *("other:g1:d1:s0", "mse:g1:s0", "focal:g-1:d1:s0", "", "mse", "focal:1:1:0"),
    ],
)
def test_cells_that_are_none(text):
    with pytest.raises(ConfigError) as caught:
        parse_cell(text)
    assert f"cell '{text}'" in str(caught.value)


def test_one_run_each():
    assert one_run_each(map(parse_cell, ["mse_s0", "focal_g1_d0.1_s0", "awing_s3"]))
    assert not one_run_each(map(parse_cell, ["mse_s0", "awing_s0", "awing_s1"]))
