"""Pictures and films of a web site on this machine: fetched, and looked at before they are used."""

from __future__ import annotations

import hashlib
import socket

import cv2
import numpy as np
import pytest
from toy_films import MILLISECOND, write_film

from posekit.errors import DataError
from posekit.io.images import read_image
from posekit.io.pictures import load_rgb
from posekit.io.video import VideoReader
from posekit.io.web_pictures import fetch_picture, is_url

IMAGE = np.full((24, 36, 3), (10, 120, 230), np.uint8)


def encoded(suffix: str) -> bytes:
    return cv2.imencode(suffix, IMAGE[..., ::-1])[1].tobytes()


def film(folder, suffix=".mp4") -> bytes:
    codec = "libx264" if suffix == ".mp4" else "ffv1"
    images = [np.full((32, 48, 3), 40 * n, np.uint8) for n in range(3)]
    return write_film(folder / f"f{suffix}", [0, 100, 200], MILLISECOND, codec, images=images).read_bytes()


@pytest.mark.parametrize(
    ("path", "suffix", "name"),
    [
        ("/a/photo.png", ".png", "photo.png"),
        ("/photo?id=5", ".jpg", "photo.jpg"),
        ("/photo.php", ".webp", "photo.php.webp"),
        ("/", ".bmp", "127.0.0.1.bmp"),
        ("/..%2F..%2Fetc%2F.profile", ".png", "profile.png"),
        ("/%E9%A6%AC%20%24x.jpeg", ".jpg", "馬__x.jpeg"),
    ],
)
def test_a_picture_has_a_name_that_says_what_it_is(site, tmp_path, capsys, path, suffix, name):
    content = encoded(suffix)
    site.add(path, content)
    found = fetch_picture(site.url(path), tmp_path)
    assert found.name == name
    assert found.parent.parent == tmp_path
    assert read_image(found).shape == IMAGE.shape
    said = capsys.readouterr().err
    assert f"downloading {site.url(path)}\n" in said
    assert f"{len(content):,} bytes, sha256 {hashlib.sha256(content).hexdigest()}" in said
    assert fetch_picture(site.url(path), tmp_path) != found  # of the same name, beside it


@pytest.mark.parametrize(("path", "name"), [("/f.mp4", "f.mp4"), ("/watch?v=1", "watch.mp4")])
def test_a_film(site, tmp_path, path, name):
    site.add(path, film(tmp_path))
    found = fetch_picture(site.url(path), tmp_path)
    assert found.name == name
    assert len(list(VideoReader(found))) == 3
    with pytest.raises(DataError, match=r"is a film; tools/demo\.py takes one"):
        load_rgb(site.url(path))


def test_an_address_as_people_copy_it(site, tmp_path):
    site.add("/my%20photos/%C3%B6.png?a=b&c=%20d", encoded(".png"))
    assert fetch_picture(site.url("/my photos/ö.png?a=b&c=%20d"), tmp_path).name == "ö.png"


def test_a_host_of_any_language(site, tmp_path, monkeypatch):
    asked, known = [], socket.getaddrinfo
    names = lambda host, *words: asked.append(host) or known("127.0.0.1", *words)  # noqa: E731
    monkeypatch.setattr(socket, "getaddrinfo", names)
    monkeypatch.setenv("no_proxy", "*")
    site.add("/a.png", encoded(".png"))
    assert fetch_picture(site.url("/a.png").replace("127.0.0.1", "bücher.例え.test"), tmp_path).is_file()
    assert asked == ["xn--bcher-kva.xn--r8jz45g.test"]


def test_a_long_name_is_cut_by_bytes(site, tmp_path):
    site.add("/" + "%E5%86%99" * 95 + ".png", encoded(".png"))
    assert fetch_picture(site.url("/" + "写" * 95 + ".png"), tmp_path).name == "写" * 32 + ".png"


NO_HOSTS = ["http://a..b/x.png", f"http://{'a' * 64}.org/x.png"]


