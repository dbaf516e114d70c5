"""A first network's points place the second one's crops: alike in data sets, predictors and bundles."""

from __future__ import annotations

import json

import cv2
import numpy as np
import pytest
import torch
import toy_faces
import toy_predictor
from toy_predictor import ANN, BOB, BOTH, BOX_ANN, CROP, SKELETON, close, photo, picture

from posekit import Predictor
from posekit.datasets import PersonTable, load_face_csv
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError, ConfigError
from posekit.geometry import apply_warp, invert_warp
from posekit.inference import write_bundle
from posekit.inference.crops import cut_placed
from posekit.inference.looks import look
from posekit.inference.network import PoseNetwork, load_network, two_stages
from posekit.inference.stages import FirstStage
from posekit.models.heads import Prediction
from posekit.registry import DATASETS
from posekit.skeletons import get_skeleton
from posekit.structures import Skeleton
from posekit.transforms import Crop, Line, Placement, Shape, Upright
from posekit.transforms.similarity import rotation_matrix

LEVEL = Upright(Line(["left_dot"], ["right_dot"]), margin=0.3)


def toy(flip_test: bool = False) -> PoseNetwork:
    return PoseNetwork(toy_predictor.estimator(flip_test), CROP, "dots", "none")


def that_says(points_input: object, scores: object = None) -> PoseNetwork:
    """A network whose points, input pixels, are the same whatever it sees."""
    network = toy()
    points = torch.as_tensor(np.asarray(points_input), dtype=torch.float32)
    given = torch.ones(3) if scores is None else torch.tensor(scores)

    def predict(outputs, sample):
        n = len(sample.image)
        return Prediction(points.expand(n, -1, -1), given.expand(n, -1))

    network.estimator.head.predict = predict
    return network


def predictor(first: PoseNetwork, upright: Upright = LEVEL, **settings) -> Predictor:
    return Predictor(two_stages(first, upright, toy()), device="cpu", **settings)


# --- the predictor ---------------------------------------------------------------------------------------


def test_both_stages_in_one_call_and_the_second_sees_people_upright():
    network = two_stages(toy(), LEVEL, toy())
    seen = []
    network.estimator.backbone.register_forward_hook(lambda _, images, maps: seen.append(images[0]))
    predict = Predictor(network, device="cpu")
    close(predict(photo(), BOTH), ANN, BOB)
    for crop in seen[0]:  # the red dot and the green one on one height, red at the left
        (red_y, red_x), (green_y, green_x) = (divmod(int(crop[k].argmax()), crop.shape[2]) for k in (0, 1))
        assert abs(red_y - green_y) <= 1
        assert red_x < green_x
    said = predict.describe()["crops"]
    assert (
        said == "rotation (by line) and box corrected by dots, none; where it tells nothing, the box as it is"
    )
    assert "crops" not in toy_predictor.predictor().describe()


@pytest.mark.parametrize("angle", [0, 45, 135, 180, -90])
def test_people_however_turned(angle):
    middle = np.array([40, 43])
    dots = (np.array(ANN) - middle) @ rotation_matrix(angle).T + middle
    people = predictor(toy())(picture(90, 80, dots), [(12, 15, 68, 75)])
    np.testing.assert_allclose(people[0].keypoints, dots, atol=0.6)
    np.testing.assert_array_equal(people[0].box_xyxy, (12, 15, 68, 75))


def test_the_batch_size_and_the_company_change_nothing():
    boxes = [np.add(BOX_ANN, i) for i in range(5)]
    alone = [predictor(toy())(photo(), [box])[0] for box in boxes]
    for size in (1, 2, 5):
        several = predictor(toy(), max_batch=size)([photo(), photo()], [boxes[:2], boxes[2:]])
        for pose, other in zip([*several[0], *several[1]], alone, strict=True):
            np.testing.assert_allclose(pose.keypoints, other.keypoints, atol=1e-4)


def test_the_flip_test_is_that_of_both():
    flipped = Predictor(two_stages(toy(), LEVEL, toy()), device="cpu", flip_test=True)._network
    assert flipped.estimator.flip_test
    assert flipped.first.estimator.flip_test
    as_set = Predictor(two_stages(toy(True), LEVEL, toy()), device="cpu")._network
    assert (as_set.first.estimator.flip_test, as_set.estimator.flip_test) == (True, False)


