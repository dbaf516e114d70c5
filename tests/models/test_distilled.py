"""A network taught by another's heatmaps: what is learnt, what is saved, what is refused."""

from __future__ import annotations

import pytest
import torch
from mmengine.model import ExponentialMovingAverage
from models.test_tompson import HEAD, SIZE, SKELETON, sample

from posekit.errors import CheckpointError, ConfigError
from posekit.models import PoseEstimator
from posekit.models.pretrained import starting_later
from posekit.registry import MODELS

HOURGLASS = {"type": "Hourglass", "stacks": 1, "features": 8, "depth": 2}
MODEL = {
    "backbone": HOURGLASS,
    "head": {"type": "HeatmapHead", **HEAD},
    "skeleton": SKELETON,
}
POINTS = [[[20.0, 30.0], [10.0, 12.0], [40.0, 50.0]], [[24.0, 20.0], [5.0, 40.0], [30.0, 8.0]]]


@pytest.fixture
def teacher(tmp_path):
    """A teacher's file, its config, and the teacher itself."""
    torch.manual_seed(1)
    network = MODELS.build({"type": "PoseEstimator", **MODEL, "flip_test": False}).eval()
    torch.save({"state_dict": network.state_dict()}, tmp_path / "teacher.pth")
    return {"model": {**MODEL, "flip_test": False}, "checkpoint": str(tmp_path / "teacher.pth")}, network


def pupil(teacher, **settings):
    torch.manual_seed(0)
    return MODELS.build({"type": "DistilledEstimator", **MODEL, "teacher": teacher, **settings})


def batch(weight=None):
    generator = torch.Generator().manual_seed(3)
    image = torch.randint(0, 256, (2, 3, *SIZE), dtype=torch.uint8, generator=generator)
    return sample(POINTS, weight=weight)._replace(image=image)


@pytest.mark.parametrize("share", [0.0, 0.3, 1.0])
def test_the_loss_is_that_of_the_labels_and_of_the_teachers_heatmaps(teacher, share):
    settings, network = teacher
    student, crops = pupil(settings, share=share), batch()
    with torch.no_grad():
        found = student.loss(crops)
        maps = student.stages(student.normalise(crops.image))[-1]
        labels = PoseEstimator.loss(student, crops)["loss"]
        wanted = network.outputs(network.normalise(crops.image))
        taught = (maps - wanted).square().mean()
    torch.testing.assert_close(found["label_part"], labels, rtol=1e-5, atol=0)
    torch.testing.assert_close(found["teacher_part"], taught, rtol=1e-4, atol=0)
    torch.testing.assert_close(found["loss"], (1 - share) * labels + share * taught, rtol=1e-4, atol=0)
    assert labels > 1.1 * taught or taught > 1.1 * labels  # so that the shares are told apart
    assert [name for name in found if "loss" in name] == ["loss"]  # mmengine would sum more


def test_keypoints_without_labels_are_taught(teacher):
    student = pupil(teacher[0], share=0.5)
    student.loss(batch(weight=torch.zeros(2, 3)))["loss"].backward()
    assert any(p.grad is not None and p.grad.any() for p in student.parameters())
    student.zero_grad()
    PoseEstimator.loss(student, batch(weight=torch.zeros(2, 3)))["loss"].backward()
    assert all(p.grad is None or not p.grad.any() for p in student.parameters())


def test_the_teacher_is_no_part_of_the_network_and_does_not_learn(teacher):
    student = pupil(teacher[0])
    plain = MODELS.build({"type": "PoseEstimator", **MODEL})
    assert student.state_dict().keys() == plain.state_dict().keys()
    student.train()
    student.loss(batch())["loss"].backward()
    torch.optim.SGD(student.parameters(), lr=1.0).step()
    student.loss(batch())
    assert not student._teacher[0].training
    # Folded by now: what it gives is what the file gives.
    network, image = teacher[1], batch().image
    with torch.no_grad():
        found = student._teacher[0].outputs(network.normalise(image))
        torch.testing.assert_close(found, network.outputs(network.normalise(image)), rtol=1e-3, atol=1e-6)


def test_a_copy_has_the_same_teacher(teacher):
    """mmengine's averages of the weights are copies: a large teacher is held once."""
    student = pupil(teacher[0])
    copied = ExponentialMovingAverage(student).module
    assert copied._teacher is student._teacher
    assert copied.loss(batch())["teacher_part"] == student.loss(batch())["teacher_part"]


