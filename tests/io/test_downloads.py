"""Downloads from a server on this machine: resumed, verified, and explained when they fail."""

from __future__ import annotations

import hashlib
import http.server
import re
import socket
import threading
import urllib.error
import urllib.request

import pytest
from web_site import serving

from posekit.errors import CheckpointError
from posekit.io import downloads, transfer
from posekit.io.downloads import WeightFile, obtain, weights_folder

CONTENT = bytes(range(256)) * 4096  # 1 MiB
DIGEST = hashlib.sha256(CONTENT).hexdigest()
PAGE = "https://example.org/zoo"


class Server(http.server.ThreadingHTTPServer):
    """Serves CONTENT as /weights.pth.

    Attributes:
        ranges: Whether it knows the Range header.
        breaks: Bytes after which the next answers break off, one entry an answer.
        asked: The Range header of each request.
        stated: Content-Length in place of the right one; "": none.
    """

    def __init__(self):
        super().__init__(("127.0.0.1", 0), Handler)
        self.ranges, self.breaks, self.asked, self.content = True, [], [], CONTENT
        self.redirect, self.stated = "", None
        self.url = f"http://127.0.0.1:{self.server_port}/weights.pth"


class Handler(http.server.BaseHTTPRequestHandler):
    server: Server

    def do_GET(self):
        wanted = self.headers.get("Range")
        self.server.asked.append(wanted)
        content = self.server.content
        if self.server.redirect:
            self.send_response(302)
            self.send_header("Location", self.server.redirect)
            self.end_headers()
            return
        if self.path != "/weights.pth":
            self.send_error(404)
            return
        start = int(wanted.removeprefix("bytes=").rstrip("-")) if wanted and self.server.ranges else 0
        if start >= len(content):
            self.send_response(416)
            self.send_header("Content-Range", f"bytes */{len(content)}")
            self.end_headers()
            return
        self.send_response(206 if start else 200)
        stated = str(len(content) - start) if self.server.stated is None else self.server.stated
        if stated:
            self.send_header("Content-Length", stated)
        if start:
            self.send_header("Content-Range", f"bytes {start}-{len(content) - 1}/{len(content)}")
        self.end_headers()
        sent = content[start:]
        if self.server.breaks:
            sent = sent[: self.server.breaks.pop(0)]
        self.wfile.write(sent)

    def log_message(self, *args):
        pass


@pytest.fixture
def server(monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "_SCHEMES", ("https", "http"))  # this machine's server has no certificate
    with serving(Server()) as server:
        yield server


def file_at(server, sha256=DIGEST[:8], name="weights.pth", url=None):
    return WeightFile(name, PAGE, url or server.url, sha256)


def names(folder):
    return sorted(path.name for path in folder.iterdir())


@pytest.mark.parametrize("sha256", [DIGEST, DIGEST[:8], DIGEST[:8].upper()], ids=["64", "8", "upper"])
def test_whole_transfer(server, tmp_path, capsys, sha256):
    path = obtain(file_at(server, sha256), tmp_path / "new" / "folder")
    assert path == tmp_path / "new" / "folder" / "weights.pth"
    assert path.read_bytes() == CONTENT
    assert names(path.parent) == ["weights.pth"]
    assert f"downloading {server.url}" in capsys.readouterr().err
    # From now on there is nothing to ask for.
    assert obtain(file_at(server, sha256), path.parent) == path
    assert server.asked == [None]


def test_a_transfer_that_breaks_off_goes_on_by_itself(server, tmp_path):
    server.breaks = [300_000, 400_000]
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-", "bytes=700000-"]


def test_a_transfer_given_up_is_resumed_by_the_next_call(server, tmp_path):
    server.breaks = [100_000, 100_000, 100_000]
    with pytest.raises(
        CheckpointError, match=r"broke off 3 times, now after 300,000 bytes.*goes on"
    ) as error:
        obtain(file_at(server), tmp_path)
    assert PAGE in str(error.value)
    assert names(tmp_path) == ["weights.pth.part"]
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT
    assert server.asked[-1] == "bytes=300000-"
    assert names(tmp_path) == ["weights.pth"]


