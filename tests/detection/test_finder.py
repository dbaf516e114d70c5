"""The small finder: its training, its files, what it takes and gives; which detector a file is opened as."""

import json
from concurrent.futures import ThreadPoolExecutor

import numpy as np
import pytest
import torch
import toy_training
from detection.detector_cases import write_set, write_weights
from reference import ROOT

from posekit.detection import DetectedPeople, PersonDetector, PersonFinder, open_detector
from posekit.detection.dataset import PeopleImages, collate, image_sample
from posekit.detection.finder import CentreDetector
from posekit.detection.finder_files import is_finder, write_finder
from posekit.engine.configs.config import load_config
from posekit.engine.runner import PoseRunner
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.inference.detectors import embedded_finder, load_detector
from posekit.io import bundled
from posekit.skeletons import get_skeleton

CONFIG = ROOT / "configs" / "detector" / "finder_mobilenetv2_320.py"
SMALL = {"network": "mobilenetv2_035", "input_size": 64, "width": 8}


def small_network(**settings):
    torch.manual_seed(0)
    return CentreDetector(**SMALL, **settings)


def images(*sizes):
    rng = np.random.default_rng(0)
    return [rng.integers(0, 256, (*size, 3), dtype=np.uint8) for size in sizes]


@pytest.fixture(scope="module")
def weights(tmp_path_factory):
    """A network that tells cells apart, as random weights do not."""
    model = small_network().eval()
    with torch.no_grad():
        maps = model.maps(images((64, 64))[0][None])
        for head, seen, spread in zip((model.centre, model.box), maps, (1.5, 0.5), strict=True):
            head[-1].weight.mul_(spread / seen.std())
    path = tmp_path_factory.mktemp("finder") / "finder.pth"
    torch.save({"state_dict": model.state_dict()}, path)
    return path


@pytest.fixture(scope="module")
def finder(weights):
    return PersonFinder(weights, score_threshold=0.02, max_people=7, device="cpu", batch_size=2)


# --- finding -----------------------------------------------------------------------------------------------


def test_every_image_has_its_people(finder):
    sizes = [(60, 90), (120, 40), (64, 64)]
    for people, (height, width) in zip(finder(images(*sizes)), sizes, strict=True):
        assert isinstance(people, DetectedPeople)
        assert people.boxes_xyxy.dtype == people.scores.dtype == np.float32
        assert people.boxes_xyxy.shape == (len(people.scores), 4)
        assert 0 < len(people) <= 7
        assert (np.diff(people.scores) <= 0).all()
        assert len(set(people.scores)) > 1
        assert (people.boxes_xyxy >= 0).all()
        assert (people.boxes_xyxy <= [width, height, width, height]).all()


def test_boxes_are_image_pixels_not_input_pixels(finder):
    """A picture four times as large is the same to the network, which gives four times the boxes."""
    (small,) = images((48, 64))
    large = np.repeat(np.repeat(small, 4, axis=0), 4, axis=1)
    (few,), (many,) = finder([small]), finder([large])
    np.testing.assert_allclose(many.boxes_xyxy, 4 * few.boxes_xyxy, atol=1e-3)
    np.testing.assert_allclose(many.scores, few.scores, atol=1e-6)


def test_a_batch_gives_what_single_images_give(finder):
    pictures = images((64, 64), (60, 120), (64, 64), (120, 40), (62, 64))
    for image, people in zip(pictures, finder(pictures), strict=True):
        (alone,) = finder([image])
        np.testing.assert_allclose(people.scores, alone.scores, atol=1e-4)
        np.testing.assert_allclose(people.boxes_xyxy, alone.boxes_xyxy, atol=1e-2)


def test_threads_get_what_one_gets(finder):
    pictures = images(*[(60 + i, 90) for i in range(4)])
    alone = [finder([picture])[0] for picture in pictures]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda picture: finder([picture])[0], pictures))
    for one, other in zip(alone, together, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)


def test_odd_sizes_harm_nobody(finder):
    found = finder(images((1, 1), (3, 9000), (64, 64), (0, 5)))
    assert [len(people) for people in found][1::2] == [0, 0]
    assert len(found[2]) > 0
    assert finder([]) == []


def test_other_things_are_refused_by_their_place(finder):
    with pytest.raises(DataError, match=r"image 1: expected a uint8 RGB array \(H, W, 3\)"):
        finder([np.zeros((5, 5, 3), np.uint8), np.zeros((5, 5), np.uint8)])