def test_in_mixed_precision_the_teacher_is_folded_all_the_same(tmp_path):
    """Rounded to 8 bits the folded network looked like another one, and the teacher stayed slow."""
    backbone = {"type": "SimpleBaseline", "depth": 18, "pretrained": None}
    model = {**MODEL, "backbone": backbone, "flip_test": False}
    weights, path = MODELS.build({"type": "PoseEstimator", **model}).state_dict(), tmp_path / "teacher.pth"
    torch.save({"state_dict": weights}, path)
    settings = {"model": model, "checkpoint": str(path)}
    student = MODELS.build({"type": "DistilledEstimator", **model, "teacher": settings})
    crops = batch()._replace(image=torch.randint(0, 256, (2, 3, 64, 64), dtype=torch.uint8))
    with torch.autocast("cpu", torch.bfloat16):
        student.loss(crops)
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in student._teacher[0].modules())


def test_a_run_that_is_resumed_fetches_the_teacher_at_its_first_batch(teacher):
    with starting_later():
        student = pupil(teacher[0])
    assert student._teacher == []
    torch.manual_seed(7)
    expected = torch.rand(1)
    torch.manual_seed(7)
    assert student.loss(batch())["teacher_part"] > 0
    assert torch.rand(1) == expected  # and changes the run by nothing else
    with starting_later():
        fresh = pupil(teacher[0])
    fresh.init_weights()  # as the engine does when a training begins
    assert len(fresh._teacher) == 1
    assert f"; taught by {teacher[0]['checkpoint']} (sha256 " in fresh.start.words


def test_a_file_of_another_network_is_the_teachers_fault(teacher):
    other = {**teacher[0], "model": {**MODEL, "backbone": {**HOURGLASS, "features": 16}}}
    with pytest.raises(CheckpointError, match=r"model\.teacher: checkpoint .*teacher\.pth"):
        pupil(other)


def test_a_missing_teacher_is_told_before_the_training(tmp_path):
    where = {"model": MODEL, "checkpoint": str(tmp_path / "nowhere.pth")}
    with pytest.raises(CheckpointError, match=r"model\.teacher\.checkpoint: .*nowhere\.pth: file not found"):
        pupil(where)


SMALLER = {**MODEL, "skeleton": {"name": "one", "keypoints": ["nose", "left_hand", "right_foot"]}}
OTHER_CODEC = {**MODEL, "head": {**MODEL["head"], "codec": {"type": "udp", "sigma": 2.0}}}
COORDINATES = {
    **MODEL,
    "backbone": {"type": "SimpleBaseline", "depth": 18, "pretrained": None},
    "head": {"type": "CoordinateHead", "loss": {"type": "L1Loss"}},
}


@pytest.mark.parametrize(
    ("model", "words"),
    [
        (SMALLER, "expected the keypoints"),
        (OTHER_CODEC, r"expected the codec .*sigma=1\.0"),
        (COORDINATES, "expected two heatmap heads, found HeatmapHead and CoordinateHead"),
    ],
)
def test_another_language_is_refused(model, words):
    with pytest.raises(ConfigError, match=words):
        pupil({"model": model, "checkpoint": "not looked at"})


@pytest.mark.parametrize("share", [-0.1, 1.5, True, "half"])
def test_a_share_is_a_part_of_one(teacher, share):
    with pytest.raises(ConfigError, match=r"model\.share: expected a number from 0 to 1"):
        pupil(teacher[0], share=share)


@pytest.mark.parametrize("settings", [{"model": MODEL}, "lite0_coco17_160x128", {}])
def test_a_teacher_is_a_model_and_its_weights(settings):
    with pytest.raises(ConfigError, match=r"model\.teacher: expected dict\(model="):
        pupil(settings)


@pytest.mark.parametrize(("part", "value"), [("model", "lite0_coco17_160x128"), ("checkpoint", None)])
def test_parts_of_a_teacher_are_a_config_and_a_file(teacher, part, value):
    with pytest.raises(ConfigError, match=rf"model\.teacher\.{part}: expected .*, found {value!r}"):
        pupil({**teacher[0], part: value})


def test_heatmaps_of_another_size_are_refused(teacher):
    settings, network = teacher
    student = pupil(settings)
    network.outputs = lambda image: torch.zeros(2, 3, 4, 4)
    network.backend_words = "as it is"
    student._teacher[:] = [network]
    with pytest.raises(ConfigError, match=r"expected heatmaps of \(3, 16, 12\).*found \(3, 4, 4\)"):
        student.loss(batch())