@pytest.mark.parametrize("sha256", [None, "", DIGEST[:7], "xyz" * 4, DIGEST + "0"])
def test_nothing_is_fetched_without_a_checksum(server, tmp_path, sha256):
    with pytest.raises(CheckpointError, match=r"weights\.pth: nothing is downloaded without a checksum"):
        obtain(file_at(server, sha256), tmp_path)
    assert server.asked == []
    assert names(tmp_path) == []


@pytest.mark.parametrize(
    "url", ["http://127.0.0.1:9/weights.pth", "ftp://127.0.0.1/w", "weights.pth", "FILE:///w"]
)
def test_only_https_is_downloaded(tmp_path, monkeypatch, url):
    monkeypatch.setattr(urllib.request, "build_opener", lambda *args: pytest.fail("nothing may be opened"))
    with pytest.raises(CheckpointError, match=f"weights.pth: {url}: only https is downloaded"):
        obtain(WeightFile("weights.pth", PAGE, url, DIGEST), tmp_path)
    assert names(tmp_path) == []


def test_a_file_of_this_machine_is_not_downloaded(tmp_path):
    (tmp_path / "secret").write_bytes(CONTENT)
    with pytest.raises(CheckpointError, match="only https is downloaded"):
        obtain(WeightFile("weights.pth", PAGE, (tmp_path / "secret").as_uri(), DIGEST), tmp_path / "weights")


@pytest.mark.parametrize("target", ["file:///etc/hostname", "ftp://127.0.0.1/w", "gopher://127.0.0.1/"])
def test_redirects_lead_to_https_alone(server, tmp_path, target):
    server.redirect = target
    with pytest.raises(
        CheckpointError, match=rf"it redirects to {target}, and only https|{target}' is not allowed"
    ):
        obtain(file_at(server), tmp_path)
    assert names(tmp_path) == []


def test_a_redirect_from_https_to_http_is_refused():
    request = urllib.request.Request("https://example.org/weights.pth")
    handler = transfer.Redirects(("https",))
    with pytest.raises(urllib.error.URLError, match=r"redirects to http://example\.org/w, and only https"):
        handler.redirect_request(request, None, 302, "Found", {}, "http://example.org/w")
    assert handler.redirect_request(request, None, 302, "Found", {}, "https://example.org/w") is not None


@pytest.mark.parametrize("name", ["../weights.pth", "/tmp/weights.pth", "a/b.pth", "..", ""])
def test_a_name_with_a_folder_is_no_name(server, tmp_path, name):
    with pytest.raises(CheckpointError, match="expected the name of a file without a folder"):
        obtain(file_at(server, name=name), tmp_path / "weights")
    assert server.asked == []


def test_server_without_ranges(server, tmp_path):
    server.ranges, server.breaks = False, [300_000]
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT
    assert server.asked == [None, "bytes=300000-"]


@pytest.mark.parametrize("left", [CONTENT, CONTENT + b"more"])
def test_part_that_is_as_long_as_the_file_or_longer(server, tmp_path, left):
    """The process ended between the last byte and the renaming; or the published file was another one."""
    (tmp_path / "weights.pth.part").write_bytes(left)
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["weights.pth"]


@pytest.mark.parametrize("left", [b"", b"x" * 1000])
def test_wrong_checksum_is_moved_aside(server, tmp_path, left):
    """The file was changed, or what was there before the resumption belonged to another one."""
    (tmp_path / "weights.pth.part").write_bytes(left)
    server.content = CONTENT if left else CONTENT[::-1]
    arrived = left + server.content[len(left) :]
    with pytest.raises(CheckpointError) as error:
        obtain(file_at(server), tmp_path)
    message = str(error.value)
    assert f"expected a SHA-256 beginning with {DIGEST[:8]}" in message
    assert hashlib.sha256(arrived).hexdigest() in message
    assert names(tmp_path) == ["weights.pth.wrong"]
    server.content = CONTENT
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT


def test_answers_that_are_not_the_file(server, tmp_path):
    with pytest.raises(
        CheckpointError, match=r"(?s)gone\.pth answers 404 \(Not Found\).*put it here: "
    ) as error:
        obtain(file_at(server, url=server.url.replace("weights", "gone")), tmp_path)
    assert f"put it here: {tmp_path / 'weights.pth'}" in str(error.value)
    assert names(tmp_path) == []