def test_it_says_what_it_is(finder):
    settings = "input 64, score >= 0.02, NMS 0.5, at most 7 people an image, cpu"
    assert finder.describe() == f"finder on mobilenetv2_035 (finder.pth), {settings}"


# --- training ----------------------------------------------------------------------------------------------


def people_batch():
    """Four pictures with a light rectangle each, which is a person."""
    samples = []
    for number in range(4):
        image = np.full((64, 64, 3), 60, np.uint8)
        x, y = 6 + 8 * number, 10 + 4 * number
        image[y : y + 28, x : x + 16] = 220
        box = np.array([[x, y, x + 16, y + 28]], np.float32)
        samples.append(image_sample(image, box, number, np.zeros((0, 4), np.float32)))
    return collate(samples)


def test_a_few_steps_find_what_is_taught():
    model, batch = small_network(), people_batch()
    optimizer = torch.optim.AdamW(model.parameters(), lr=3e-3)
    sums = []
    for _ in range(40):
        losses = model(*batch, mode="loss")
        assert set(losses) == {"loss_centre", "loss_box"}
        total = sum(losses.values())
        optimizer.zero_grad()
        total.backward()
        optimizer.step()
        sums.append(total.item())
    assert sums[-1] < 0.3 * sums[0]
    for people, box in zip(model(*batch), batch.boxes_xyxy, strict=True):  # by the batch's own statistics
        assert people.boxes_xyxy[0] == pytest.approx(box[0].numpy(), abs=8)


def test_the_loss_of_a_resized_picture_has_resized_boxes():
    """Twice the picture, twice the boxes and ignored regions: to the network the same."""
    model, rng = small_network().eval(), np.random.default_rng(0)
    small = rng.integers(0, 256, (64, 64, 3), dtype=np.uint8)
    large = np.repeat(np.repeat(small, 2, axis=0), 2, axis=1)
    box, ignored = np.float32([[8, 8, 40, 60]]), np.float32([[40, 0, 64, 64]])
    one = model(*collate([image_sample(small, box, 0, ignored)]), mode="loss")
    other = model(*collate([image_sample(large, 2 * box, 0, 2 * ignored)]), mode="loss")
    without = model(*collate([image_sample(small, box, 0, ignored[:0])]), mode="loss")
    for name, value in one.items():
        torch.testing.assert_close(other[name], value)
    assert without["loss_centre"] > one["loss_centre"]
    assert without["loss_box"] == one["loss_box"]


def test_what_is_frozen_does_not_learn():
    model = small_network(frozen=("backbone.backbone.conv_stem.", "backbone.backbone.bn1.")).train()
    before = {name: value.clone() for name, value in model.state_dict().items()}
    optimizer = torch.optim.SGD([p for p in model.parameters() if p.requires_grad], lr=0.1)
    sum(model(*people_batch(), mode="loss").values()).backward()
    optimizer.step()
    changed = {name for name, value in model.state_dict().items() if not torch.equal(before[name], value)}
    assert not any(
        name.startswith(("backbone.backbone.conv_stem", "backbone.backbone.bn1")) for name in changed
    )
    assert {"centre.0.weight", "box.3.bias", "backbone.backbone.blocks.0.0.bn1.running_mean"} <= changed
    with pytest.raises(ConfigError, match=r"model\.frozen: nothing .* begins with 'stem'"):
        small_network(frozen=("stem",))


def test_impossible_settings_are_named():
    with pytest.raises(ConfigError, match="'input_size' must be a whole number from 32 to 4096, found 0"):
        CentreDetector(input_size=0)
    with pytest.raises(ConfigError, match="no network 'mobilenet'"):
        CentreDetector(network="mobilenet")
    with pytest.raises(ConfigError, match="'score_threshold' to be from 0 to 1"):
        CentreDetector(score_threshold=5)
    with pytest.raises(DataError, match=r"found one of \(3, 900\) \(height, width\)"):
        small_network()([torch.zeros(3, 3, 900, dtype=torch.uint8)], [torch.zeros(0, 4)], mode="loss")
    with pytest.raises(ValueError, match="expected 'loss'"):
        small_network()(*people_batch(), mode="tensor")


