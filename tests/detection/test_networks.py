"""posekit.detection.networks: names, files, and people alone out of 91 classes."""

import pytest
import torch
import torchvision
from detection.detector_cases import TINY, write_weights
from torch import nn
from torchvision.models.detection.faster_rcnn import FastRCNNPredictor
from torchvision.ops import FrozenBatchNorm2d

from posekit.detection import networks
from posekit.errors import CheckpointError, ConfigError


@pytest.mark.parametrize(
    ("network", "file", "beginning"),
    [
        ("fasterrcnn_resnet50_fpn", "fasterrcnn_resnet50_fpn_coco-258fb6c6.pth", "258fb6c6"),
        ("fasterrcnn_resnet50_fpn_v2", "fasterrcnn_resnet50_fpn_v2_coco-dd69338a.pth", "dd69338a"),
        ("fasterrcnn_mobilenet_v3_large_fpn", "fasterrcnn_mobilenet_v3_large_fpn-fb6a3cc7.pth", "fb6a3cc7"),
        (TINY, "fasterrcnn_mobilenet_v3_large_320_fpn-907ea3f9.pth", "907ea3f9"),
    ],
)
def test_published_files(network, file, beginning):
    published = networks.weight_file(network)
    assert (published.name, published.sha256) == (file, beginning)
    assert published.url.endswith(f"/{file}")


@pytest.mark.parametrize(
    ("network", "parameters"),
    [
        ("fasterrcnn_resnet50_fpn", 41_755_286),
        ("fasterrcnn_resnet50_fpn_v2", 43_712_278),
        ("fasterrcnn_mobilenet_v3_large_fpn", 19_386_354),
        (TINY, 19_386_354),
    ],
)
def test_networks_are_those_of_the_published_weights(network, parameters):
    """Of the published networks v2 alone has batch norms that learn."""
    with torch.device("meta"):
        model = networks.build_network(network, 91, frozen_norms=network != "fasterrcnn_resnet50_fpn_v2")
    assert sum(p.numel() for p in model.parameters()) == parameters
    assert networks._recognise(model.state_dict(), None)[0] in (network, network.replace("_320", ""))


def test_frozen_norms_have_the_eps_of_the_published_weights():
    with torch.device("meta"):
        first = networks.build_network("fasterrcnn_resnet50_fpn", 91, frozen_norms=True)
        second = networks.build_network(TINY, 91, frozen_norms=True)
    for model, eps in ((first, 0.0), (second, 1e-5)):
        norms = [m for m in model.modules() if isinstance(m, FrozenBatchNorm2d)]
        assert {m.eps for m in norms} == {eps}
        assert len(norms) > 40
        assert not any(isinstance(m, nn.BatchNorm2d) for m in model.backbone.body.modules())


def test_person_only_keeps_a_persons_probability_and_box():
    torch.manual_seed(0)
    predictor = FastRCNNPredictor(8, 91)
    features = torch.randn(5, 8)
    logits, offsets = predictor(features)
    two, boxes = networks.PersonOnly(predictor)(features)
    torch.testing.assert_close(two.softmax(1)[:, 1], logits.softmax(1)[:, 1])
    torch.testing.assert_close(boxes[:, 4:], offsets[:, 4:8])


def test_a_trained_checkpoint_says_network_and_input_size(tmp_path):
    size = {"input_size": torch.tensor([192, 256, 256])}
    file = networks.read_detector(write_weights(tmp_path / "a.pth", prefix="detector.", **size))
    assert (file.network, file.input_size, file.classes) == (TINY, (192, 256, 256), 2)
    model = networks.load_people_network(file, box_score_thresh=0.3)
    assert (model.transform.min_size, model.transform.max_size) == ((192,), 256)
    assert model.roi_heads.score_thresh == 0.3
    assert not networks.has_frozen_norms(file.weights)


def test_what_the_network_sees_of_a_picture():
    plain, square = networks.InputSize(192, 256), networks.InputSize(192, 256, 256)
    assert plain.padded_hw((400, 400)) == (192, 192)
    assert plain.padded_hw((260, 400)) == (192, 256)  # 166.4 by 256
    assert plain.padded_hw((400, 200)) == (256, 128)
    assert plain.padded_hw((1, 1)) == (192, 192)
    assert plain.padded_hw((3, 900)) == (0, 256)
    assert plain.padded_hw((0, 5)) == (0, 0)
    assert {square.padded_hw(size) for size in ((400, 400), (260, 400), (400, 200))} == {(256, 256)}
    with torch.device("meta"):
        model = networks.build_network(TINY, 2, square)
    assert networks.input_size_of(model) == square
    seen = networks.build_network(TINY, 2, plain).transform([torch.rand(3, 260, 400)])[0].tensors
    assert tuple(seen.shape[2:]) == plain.padded_hw((260, 400))