def test_no_network(tmp_path, monkeypatch):
    monkeypatch.setenv("no_proxy", "*")
    monkeypatch.setattr(downloads, "_SCHEMES", ("https", "http"))
    with socket.socket() as free:  # bound and not listening: nobody answers
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/weights.pth"
        with pytest.raises(CheckpointError, match="cannot be reached") as error:
            obtain(WeightFile("weights.pth", PAGE, url, DIGEST), tmp_path)
    for part in (url, PAGE, str(tmp_path / "weights.pth")):
        assert part in str(error.value)


def test_file_put_there_by_hand_needs_no_network(tmp_path):
    (tmp_path / "weights.pth").write_bytes(CONTENT)
    for file in (WeightFile("weights.pth", PAGE), WeightFile("weights.pth", PAGE, "http://0.0.0.0/", DIGEST)):
        assert obtain(file, tmp_path) == tmp_path / "weights.pth"
    with pytest.raises(CheckpointError, match="expected a SHA-256 beginning with 0123"):
        obtain(WeightFile("weights.pth", PAGE, None, "0123"), tmp_path)
    assert names(tmp_path) == ["weights.pth.wrong"]


def test_by_hand_says_from_where_and_whereto(tmp_path):
    with pytest.raises(CheckpointError) as error:
        obtain(WeightFile("pose.pth", PAGE), tmp_path)
    lines = str(error.value).splitlines()
    assert lines[0] == "weights pose.pth: not there, and to be fetched by hand."
    assert [re.split(r":\s+", line, maxsplit=1)[1] for line in lines[1:]] == [
        PAGE,
        str(tmp_path / "pose.pth"),
    ]


@pytest.mark.parametrize("stated", [None, "", "9" * 15, "9" * 500, "many"])
def test_a_download_of_any_size_is_not_taken(server, tmp_path, monkeypatch, stated):
    """Whatever the server states, or does not."""
    server.stated, server.content = stated, bytes(2_000_000)
    monkeypatch.setenv("POSEKIT_MAX_DOWNLOAD_MB", "1")
    with pytest.raises(
        CheckpointError, match=r"sends [\d,]+ bytes or more; expected at most 1,048,576 "
    ) as error:
        obtain(file_at(server), tmp_path)
    assert f"put it here: {tmp_path / 'weights.pth'}" in str(error.value)
    assert names(tmp_path) == []
    server.stated, server.content = "many" if stated == "many" else "", CONTENT
    assert obtain(file_at(server), tmp_path).read_bytes() == CONTENT


def test_an_address_that_is_none(tmp_path):
    with pytest.raises(CheckpointError, match=r"https://\[: only https is downloaded"):
        obtain(WeightFile("weights.pth", PAGE, "https://[", DIGEST), tmp_path)


@pytest.mark.parametrize("lock", ["fcntl", "filelock"])
def test_two_at_once_fetch_once(server, tmp_path, monkeypatch, lock):
    if lock == "filelock":  # as on Windows
        monkeypatch.setattr("posekit.io.downloads.fcntl", None)
    server.breaks = [10]  # the first is still busy when the second begins
    found = []
    threads = [
        threading.Thread(target=lambda: found.append(obtain(file_at(server), tmp_path).read_bytes()))
        for _ in range(3)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert found == [CONTENT] * 3
    assert server.asked == [None, "bytes=10-"]


def test_a_folder_that_cannot_be_made_is_named(tmp_path, server):
    (tmp_path / "file").write_text("")
    with pytest.raises(CheckpointError, match=r"weights\.pth: no folder can be made there: "):
        obtain(file_at(server), tmp_path / "file")


def test_where_files_live(monkeypatch, tmp_path):
    monkeypatch.setenv("HOME", str(tmp_path))
    monkeypatch.delenv("POSEKIT_HOME", raising=False)
    monkeypatch.delenv("XDG_CACHE_HOME", raising=False)
    assert weights_folder() == tmp_path / ".cache" / "posekit" / "weights"
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path / "xdg"))
    assert weights_folder() == tmp_path / "xdg" / "posekit" / "weights"
    monkeypatch.setenv("POSEKIT_HOME", "~/here")
    assert weights_folder() == tmp_path / "here" / "weights"
    assert not weights_folder().exists()


def test_checksum_in_words():
    assert WeightFile("a.pth", PAGE, None, "36af842e").checksum == "sha256 36af842e..."
    assert WeightFile("a.pth", PAGE).checksum == "unverified, by hand"
