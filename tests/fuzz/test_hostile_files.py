"""Files made to harm: bombs, pickles that call, names that lead out of the folder. Refused, nothing run."""

from __future__ import annotations

import gzip
import io
import json
import os
import pickle
import resource
import struct
import sys
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
import torch
from fuzz import samples

from posekit.datasets.coco import load_coco
from posekit.datasets.images import image_size_hw, missing_images, read_image
from posekit.detection.dataset import PeopleImages
from posekit.engine.checkpoint import read_checkpoint
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.files import read_json, read_mat
from posekit.inference.bundle import read_bundle
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.mpii_truth import read_mpii
from posekit.metrics.results import read_mpii_predictions
from posekit.video import VideoReader


@pytest.fixture(autouse=True)
def little_memory():
    """No test of this file may need more than 300 MB more than there was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


# --- decompression bombs ---------------------------------------------------------------------------------


def png(width, height):
    def chunk(kind, content):
        return (
            struct.pack(">I", len(content)) + kind + content + struct.pack(">I", zlib.crc32(kind + content))
        )

    head = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", head)
        + chunk(b"IDAT", zlib.compress(bytes(999)))
        + chunk(b"IEND", b"")
    )


def changed(suffix, at, word):
    content = bytearray(samples.picture(suffix))
    content[at : at + len(word)] = word
    return bytes(content)


def jpeg():
    content = samples.picture(".jpg")
    return changed(".jpg", content.index(b"\xff\xc0") + 5, b"\xff\xdc\xff\xdc")


BOMBS = {
    "a.png": (lambda: png(100_000, 100_000), "states 100000 x 100000 pixels; expected at most 100,000,000"),
    "a.jpg": (jpeg, "states 65500 x 65500 pixels"),
    "a.bmp": (
        lambda: changed(".bmp", 18, struct.pack("<ii", 50_000, -50_000)),
        "states 50000 x 50000 pixels",
    ),
    "a.gif": (lambda: changed(".gif", 6, struct.pack("<HH", 60_000, 60_000)), "states 60000 x 60000 pixels"),
    "a.webp": (lambda: webp(), "states 16777216 x 16777216 pixels"),
    "a.ppm": (lambda: b"P6 100000 100000 255\n" + bytes(99), "not an image that OpenCV can decode"),
    "a.tif": (lambda: tiff(), "not an image that OpenCV can decode"),
}


def webp():
    body = b"WEBPVP8X" + struct.pack("<I", 10) + bytes(4) + b"\xff" * 6 + samples.picture(".webp")[12:]
    return b"RIFF" + struct.pack("<I", len(body)) + body


def tiff():
    content = bytearray(samples.picture(".tiff"))
    for tag in (256, 257):
        at = content.index(struct.pack("<H", tag) + b"\x03\x00\x01\x00", 4)
        content[at : at + 12] = struct.pack("<HHII", tag, 4, 1, 60_000)
    return bytes(content)


@pytest.mark.parametrize("name", BOMBS)
def test_pictures_of_giant_sizes_are_refused(tmp_path, name):
    make, message = BOMBS[name]
    (tmp_path / name).write_bytes(make())
    with pytest.raises(DataError, match=rf"{name}: .*{message}"):
        read_image(tmp_path / name)


def test_the_pixel_limit_can_be_set(tmp_path, monkeypatch):
    (tmp_path / "a.png").write_bytes(samples.picture(".png"))
    monkeypatch.setenv("POSEKIT_MAX_PIXELS", "479")
    with pytest.raises(DataError, match=r"a\.png: its header states 20 x 24 pixels; expected at most 479"):
        read_image(tmp_path / "a.png")
    monkeypatch.setenv("POSEKIT_MAX_PIXELS", "480")
    assert read_image(tmp_path / "a.png").shape == (24, 20, 3)
    monkeypatch.setenv("POSEKIT_MAX_PIXELS", "many")
    with pytest.raises(
        ConfigError, match="POSEKIT_MAX_PIXELS: expected a positive whole number, found 'many'"
    ):
        read_image(tmp_path / "a.png")


def test_a_png_chunk_that_states_more_than_there_is(tmp_path):
    content = bytearray(samples.picture(".png"))
    at = content.index(b"IDAT") - 4
    content[at : at + 4] = b"\x7f\xff\xff\xf0"  # OpenCV would make room for it
    (tmp_path / "a.png").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.png: image file is truncated"):
        read_image(tmp_path / "a.png")


def test_a_gzipped_json_bomb(tmp_path, monkeypatch):
    content = b"[" + b" " * 40_000_000 + b"]"
    (tmp_path / "a.json.gz").write_bytes(gzip.compress(content))
    with pytest.raises(
        DataError, match=r"a\.json\.gz: its .* bytes unpack to more than 16 MiB.*MAX_UNPACKED_MB"
    ):
        read_json(tmp_path / "a.json.gz")
    monkeypatch.setenv("POSEKIT_MAX_UNPACKED_MB", "64")
    assert read_json(tmp_path / "a.json.gz") == []


def mat_with(element):
    """A MATLAB file of one variable, packed."""
    packed = zlib.compress(element)
    return samples.mat({"x": 1})[:128] + struct.pack("<II", 15, len(packed)) + packed


def matrix(kind, sides, *parts, name=b""):
    body = struct.pack("<IIII", 6, 8, kind, 0) + struct.pack("<II", 5, 4 * len(sides))
    body += b"".join(struct.pack("<i", side) for side in sides) + bytes(-4 * len(sides) % 8)
    body += struct.pack("<II", 1, len(name)) + name + bytes(-len(name) % 8) + b"".join(parts)
    return struct.pack("<II", 14, len(body)) + body


def nested(depth):
    element = matrix(6, (0, 0), struct.pack("<II", 9, 0))
    for _ in range(depth):
        element = matrix(1, (1, 1), element)
    return element


@pytest.mark.parametrize(
    ("element", "message"),
    [
        (
            lambda: matrix(6, (1, 5_000_000), struct.pack("<II", 9, 40_000_000), bytes(40_000_000)),
            "unpack to more than",
        ),
        (lambda: matrix(1, (30_000, 30_000)), "states 900000000 elements in 0 bytes"),
        (lambda: matrix(4, (30_000, 30_000), struct.pack("<II", 16, 0)), "states 900000000 elements"),
        (
            lambda: matrix(2, (30_000, 30_000), struct.pack("<II", 0x40005, 8), struct.pack("<II", 1, 0)),
            "states 900000000 elements",
        ),
        (lambda: matrix(6, (2, 2), struct.pack("<II", 9, 4_000_000_000)), "longer than what holds it"),
        (
            lambda: matrix(6, (0, 0), struct.pack("<II", 0x29, 0)),
            "numbers at byte 48 .* of the unknown kind 41",
        ),
        (lambda: nested(3000), "nested more than 32 deep"),
        (lambda: matrix(17, (1, 1)), "matrix of kind 17"),
    ],
    ids=["zeros", "cells", "text", "structs", "length", "kind", "nested", "object"],
)
def test_mat_bombs(tmp_path, element, message):
    (tmp_path / "a.mat").write_bytes(mat_with(element()))
    with pytest.raises(DataError, match=rf"a\.mat: .*{message}"):
        read_mat(tmp_path / "a.mat")


def test_infinite_head_boxes(tmp_path):
    boxes = np.ones((2, 2, 3)) * [[[1]], [[3]]]
    boxes[1, 0, 2] = np.inf
    variables = {"jnt_missing": np.zeros((16, 3)), "pos_gt_src": np.ones((16, 2, 3)), "headboxes_src": boxes}
    (tmp_path / "a.mat").write_bytes(samples.mat(variables))
    with pytest.raises(DataError, match=r"'headboxes_src': person 2 has an empty or infinite head box"):
        read_mpii(tmp_path / "a.mat")


def test_a_message_shows_the_beginning_of_a_long_list(tmp_path):
    content = samples.coco()
    content["annotations"][0]["bbox"] = [list(range(5000))] * 4
    (tmp_path / "a.json").write_text(json.dumps(content))
    for read in (
        lambda path: load_coco(path, "", samples.SKELETON),
        lambda path: PeopleImages(path, str(tmp_path)),
    ):
        with pytest.raises(DataError, match="field 'bbox'") as error:
            read(str(tmp_path / "a.json"))
        assert len(str(error.value)) < 600


def test_cells_and_structs_are_still_read(tmp_path):
    (tmp_path / "a.mat").write_bytes(mat_with(nested(5)))
    (tmp_path / "b.mat").write_bytes(samples.official(compressed=True))
    assert len(read_mat(tmp_path / "b.mat", struct_as_record=False, squeeze_me=True)["RELEASE"].annolist) == 3


def test_an_npy_that_states_more_than_it_has(tmp_path):
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000, 16, 2), }"
    (tmp_path / "p.npy").write_bytes(
        b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(99)
    )
    with pytest.raises(DataError, match=r"p\.npy: is not a readable \.npy file"):
        read_mpii_predictions(tmp_path / "p.npy", None)


def test_a_zip_bomb_among_checkpoints(tmp_path):
    with zipfile.ZipFile(tmp_path / "a.pth", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("a/data/0", bytes(60_000_000))
    with pytest.raises(CheckpointError, match=r"a\.pth: its .* bytes unpack to more than 16 MiB"):
        read_checkpoint(tmp_path / "a.pth")


# --- checkpoints -----------------------------------------------------------------------------------------


class Call:
    def __init__(self, function, *args):
        self.function, self.args = function, args

    def __reduce__(self):
        return self.function, self.args


def text(value):
    return b"X" + struct.pack("<I", len(value)) + value.encode()


def pickles(mark):
    """Pickles that would make the file ``mark``, or too much, if something loaded them."""
    command = f"touch {mark}"
    return {
        "GLOBAL and REDUCE": b"\x80\x02cos\nsystem\n" + text(command) + b"\x85R.",
        "builtins": b"\x80\x02c__builtin__\neval\n" + text("1") + b"\x85R.",
        "STACK_GLOBAL": b"\x80\x04" + text("os") + text("system") + b"\x93" + text(command) + b"\x85R.",
        "INST": b"(" + text(command) + b"ios\nsystem\n.",
        "OBJ": b"(cos\nsystem\n" + text(command) + b"o.",
        "NEWOBJ": b"\x80\x02csubprocess\nPopen\n" + text(command) + b"\x85\x81.",
        "NEWOBJ_EX": b"\x80\x04csubprocess\nPopen\n" + text(command) + b"\x85}\x92.",
        "BUILD": b"\x80\x02ccollections\nOrderedDict\n)R" + b"}" + text("__class__") + b"cos\nsystem\nsb.",
        "EXT1": b"\x80\x02\x82\x01.",
        "behind a persistent id": b"\x80\x02(" + text("storage") + b"cos\nsystem\n" + text("0") + b"tQ.",
        "in a dict": b"\x80\x02}" + text("state_dict") + b"cposix\nsystem\n" + text(command) + b"\x85Rs.",
        "after a stop": b"\x80\x02}.cos\nsystem\n" + text(command) + b"\x85R.",
        "bytearray": b"\x80\x02c__builtin__\nbytearray\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "Tensor": b"\x80\x02ctorch\nTensor\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "UntypedStorage": b"\x80\x02ctorch.storage\nUntypedStorage\n\x8a\x05\x00\x00\x00\x00\x10\x85R.",
        "nested tensor": b"\x80\x02ctorch._utils\n_rebuild_nested_tensor\n)R.",
        "getattr": b"\x80\x02c__builtin__\ngetattr\ncos\nsystem\n" + text("x") + b"\x86R.",
        "import": b"\x80\x02cantigravity\nx\n.",
    }


def write_zip(path, content):
    with zipfile.ZipFile(path, "w") as archive:
        archive.writestr("a/data.pkl", content)
        archive.writestr("a/version", b"3\n")
        archive.writestr("a/byteorder", b"little")


def write_legacy(path, content):
    head = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {})
    path.write_bytes(b"".join([*(pickle.dumps(part, 2) for part in head), content, pickle.dumps([], 2)]))


@pytest.mark.parametrize("write", [write_zip, write_legacy])
@pytest.mark.parametrize("name", pickles(""))
def test_pickles_that_call_are_refused(tmp_path, name, write, monkeypatch):
    mark = tmp_path / "ran"
    write(tmp_path / "a.pth", pickles(mark)[name])
    if not (name == "after a stop" and write is write_zip):  # there it is never reached
        monkeypatch.setattr(torch, "load", lambda *args, **kwargs: pytest.fail("torch must not see it"))
        with pytest.raises(CheckpointError, match=r"a\.pth: (refused|damaged)"):
            read_checkpoint(tmp_path / "a.pth")
    else:
        assert read_checkpoint(tmp_path / "a.pth") == {}
    assert not mark.exists()
    assert "antigravity" not in sys.modules


def test_a_call_in_every_part_of_a_legacy_file(tmp_path):
    valid = samples.checkpoint(False)
    head = (torch.serialization.MAGIC_NUMBER, torch.serialization.PROTOCOL_VERSION, {"little_endian": True})
    call = pickle.dumps(Call(os.system, f"touch {tmp_path / 'ran'}"), 2)
    for place in range(1, 5):
        parts = [*(pickle.dumps(part, 2) for part in head), pickle.dumps({}, 2), pickle.dumps([], 2)]
        parts[place] = call
        (tmp_path / "a.pth").write_bytes(b"".join(parts))
        with pytest.raises(
            CheckpointError, match=r"refused, because loading it could run code.*posix\.system"
        ):
            read_checkpoint(tmp_path / "a.pth")
    (tmp_path / "b.pth").write_bytes(valid + call)  # behind the end
    assert set(read_checkpoint(tmp_path / "b.pth")) == {"state_dict", "meta", "optimizer"}
    assert not (tmp_path / "ran").exists()


def test_archives_in_archives(tmp_path):
    inner = io.BytesIO()
    torch.save({"a": torch.ones(2)}, inner)
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", inner.getvalue())
    with pytest.raises(CheckpointError, match=r"a\.pth: (damaged|refused)"):
        read_checkpoint(tmp_path / "a.pth")
    # Two pickles: torch takes one, and both are looked through.
    with zipfile.ZipFile(tmp_path / "b.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps({}, 2))
        archive.writestr("a/b/data.pkl", pickle.dumps(Call(os.system, "true"), 2))
    with pytest.raises(CheckpointError, match="refused, because loading it could run code"):
        read_checkpoint(tmp_path / "b.pth")


@pytest.mark.filterwarnings("ignore:Duplicate name")
@pytest.mark.parametrize("second", ["a/data.pkl", "a/DATA.PKL"])
def test_two_records_of_one_name(tmp_path, second):
    with zipfile.ZipFile(tmp_path / "a.pth", "w") as archive:
        archive.writestr("a/data.pkl", pickle.dumps(Call(os.system, "true"), 2))
        archive.writestr(second, pickle.dumps({}, 2))
    with pytest.raises(CheckpointError, match=r"a\.pth: .*it holds two records of one name"):
        read_checkpoint(tmp_path / "a.pth")


def test_image_ids_beyond_64_bits(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(samples.coco()))
    with pytest.raises(DataError, match="expected 'image_id' to be integers of 64 bits"):
        read_coco(tmp_path / "a.json", [2**70])


def test_lists_that_hold_each_other(tmp_path):
    value = ["x"] * 10
    for _ in range(30):
        value = [value] * 10
    torch.save({"state_dict": value}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"a\.pth: its lists hold each other"):
        read_checkpoint(tmp_path / "a.pth")
    own: list = []
    own.append(own)
    torch.save({"a": own}, tmp_path / "b.pth")
    with pytest.raises(CheckpointError, match=r"b\.pth: its lists hold each other"):
        read_checkpoint(tmp_path / "b.pth")


def test_a_tensor_that_repeats_one_number_without_end(tmp_path):
    torch.save({"a": torch.ones(1).expand(10**6, 10**6)}, tmp_path / "a.pth")
    with pytest.raises(CheckpointError, match=r"shape \(1000000, 1000000\) stands on 4 bytes"):
        read_checkpoint(tmp_path / "a.pth")
    torch.save({"a": torch.ones(1).expand(3, 4)}, tmp_path / "b.pth")
    assert read_checkpoint(tmp_path / "b.pth")["a"].shape == (3, 4)


def tensors_file(header, data=bytes(16), length=None):
    content = header if isinstance(header, bytes) else json.dumps(header).encode()
    return struct.pack("<Q", len(content) if length is None else length) + content + data


def entry(begin, end, shape=(4,)):
    return {"dtype": "F32", "shape": list(shape), "data_offsets": [begin, end]}


@pytest.mark.parametrize(
    "content",
    [
        tensors_file({"a": entry(0, 16), "b": entry(0, 16)}),
        tensors_file({"a": entry(0, 16), "b": entry(8, 24)}, bytes(24)),
        tensors_file({"a": entry(0, 2**64 - 1)}),
        tensors_file({"a": entry(0, 2**70)}),
        tensors_file({"a": entry(16, 0)}),
        tensors_file({"a": entry(0, 16, (2**62, 2**62))}),
        tensors_file({"a": entry(0, 16, (-4,))}),
        tensors_file({"a": entry(0, 16)}, length=2**63),
        tensors_file({"a": entry(0, 16)}, length=2**33),
        tensors_file({"a": entry(0, 16)}, b""),
        tensors_file(b'{"a":' * 20_000),
        tensors_file({"__metadata__": {"a": 1}}),
        tensors_file({"a": {**entry(0, 16), "dtype": "OBJECT"}}),
    ],
    ids=[
        "same",
        "overlap",
        "end",
        "overflow",
        "reversed",
        "shape",
        "negative",
        "header",
        "large header",
        "no data",
        "nested",
        "metadata",
        "dtype",
    ],
)
def test_safetensors_with_wrong_numbers(tmp_path, content):
    (tmp_path / "a.safetensors").write_bytes(content)
    with pytest.raises(CheckpointError, match=r"a\.safetensors: damaged"):
        read_checkpoint(tmp_path / "a.safetensors")


# --- cards of bundles ------------------------------------------------------------------------------------


def write_bundle_files(folder, **changes):
    card = {**samples.CARD, "model": {**samples.CARD["model"], **changes}}
    (folder / "a.json").write_text(json.dumps(card))
    (folder / "a.safetensors").write_bytes(samples.bundle_weights())
    return folder / "a.safetensors"


@pytest.mark.parametrize(
    "changes",
    [
        {"type": "os.system", "command": "true"},
        {"type": "subprocess.Popen", "args": ["true"]},
        {"backbone": {"type": "posix.system", "command": "true"}},
        {"head": {"type": "builtins.eval"}},
        {"backbone": {"type": "torch.load", "f": "a.pth"}},
        {"backbone": {"type": "posekit.files.write_text", "path": "x", "text": "x"}},
        {
            "head": {
                **samples.CARD["model"]["head"],
                "codec": {"type": "mmengine.Config.fromfile", "filename": "x.py"},
            }
        },
    ],
)
def test_a_card_names_posekits_parts_alone(tmp_path, monkeypatch, changes):
    monkeypatch.setattr(os, "system", lambda *args: pytest.fail("it was run"))
    with pytest.raises(CheckpointError, match=r"a\.json: .*expected the name of one of posekit's parts"):
        read_bundle(write_bundle_files(tmp_path, **changes))


@pytest.mark.parametrize(
    ("backbone", "message"),
    [
        ({"features": 100_000}, "more weights than its file"),
        ({"stacks": 90_000}, "more weights than its file"),
        ({"features": 10**9}, "expected a number of at most"),
        ({"features": float("nan")}, "expected a number of at most"),
        ({"pretrained": "/etc/passwd"}, "not allowed on a card"),
    ],
)
def test_a_card_of_a_giant_network(tmp_path, backbone, message):
    path = write_bundle_files(tmp_path, backbone={**samples.CARD["model"]["backbone"], **backbone})
    with pytest.raises(CheckpointError, match=rf"a\.json: .*{message}"):
        read_bundle(path)


# --- names -----------------------------------------------------------------------------------------------

NAMES = [
    "../a.png",
    "/etc/passwd",
    "sub/../../a.png",
    "..\\a.png",
    "C:\\a.png",
    "C:a.png",
    "\\\\server\\a.png",
    "a\0.png",
    "..",
    "",
    "x" * 1001,
]


@pytest.mark.parametrize("name", NAMES, ids=range(len(NAMES)))
def test_image_names_stay_in_the_folder(tmp_path, name):
    content = samples.coco()
    content["images"][1]["file_name"] = name
    (tmp_path / "a.json").write_text(json.dumps(content))
    with pytest.raises(DataError, match=r"a\.json: image id 6, field 'file_name': expected .*, found"):
        load_coco(str(tmp_path / "a.json"), str(tmp_path / "images"), samples.SKELETON)


def test_links_stay_in_the_folder(tmp_path, monkeypatch):
    images, outside = tmp_path / "images", tmp_path / "outside"
    for folder in (images / "sub", outside):
        folder.mkdir(parents=True)
        (folder / "a.png").write_bytes(samples.picture(".png"))
    (images / "inner.png").symlink_to(images / "sub" / "a.png")
    (images / "outer.png").symlink_to(outside / "a.png")
    (images / "folder").symlink_to(outside)
    (tmp_path / "chosen").symlink_to(images)
    assert missing_images(tmp_path / "chosen", ["inner.png", "sub/a.png", "b.png"]) == ["b.png"]
    for name in ("outer.png", "folder/a.png"):
        with pytest.raises(
            DataError, match=rf"{name}: expected a file inside the image folder, found a link to "
        ):
            missing_images(images, [name])
    monkeypatch.setenv("POSEKIT_OUTSIDE_LINKS", "allow")
    assert missing_images(images, ["outer.png", "folder/a.png"]) == []


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="needs named pipes")
def test_a_pipe_or_a_device_is_no_image(tmp_path):
    os.mkfifo(tmp_path / "a.jpg")  # opened for reading, it would wait for ever
    (tmp_path / "b.jpg").symlink_to("/dev/zero")
    for name in ("a.jpg", "b.jpg"):
        for read in (read_image, image_size_hw):
            with pytest.raises(DataError, match=rf"{name}: image cannot be read: not a regular file"):
                read(tmp_path / name)


def test_names_that_no_file_can_have(tmp_path):
    assert missing_images(tmp_path, ["x" * 300 + "/a.jpg", "y" * 300, "a\0/b"]) == [
        "x" * 300 + "/a.jpg",
        "y" * 300,
        "a\0/b",
    ]
    for name in ("a\0b.jpg", "x" * 300):
        with pytest.raises(DataError, match="image cannot be read"):
            read_image(tmp_path / name)


@pytest.mark.parametrize(
    "content",
    [
        b"#EXTM3U\n#EXT-X-TARGETDURATION:1\n#EXTINF:1,\nfile:///etc/passwd\n#EXT-X-ENDLIST\n",
        b"ffconcat version 1.0\nfile /etc/passwd\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\nc=IN IP4 127.0.0.1\nm=video 5000 RTP/AVP 96\n",
        b'<?xml version="1.0"?><MPD></MPD>' * 50,
        b"",
    ],
    ids=["hls", "concat", "sdp", "dash", "empty"],
)
def test_a_playlist_is_no_video(tmp_path, content):
    (tmp_path / "a.mp4").write_bytes(content)
    with pytest.raises(DataError, match=r"a\.mp4: is (a text, not a video|empty)"):
        VideoReader(tmp_path / "a.mp4")


def test_arrays_stay_as_they_were(tmp_path):
    """The reader that all these go through still reads."""
    (tmp_path / "a.mat").write_bytes(samples.mat({"x": np.arange(3)}, compressed=True))
    assert read_mat(tmp_path / "a.mat")["x"].tolist() == [[0, 1, 2]]
    assert Path(tmp_path / "a.mat").stat().st_size < 300
