"""A file whose annotations are parsed in pieces is the file, or is parsed as a whole."""

import json

import pytest

from posekit.datasets import coco_pieces
from posekit.datasets.coco_pieces import cut_annotations
from posekit.io.files import parse_json

PLAIN = {"id": 2, "bbox": [1, 2.5, 1e-3, -4], "name": 'é"}'}


@pytest.fixture(autouse=True)
def small_pieces(monkeypatch):
    monkeypatch.setattr(coco_pieces, "_PIECE", 99)


def put_together(text):
    content, pieces = cut_annotations(text.encode("utf-8"))
    pieces = list(pieces)
    assert content["annotations"] == []
    records = [record for piece in pieces for record in piece]
    return {name: records if name == "annotations" else content[name] for name in content if name}, len(
        pieces
    )


@pytest.mark.parametrize("indent", [None, 1])
@pytest.mark.parametrize("ascii_only", [False, True])
@pytest.mark.parametrize("separators", [None, (",", ":"), (" \r\n,\t", "\n:\n")])
@pytest.mark.parametrize("order", ["images annotations categories", "annotations images", "info annotations"])
def test_the_parts_are_the_whole(indent, ascii_only, separators, order):
    written = {"indent": indent, "ensure_ascii": ascii_only, "separators": separators}
    parts = {
        "images": [{"id": 1, "file_name": "annotations.jpg"}],
        "annotations": [PLAIN | {"id": n} for n in range(30)] + [PLAIN | {"attributes": {"a": {}}}],
        "categories": [{"id": 1, "keypoints": ["a"], "skeleton": [[1, 2]]}],
        "info": {"annotations": 3},
    }
    content = {name: parts[name] for name in order.split()}
    found, pieces = put_together(json.dumps(content, **written))
    assert found == content
    assert 5 < pieces <= 31


A = json.dumps([PLAIN] * 9)


@pytest.mark.parametrize(
    "text",
    [
        "",
        "[]",
        '{"annotations": []}',
        '{"annotations": {}}',
        f'[{{"annotations": {A}}}]',
        f'{{"a": {{"annotations": {A}}}}}',
        f'{{"annotations": {A}, "annotations": []}}',
        f'{{"annotations": {A}, "annot\\u0061tions": []}}',
        f'{{"annotations": {A}',
        f'{{"annotations": {A}}}}}',
        f'{{"annotations": {A}.5}}',
        f'{{"annotations": {A}e5, "images": []}}',
        f'{{"annotations": {A}}} []',
        f'{{"annotations": {A[:-1]},]}}',
        f'{{"annotations": {A[:-1]}\f]}}',
        f'{{"annotations": {A[:-1]},,{A[1:]}}}',
        f'{{"annotations": {A[:-1]}\f,{A[1:]}}}',
        f'{{"annotations": [,{A[1:]}}}',
        f'{{"annotations": {A[:-1]}, {{"parts": [{{}}], "a": [{{}}]}}]}}',
        f'{{"a\\"annotations": {A}, "b": 1}}',
        f'{{"annot\\u0061tions": [], "a\\"annotations": {A}}}',
        '{"a": "\\"annotations\\": [{}]"}',
        json.dumps({"annotations": [PLAIN | {"name": "}, {" * 99}]}),
        json.dumps({"annotations": [PLAIN] * 9}).encode("utf-16").decode("latin-1"),
    ],
)
def test_what_cannot_be_cut_is_said(text):
    with pytest.raises((ValueError, RecursionError)):
        put_together(text)


def test_numbers_are_those_of_the_whole():
    numbers = "[NaN, -Infinity, 1.5, 12345678901234567890123]"
    text = f'{{"annotations": [{{"a": {numbers}}}, {{"a": 2}}, {{"a": {"9" * 400}}}]}}'
    found, _ = put_together(text)
    assert repr(found) == repr(parse_json(text.encode()))


def test_a_piece_is_parsed_when_it_is_asked_for(monkeypatch):
    """All at once, they take the memory that the pieces are there to save."""
    parsed = []
    monkeypatch.setattr(coco_pieces, "parse_json", lambda text: parsed.append(text) or parse_json(text))
    _, pieces = cut_annotations(f'{{"annotations": {A}}}'.encode())
    for number in range(2, 5):
        assert len(parsed) == number
        next(pieces)