@pytest.fixture(scope="module")
def trained(tmp_path_factory):
    """Two epochs of the config with smaller numbers, all its sets being the small one."""
    folder = tmp_path_factory.mktemp("training")
    write_set(folder)
    train = "train_dataloader.dataset"
    options = {
        **{f"model.{name}": value for name, value in SMALL.items()},
        **{"data_root": str(folder), "model.pretrained": None, "train_cfg.max_epochs": 2},
        **{f"{train}.size_hw": (64, 64), f"{train}.dataset.size": 8, "train_dataloader.batch_size": 4},
        **{"train_dataloader.num_workers": 0, "train_dataloader.persistent_workers": False},
        "default_hooks.checkpoint.max_keep_ckpts": -1,
    }
    readers = [
        f"{train}.dataset.datasets.{name}" for name in ("coco", "tiny_coco", "everyday", "sports", "nobody")
    ]
    for reader in (*readers, "val_dataloader.dataset"):
        options |= {f"{reader}.ann_file": "people.json", f"{reader}.image_dir": "images"}
    cfg = load_config(CONFIG, options)
    cfg.work_dir = str(folder / "work")
    runner = PoseRunner.from_cfg(cfg)
    runner.train()
    runner.close()
    return folder, runner


def test_the_config_trains_and_its_checkpoint_is_a_finder(trained):
    folder, runner = trained
    losses = runner.message_hub.get_scalar("train/loss").data[0]
    assert len(losses) == 4
    assert np.isfinite(losses).all()
    assert (folder / "work" / "best_AP50.pth").is_file()
    path = folder / "work" / "epoch_2.pth"
    found = PersonFinder(path, score_threshold=0.05, device="cpu")
    model = runner.model.eval()
    model.load_state_dict(torch.load(path, weights_only=True)["state_dict"])  # the averaged weights
    people = PeopleImages("people.json", "images", data_root=str(folder))
    batch = collate([people[row] for row in range(3)])
    with torch.inference_mode():
        expected = model(*batch, mode="predict")
    for one, other in zip(found([im.permute(1, 2, 0).numpy() for im in batch.image]), expected, strict=True):
        np.testing.assert_array_equal(one.boxes_xyxy, other.boxes_xyxy)
        np.testing.assert_array_equal(one.scores, other.scores)


def test_it_resumes_to_the_bit_and_needs_no_pretrained_file(trained, tmp_path):
    folder, runner = trained
    cfg = runner.cfg.copy()
    cfg.model.pretrained = str(tmp_path / "gone.pth")
    cfg.work_dir = str(tmp_path / "resumed")
    cfg.resume, cfg.load_from = True, str(folder / "work" / "epoch_1.pth")
    again = PoseRunner.from_cfg(cfg)
    again.train()
    again.close()
    first, second = (
        torch.load(work / "epoch_2.pth", weights_only=True)["state_dict"]
        for work in (folder / "work", tmp_path / "resumed")
    )
    for name, weight in first.items():
        assert torch.equal(second[name], weight), name


# --- files -------------------------------------------------------------------------------------------------


def test_a_file_says_which_detector_it_is_for(tmp_path, weights):
    theirs = write_weights(tmp_path / "theirs.pth")
    assert is_finder(weights)
    assert not is_finder(theirs)
    assert isinstance(open_detector(weights, device="cpu"), PersonFinder)
    assert isinstance(open_detector(str(theirs), device="cpu"), PersonDetector)
    chosen = load_detector(weights, torch.device("cpu"), 0.125)
    assert isinstance(chosen, PersonFinder)
    assert "score >= 0.125" in chosen.describe()
    assert "score >= 0.5" in load_detector(weights, torch.device("cpu")).describe()
    with pytest.raises(CheckpointError, match=r"theirs\.pth: is no finder"):
        PersonFinder(theirs)
    with pytest.raises(CheckpointError, match=r"finder\.pth: is no Faster R-CNN"):
        open_detector(weights, "fasterrcnn_resnet50_fpn")


def test_the_command_takes_a_finder(tmp_path, weights, capsys):
    path = write_set(tmp_path)
    words = (path, "--image-dir", tmp_path / "images", "--out", tmp_path / "d.json")
    assert toy_training.run("detect", *words, "--weights", weights, "--device", "cpu") == 0
    assert "detector: finder on mobilenetv2_035" in capsys.readouterr().out
    found = json.loads((tmp_path / "d.json").read_text("utf-8"))
    assert {record["image_id"] for record in found} <= {3, 7, 9}


@pytest.mark.parametrize("name", ["finder", "finder_mobilenetv2_320"])
def test_the_bundled_finder_has_a_name(name):
    path = next(iter(bundled.bundled_finders().values()))
    for chosen in (
        open_detector(name, device="cpu"),
        open_detector(True, name, device="cpu"),
        load_detector(name, torch.device("cpu")),
    ):
        assert isinstance(chosen, PersonFinder)
        assert chosen.weights == path
    of_the_card = json.loads(path.with_suffix(".json").read_text("utf-8"))["threshold"]
    assert of_the_card not in (0.05, 0.5)
    assert chosen.model.reading[0] == of_the_card
    assert load_detector(name, torch.device("cpu"), 0.125).model.reading[0] == 0.125