@pytest.mark.parametrize("height", [72, 128])
def test_what_is_found_does_not_depend_on_what_came_first(height):
    """Of pictures padded to squares torchvision infers another stride from a wide one than from a square."""
    torch.manual_seed(0)
    square = networks.InputSize(64, 128, 128)
    model = networks.build_network(TINY, 2, square, box_score_thresh=0.0).eval()
    picture = torch.randint(256, (3, 128, 128), dtype=torch.uint8)
    weights = model.state_dict()
    (expected,) = networks.run_network(model, [picture])
    again = networks.build_network(TINY, 2, square, box_score_thresh=0.0).eval()
    again.load_state_dict(weights)
    networks.run_network(again, [picture[:, :height]])
    (found,) = networks.run_network(again, [picture])
    assert len(found["boxes"]) > 0
    torch.testing.assert_close(found, expected)
    assert again.roi_heads.box_roi_pool.scales == [1 / 32, 1 / 32]


def test_a_state_dict_of_torchvision_is_read_as_it_is(tmp_path):
    path = write_weights(tmp_path / "coco.pth", classes=91)
    file = networks.read_detector(path, TINY)
    assert (file.network, file.input_size, file.classes) == (TINY, None, 91)
    assert networks.read_detector(path).network == "fasterrcnn_mobilenet_v3_large_fpn"  # equal names
    assert isinstance(networks.load_people_network(file).roi_heads.box_predictor, networks.PersonOnly)


def test_wrong_files_are_refused(tmp_path):
    path = write_weights(tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"expected fasterrcnn_resnet50_fpn, found the weights of"):
        networks.read_detector(path, "fasterrcnn_resnet50_fpn")
    with pytest.raises(ConfigError, match="'network' to be one of"):
        networks.read_detector(path, "yolo")
    torch.save({"fc.weight": torch.zeros(1)}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"is no Faster R-CNN of torchvision \(fc.weight"):
        networks.read_detector(tmp_path / "b.pth")
    five = networks.read_detector(write_weights(tmp_path / "c.pth", classes=5))
    with pytest.raises(CheckpointError, match=r"tells 5 classes apart; expected 2 .* or COCO's 91"):
        networks.load_people_network(five)


def test_without_weights_the_alternatives_are_said(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    with pytest.raises(CheckpointError) as caught:
        networks.published_weights("fasterrcnn_resnet50_fpn", download=False)
    text = str(caught.value)
    assert f"put it here: {tmp_path / 'weights' / 'fasterrcnn_resnet50_fpn_coco-258fb6c6.pth'}" in text
    for words in ("--weights finder", "tools/train_detector.py", "--detections", "--boxes", "whole frame"):
        assert words in text


def test_weights_in_torchvisions_own_folder_are_taken_if_they_are_whole(tmp_path, monkeypatch):
    monkeypatch.setenv("POSEKIT_HOME", str(tmp_path))
    monkeypatch.setenv("TORCH_HOME", str(tmp_path / "torch"))
    theirs = tmp_path / "torch" / "hub" / "checkpoints" / networks.weight_file(TINY).name
    theirs.parent.mkdir(parents=True)
    theirs.write_bytes(b"cut off")
    with pytest.raises(CheckpointError, match="not there"):
        networks.published_weights(TINY, download=False)
    monkeypatch.setattr(networks, "sha256", lambda path: "907ea3f9" + 56 * "0")
    assert networks.published_weights(TINY, download=False) == theirs


def test_people_are_those_that_torchvision_finds_with_its_own_loader(tmp_path, monkeypatch):
    """Random weights, which both load, stand in for published ones; of torchvision's 91 classes, label 1.

    Without suppression and cap: a random network's boxes are nearly as good as each other.
    """
    torch.manual_seed(0)
    start = networks.build_network(TINY, 91, frozen_norms=True).state_dict()
    for layer in ("fc6", "fc7"):
        start[f"roi_heads.box_head.{layer}.weight"] *= 1000
    published = networks.NETWORKS[TINY]
    monkeypatch.setattr(type(published), "get_state_dict", lambda self, **settings: start)
    settings = {"box_score_thresh": 1e-4, "box_nms_thresh": 1.0, "box_detections_per_img": 100_000}
    theirs = torchvision.models.detection.fasterrcnn_mobilenet_v3_large_320_fpn(weights=published, **settings)
    torch.save(start, tmp_path / "published.pth")
    ours = networks.load_people_network(networks.read_detector(tmp_path / "published.pth", TINY), **settings)
    images = [torch.rand(3, 90, 120), torch.rand(3, 150, 100)]
    with torch.inference_mode():
        expected, found = theirs.eval()(images), ours.eval()(images)
    for one, other in zip(expected, found, strict=True):
        people = one["labels"] == 1
        assert 0 < people.sum() < len(people)
        boxes, scores = one["boxes"][people], one["scores"][people]
        assert len(boxes) == len(other["boxes"])
        # Their order is rounding's.
        distance = (other["boxes"][:, None] - boxes[None]).abs().amax(2) + (
            other["scores"][:, None] - scores[None]
        ).abs()
        assert distance.min(0).values.max() < 1e-3
        assert distance.min(1).values.max() < 1e-3