def test_whole_frames_and_no_boxes():
    close(predictor(toy())(picture(90, 70, ANN)), ANN)
    assert predictor(toy())(photo(), np.zeros((0, 4))) == []


def test_a_perfect_first_stage_without_rotation_is_one_stage_on_the_points_box():
    level = ((30, 40), (50, 40), (40, 60))
    image, given = picture(90, 80, level), np.array([20.0, 25, 60, 75])
    first = that_says(apply_warp(level, CROP.warp(CROP.place(given))))
    two = predictor(first, Upright(LEVEL.turn))(image, [given])[0]
    one = toy_predictor.predictor()(image, [(30, 40, 50, 60)])[0]
    np.testing.assert_allclose(two.keypoints, one.keypoints, atol=1e-3)
    np.testing.assert_allclose(two.scores, one.scores, atol=1e-3)


@pytest.mark.parametrize(
    ("points", "scores"),
    [
        (np.full((3, 2), np.nan), None),
        (np.full((3, 2), 20.0), None),
        (((10, 10), (30, 20), (20, 40)), [0.0, 0.0, 0.0]),
    ],
)
def test_a_first_stage_that_sees_nothing_leaves_the_given_box(points, scores):
    two, one = predictor(that_says(points, scores))(photo(), BOTH), toy_predictor.predictor()(photo(), BOTH)
    for pose, other in zip(two, one, strict=True):
        np.testing.assert_array_equal(pose.keypoints, other.keypoints)
        np.testing.assert_array_equal(pose.scores, other.scores)


def test_another_skeleton_by_names():
    """A first network of two keypoints, in another order, for one of three."""
    pair = Skeleton("pair", ("right_dot", "left_dot"), (("left_dot", "right_dot"),))
    first = toy()
    first.estimator.skeleton = pair
    first.estimator.head.predict = lambda outputs, sample: Prediction(
        torch.tensor([[[30.0, 30], [14, 20]]]).expand(len(sample.image), -1, -1)
    )
    found = look(two_stages(first, LEVEL, toy()), [photo()], np.zeros(1, int), np.array([BOX_ANN]))
    assert found.points.shape == (1, 3, 2)
    np.testing.assert_allclose(found.points[0], ANN, atol=1.5)
    with pytest.raises(
        ConfigError, match=r"'middle_dot' is not among the first network's keypoints \('pair'"
    ):
        two_stages(first, Upright(Line(["left_dot"], ["middle_dot"])), toy())


def test_a_turned_crop_of_a_large_picture_is_cut_around_its_corners():
    rng = np.random.default_rng(0)
    large = cv2.resize(
        rng.integers(0, 256, (40, 40, 3), np.uint8), (2400, 2000), interpolation=cv2.INTER_CUBIC
    )
    crop = Crop((96, 64), convention="udp")
    for center, angle in (((1200, 900), 30), ((300, 200), -100), ((2350, 1950), 170)):
        placement = Placement(np.array(center, float), np.array([80.0, 120.0]), angle)
        out = np.empty((1, 3, 96, 64), np.uint8)
        (warp,) = cut_placed(large, [placement], crop, out)
        np.testing.assert_array_equal(warp, crop.warp(placement))
        whole = cv2.warpAffine(large, warp, (64, 96), flags=cv2.INTER_LINEAR)
        assert np.abs(out[0].transpose(1, 2, 0).astype(int) - whole).max() <= 3
    # Reduced before it is warped where it shrinks much: the same picture, smoother.
    placement = Placement(np.array([1200.0, 1000]), np.array([1000.0, 1500]), 40)
    (warp,) = cut_placed(large, [placement], crop, out)
    whole = cv2.warpAffine(cv2.blur(large, (11, 11)), warp, (64, 96), flags=cv2.INTER_LINEAR)
    assert np.abs(out[0].transpose(1, 2, 0).astype(int) - whole).mean() < 4


# --- configs, checkpoints, bundles -----------------------------------------------------------------------


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    return toy_faces.write(tmp_path_factory.mktemp("faces"))


@pytest.fixture(scope="module")
def dataset(root):
    return DATASETS.build(load_config(root / "two.py").test_dataloader["dataset"])


