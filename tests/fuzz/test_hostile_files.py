"""Files made to fill the memory or to crash a decoder: refused."""

from __future__ import annotations

import gzip
import json
import pickle
import resource
import struct
import zipfile
import zlib
from pathlib import Path

import numpy as np
import pytest
from fuzz import samples

from posekit.datasets.coco import load_coco
from posekit.datasets.mpii import load_mpii
from posekit.datasets.mpii_mat import read_test_images
from posekit.detection.dataset import PeopleImages
from posekit.errors import CheckpointError, ConfigError, DataError
from posekit.io.checkpoint import read_checkpoint
from posekit.io.files import read_json
from posekit.io.images import read_image
from posekit.io.mat import read_mat
from posekit.io.npz import read_npz
from posekit.metrics.errors import read_errors
from posekit.metrics.ground_truth import read_coco
from posekit.metrics.mpii_truth import read_mpii
from posekit.metrics.results import read_mpii_predictions


@pytest.fixture(autouse=True)
def little_memory():
    """No test of this file may need more than 300 MB more than there was."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    yield
    assert resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before < 300_000


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


def test_image_ids_beyond_64_bits(tmp_path):
    (tmp_path / "a.json").write_text(json.dumps(samples.coco()))
    with pytest.raises(DataError, match="expected 'image_id' to be integers of 64 bits"):
        read_coco(tmp_path / "a.json", [2**70])


def test_arrays_stay_as_they_were(tmp_path):
    """The reader that all these go through still reads."""
    (tmp_path / "a.mat").write_bytes(samples.mat({"x": np.arange(3)}, compressed=True))
    assert read_mat(tmp_path / "a.mat")["x"].tolist() == [[0, 1, 2]]
    assert Path(tmp_path / "a.mat").stat().st_size < 300


def test_an_npz_that_unpacks_to_more_than_it_may(tmp_path):
    """Of zeros; and one whose header states more than it has, for which numpy would make room at once."""
    values = samples.error_values()
    np.savez_compressed(tmp_path / "a.npz", **{**values, "truth": np.zeros((50_000, 60, 2))})
    with pytest.raises(DataError, match=r"a\.npz: its .* bytes unpack to more than 16 MiB"):
        read_errors(tmp_path / "a.npz")
    header = b"{'descr': '<f8', 'fortran_order': False, 'shape': (1000000000000,), }"
    member = b"\x93NUMPY\x01\x00" + struct.pack("<H", len(header)) + header + bytes(80)
    with zipfile.ZipFile(tmp_path / "b.npz", "w") as archive:
        archive.writestr("truth.npy", member)
        archive.writestr("norm.npy", b"\x93NUMPY\x01\x00\x05\x00{'a':")
    with pytest.raises(DataError, match=r"'truth': states float64 .* which its 80 bytes are not"):
        read_npz(tmp_path / "b.npz", ["truth"])
    with pytest.raises(DataError, match=r"b\.npz: field 'norm': not an array of numpy"):
        read_npz(tmp_path / "b.npz", ["norm"])


def test_objects_in_an_npz_are_not_unpickled(tmp_path):
    np.savez(tmp_path / "a.npz", truth=np.array([{"a": 1}], object))
    with pytest.raises(DataError, match=r"a\.npz: field 'truth': .* holds objects"):
        read_npz(tmp_path / "a.npz", ["truth"])


@pytest.mark.parametrize("train", [samples.official_values()["RELEASE"], "x", np.array(["a", "b", "c"])])
def test_an_official_mat_whose_division_is_no_numbers(tmp_path, train):
    release = {**samples.official_values()["RELEASE"], "img_train": train}
    (tmp_path / "a.mat").write_bytes(samples.mat({"RELEASE": release}))
    for read in (lambda path: load_mpii(path, "", "trainval"), read_test_images):
        with pytest.raises(DataError, match=r"a\.mat, field 'RELEASE.img_train': expected 3 numbers"):
            read(str(tmp_path / "a.mat"))


def test_detections_of_nobody_are_named(tmp_path):
    (tmp_path / "truth.json").write_text(json.dumps(samples.coco()))
    (tmp_path / "d.json").write_text("[]")
    with pytest.raises(DataError, match=r"d\.json: expected at least one usable detection, found none"):
        load_coco(str(tmp_path / "truth.json"), "", samples.SKELETON, detections=str(tmp_path / "d.json"))