def test_names_like_the_bundled_finders_are_told_it():
    words = r"finder, finder_mobilenetv2_320, "
    for open_named in (open_detector, lambda name: load_detector(name, torch.device("cpu"))):
        with pytest.raises(ConfigError, match=rf"'finder_mobilenet': neither a file of weights .*{words}"):
            open_named("finder_mobilenet")
    with pytest.raises(ConfigError, match=r"'finder', which comes with posekit\), found 'fonder'"):
        open_detector(True, "fonder")


def test_a_bundled_finder_finds_the_same(tmp_path, monkeypatch, weights, finder):
    path = tmp_path / "finders" / "small.safetensors"
    write_finder(path, weights, 0.02, data="none")
    card = json.loads(path.with_suffix(".json").read_text("utf-8"))
    assert (card["name"], card["threshold"], card["data"]) == ("small", 0.02, "none")
    assert path.stat().st_size < weights.stat().st_size * 0.6
    (picture,) = images((64, 64))
    expected = finder([picture])[0].boxes_xyxy[:1]
    small = PersonFinder(path, score_threshold=0.02, max_people=1, device="cpu")
    assert small([picture])[0].boxes_xyxy == pytest.approx(expected, abs=0.5)
    # Of a network of people it is the predictor's, quicker and by the card's threshold.
    monkeypatch.setattr(bundled, "WEIGHTS", tmp_path)
    found = embedded_finder(get_skeleton("lsp14"), torch.device("cpu"))
    assert found.model.reading[0] == 0.02
    assert load_detector(path, torch.device("cpu")).model.reading[0] == 0.02
    assert embedded_finder(get_skeleton("lsp14"), torch.device("cpu"), 0.5).model.reading[0] == 0.5
    assert not any(isinstance(part, torch.nn.BatchNorm2d) for part in found.model.modules())
    assert found([picture])[0].boxes_xyxy[:1] == pytest.approx(expected, abs=0.5)
    path.with_suffix(".json").write_text("{}")
    with pytest.raises(DataError, match=r"small\.json, field 'threshold'"):
        embedded_finder(get_skeleton("lsp14"), torch.device("cpu"))
    for name, threshold, words in (("a.pth", 0.5, "suffix"), ("a.safetensors", 2, "score_threshold")):
        with pytest.raises(ConfigError, match=words):
            write_finder(tmp_path / name, weights, threshold)


def text(words):
    return torch.tensor(list(words.encode()), dtype=torch.uint8)


@pytest.mark.parametrize(
    ("stored", "said"),
    [
        (torch.zeros(4), r"expected a finder's form as json, found torch.float32 \(4,\)"),
        (torch.zeros(2000, dtype=torch.uint8), "found torch.uint8"),
        (text("no json"), "found Expecting value"),
        (text("[" * 900), "found"),
        (text('{"network": "mobilenetv2_035"}'), "missing"),
        (text('{"network": "x", "input_size": 64, "width": 8, "stride": 8}'), "no network 'x'"),
        (text('{"network": "mobilenetv2_035", "input_size": 9e9, "width": 8, "stride": 8}'), "'input_size'"),
        (text('{"network": "mobilenetv2_035", "input_size": 64, "width": 16, "stride": 8}'), "another shape"),
    ],
)
def test_a_file_of_another_form_is_refused(tmp_path, weights, stored, said):
    state = torch.load(weights, weights_only=True)["state_dict"]
    torch.save({**state, "architecture": stored}, tmp_path / "other.pth")
    with pytest.raises(CheckpointError, match=rf"other\.pth(.|\n)*{said}"):
        PersonFinder(tmp_path / "other.pth", device="cpu")


def test_missing_and_infinite_weights_are_refused(tmp_path, weights):
    state = torch.load(weights, weights_only=True)["state_dict"]
    torch.save(
        {**state, "box.0.weight": torch.full_like(state["box.0.weight"], torch.nan)}, tmp_path / "a.pth"
    )
    with pytest.raises(CheckpointError, match=r"a\.pth: expected finite weights"):
        PersonFinder(tmp_path / "a.pth")
    del state["box.0.weight"]
    torch.save(state, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"missing from the checkpoint:\s+box\.0\.weight"):
        PersonFinder(tmp_path / "b.pth")