def boxes_of(table: PersonTable) -> list[np.ndarray]:
    return list(table.boxes_xyxy[:, None])


def test_the_data_set_is_placed_by_the_first_network(root, dataset):
    first = Predictor(root / "one.py", root / "one.pth", device="cpu", exact=True)
    paths = [record.image_path for record in map(dataset.table.__getitem__, range(toy_faces.FACES))]
    for row, (pose,) in enumerate(first(paths, boxes_of(dataset.table))):
        sample = dataset[row]
        right, left, *_ = seen = apply_warp(pose.keypoints, sample.warp)
        assert right[1] == pytest.approx(left[1], abs=1e-3)
        assert right[0] < left[0]
        # The points' box, a fifth added on every side, fills the crop but for the padding.
        assert np.ptp(seen, axis=0).max() == pytest.approx(63 / 1.25 / 1.4, abs=1e-3)
        back = apply_warp(apply_warp(dataset.table.keypoints[row], sample.warp), invert_warp(sample.warp))
        np.testing.assert_allclose(back, dataset.table.keypoints[row], atol=1e-3)
    assert dataset.metainfo["crops"] == (
        f"rotation (by line) and box corrected by {root}/one.py with {root}/one.pth; 0 of 5 as their boxes, "
        "of which it tells nothing"
    )


def test_the_predictor_of_a_config_gives_what_its_test_gives(root, dataset):
    predict = Predictor(root / "two.py", root / "two.pth", device="cpu", exact=True)
    second = toy_faces.network_of(root / "two.py", toy_faces.SECOND)
    paths = [record.image_path for record in map(dataset.table.__getitem__, range(toy_faces.FACES))]
    batch = torch.utils.data.default_collate([dataset[row] for row in range(toy_faces.FACES)])
    expected = second.predict(batch)
    for (pose,), wanted in zip(predict(paths, boxes_of(dataset.table)), expected, strict=True):
        np.testing.assert_allclose(pose.keypoints, wanted.keypoints, atol=1e-3)
    quick = Predictor(root / "two.py", root / "two.pth", device="cpu")
    for (pose,), wanted in zip(quick(paths, boxes_of(dataset.table)), expected, strict=True):
        np.testing.assert_allclose(pose.keypoints, wanted.keypoints, atol=1e-2)


def test_a_test_states_both_stages_and_is_the_same_twice(root, tmp_path):
    from posekit.engine.report import protocol, protocol_text

    scores = []
    for name in "ab":
        cfg = load_config(root / "two.py")
        cfg.load_from, cfg.work_dir = str(root / "two.pth"), str(tmp_path / name)
        runner = PoseRunner.from_cfg(cfg)
        scores.append(runner.test())
    assert scores[0] == scores[1]
    text = protocol_text(protocol(runner))
    assert f"  crops:     rotation (by line) and box corrected by {root}/one.py" in text


def test_a_bundle_of_both_stages(root, tmp_path):
    path = tmp_path / "two.safetensors"
    write_bundle(path, load_config(root / "two.py"), root / "two.pth", summary="a toy")
    assert sorted(file.name for file in tmp_path.iterdir()) == [
        "two.json",
        "two.safetensors",
        "two_first.json",
        "two_first.safetensors",
    ]
    table = load_face_csv(str(root / "faces.csv"), str(root), get_skeleton("mtfl5"))
    bundled = Predictor(checkpoint=path, device="cpu")
    ours = Predictor(root / "two.py", root / "two.pth", device="cpu")
    image, box = table[0].image_path, table.boxes_xyxy[:1]
    np.testing.assert_allclose(bundled(image, box)[0].keypoints, ours(image, box)[0].keypoints, atol=0.1)
    assert "rotation (by line) and box corrected by two_first" in bundled.describe()["crops"]
    # A bundle is a first stage, too.
    first = FirstStage(checkpoint=tmp_path / "two_first.safetensors").load()
    assert first.name == "two_first"
    with pytest.raises(ConfigError, match="tests in two stages itself"):
        FirstStage(checkpoint=path).load()