@pytest.mark.parametrize(
    "url", [*NO_HOSTS, "http://bü..b/x.png", f"http://{'ü' * 64}.org/", "http://h/\udce9"]
)
def test_what_is_no_address(tmp_path, monkeypatch, url):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match=r": is no address.*: .*\n  by hand"):
        fetch_picture(url, tmp_path)


@pytest.mark.parametrize("url", [*NO_HOSTS, "http://[::1/x"])
def test_a_redirect_to_no_address(site, tmp_path, url):
    site.add("/away.png", status=302, Location=url)
    with pytest.raises(DataError, match=r"away\.png: is no address, or redirects to what is none: "):
        fetch_picture(site.url("/away.png"), tmp_path)


@pytest.mark.parametrize(
    ("content", "why"),
    [
        (
            b"\n<!doctype html><title>photo</title>",
            "is a web page, .*; take the address of the picture itself",
        ),
        (b"hello", "what it sends is neither a picture nor a film that can be read; it begins with b'hello'"),
        (b"", "neither a picture nor a film"),
        (b"\0\0\0\x18ftypmp42" + bytes(99), "neither a picture nor a film"),
    ],
)
@pytest.mark.parametrize("path", ["/photo.jpg", "/photo", "/film.mp4"])
def test_what_is_no_picture(site, tmp_path, content, why, path):
    site.add(path, content)
    with pytest.raises(DataError, match=why) as error:
        fetch_picture(site.url(path), tmp_path)
    assert str(error.value).startswith(f"{site.url(path)}: ")
    assert f"curl -L -o '{path[1:]}' '{site.url(path)}'" in str(error.value)


def test_answers_that_are_no_file(site, tmp_path, monkeypatch):
    with pytest.raises(DataError, match=r"none\.png: answers 404 \(Not Found\)\.\n  by hand: save it"):
        fetch_picture(site.url("/none.png"), tmp_path)
    site.add("/moved.png", status=302, Location=site.url("/a.png"))
    site.add("/a.png", encoded(".png"))
    assert fetch_picture(site.url("/moved.png"), tmp_path).name == "moved.png"
    site.add("/away.png", status=302, Location="file:///etc/passwd")
    with pytest.raises(DataError, match=r"only http and https is downloaded|is not allowed"):
        fetch_picture(site.url("/away.png"), tmp_path)
    for url in ("file:///etc/passwd", "ftp://127.0.0.1/a.png", "s3://bucket/a.png"):
        with pytest.raises(DataError, match="expected an address of http or https, or a file"):
            fetch_picture(url, tmp_path)
    monkeypatch.setenv("POSEKIT_MAX_DOWNLOAD_MB", "1")
    for stated in ("2000000", ""):
        site.add("/large.png", bytes(2_000_000), **{"Content-Length": stated})
        with pytest.raises(DataError, match=r"sends [\d,]+ bytes or more; expected at most 1,048,576 "):
            fetch_picture(site.url("/large.png"), tmp_path)


def test_a_server_that_is_not_there(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    with pytest.raises(DataError, match=r"a\.png: cannot be reached .*\n  by hand"):
        fetch_picture("http://127.0.0.1:9/a.png", tmp_path)  # the port of nobody


def test_a_picture_to_look_at_is_not_kept(site, tmp_path, monkeypatch):
    monkeypatch.setenv("TMPDIR", str(tmp_path))
    monkeypatch.setattr("tempfile.tempdir", None)
    site.add("/a.png", encoded(".png"))
    np.testing.assert_array_equal(load_rgb(site.url("/a.png")), IMAGE)
    site.add("/cut.png", encoded(".png")[:-20])
    with pytest.raises(DataError, match=rf"^{site.url('/cut.png')}: image file is truncated"):
        load_rgb(site.url("/cut.png"))
    assert list(tmp_path.iterdir()) == []


def test_what_is_an_address(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    assert is_url("https://example.org/a.jpg")
    assert not is_url("C:/a.jpg")
    assert not is_url("photos/a.jpg")
    (tmp_path / "http:" / "x").mkdir(parents=True)
    assert not is_url("http://x")  # of a file that is there