@pytest.mark.parametrize(
    ("stated", "words"),
    [
        (3, "expected in 'weights' the name of another file beside it"),
        ({"weights": "../one.safetensors"}, "another file beside it, found '../one.safetensors'"),
        ({"weights": "two.safetensors"}, "another file beside it, found 'two.safetensors'"),
        ({"weights": "a.safetensors"}, "expected the settings of 'upright', found None"),
        ({"weights": "a.safetensors", "upright": {"turn": {"type": "os.system"}}}, "'upright': KeyError"),
        (
            {"weights": "a.safetensors", "upright": {"turn": {"type": "Shape", "points": "/etc/hosts"}}},
            "a card's shape is no file",
        ),
        ({"weights": "a.safetensors", "upright": {"wide": 1}}, "'upright': TypeError"),
        ({"weights": "b.safetensors", "upright": {}}, r"expected .*b\.safetensors and its card"),
    ],
)
def test_cards_of_strangers(root, tmp_path, stated, words):
    path = tmp_path / "two.safetensors"
    for name in ("two", "a"):
        write_bundle(tmp_path / f"{name}.safetensors", load_config(root / "one.py"), root / "one.pth")
    card = json.loads(path.with_suffix(".json").read_text())
    path.with_suffix(".json").write_text(json.dumps({**card, "first_stage": stated}))
    with pytest.raises((CheckpointError, ConfigError), match=words):
        load_network(None, path)


def test_cards_that_name_each_other(root, tmp_path):
    for name, other in (("a", "b"), ("b", "a")):
        path = tmp_path / f"{name}.safetensors"
        write_bundle(path, load_config(root / "one.py"), root / "one.pth")
        card = json.loads(path.with_suffix(".json").read_text())
        stage = {"weights": f"{other}.safetensors", "upright": {}}
        path.with_suffix(".json").write_text(json.dumps({**card, "first_stage": stage}))
    with pytest.raises(CheckpointError, match=r"b\.json: is a first stage, and names one itself"):
        load_network(None, tmp_path / "a.safetensors")


def test_a_shape_rides_on_a_card(root, tmp_path):
    cfg = load_config(root / "two.py")
    names = get_skeleton("mtfl5").keypoints
    shape = {"type": Shape, "points": dict(zip(names, toy_faces.SECOND, strict=True))}
    cfg.test_dataloader.dataset.upright = {"type": Upright, "turn": shape, "keypoints": names[:4]}
    write_bundle(tmp_path / "s.safetensors", cfg, root / "two.pth")
    upright = load_network(None, tmp_path / "s.safetensors").upright
    assert upright.turn.points == {name: [*place] for name, place in shape["points"].items()}
    assert upright.keypoints == names[:4]


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("first_stage=None", "corrected by labelled keypoints, which only a data set has"),
        ("first_stage=dict(type=StoredPoints, results='x.json')", "corrected by StoredPoints, which only"),
        ("first_stage=dict(type=FirstStage, modle='x.py')", "unknown key 'modle' of FirstStage"),
        ("first_stage=dict(type=FirstStage, batch_size=0)", "'batch_size' must be a whole number above 0"),
        (
            "first_stage=dict(type=FirstStage, model='{root}/two.py', checkpoint='{root}/two.pth')",
            "two are the",
        ),
        (
            "first_stage=dict(type=FirstStage, model='{root}/none.py', checkpoint='x.pth')",
            r"none\.py: no such",
        ),
        ("first_stage=dict(type=FirstStage, model='{root}/one.py', checkpoint='no.pth')", r"no\.pth"),
    ],
)
def test_first_stages_that_are_none(root, tmp_path, change, words):
    more = "from posekit.datasets.stages import StoredPoints\n"
    text = f"{more}{toy_faces.TWO}test_dataloader['dataset'].update({change})\n".replace("{root}", str(root))
    (tmp_path / "config.py").write_text(text)
    with pytest.raises((ConfigError, CheckpointError), match=words):
        load_network(tmp_path / "config.py", root / "two.pth")


def test_names_must_be_those_of_the_second_network_too():
    assert "left_dot" in SKELETON.keypoints
    with pytest.raises(ConfigError, match="'left_hip' is not among the first network's keypoints"):
        two_stages(toy(), Upright(Line(["left_hip"], ["right_dot"])), toy())
    with pytest.raises(ConfigError, match="two are the most"):
        two_stages(two_stages(toy(), LEVEL, toy()), LEVEL, toy())
