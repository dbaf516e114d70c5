"""Weights from Hugging Face's hub, which is played by two functions: checked, recorded, explained."""

from __future__ import annotations

import hashlib
import http.server
import json
import os
import subprocess
import sys
from dataclasses import replace
from types import SimpleNamespace

import huggingface_hub
import pytest
from web_site import serving

from posekit.errors import CheckpointError
from posekit.io.downloads import WeightFile, obtain
from posekit.io.hub import HubPlace

CONTENT = bytes(range(256)) * 16
DIGEST = hashlib.sha256(CONTENT).hexdigest()
COMMIT = "0c30b65" + "0" * 33
PLACE = HubPlace("owner/vitpose")
FILE = WeightFile("vitpose.safetensors", PLACE.page, PLACE.url, hub=PLACE)
URL = "https://huggingface.co/owner/vitpose/resolve/main/model.safetensors"


class Hub:
    """Attributes are what the hub states and sends, ``asked`` what it was asked for."""

    def __init__(self):
        self.content, self.etag, self.commit, self.size = CONTENT, DIGEST, COMMIT, len(CONTENT)
        self.asked: list[str] = []

    def metadata(self, url):
        self.asked.append(url)
        return SimpleNamespace(etag=self.etag, commit_hash=self.commit, size=self.size)

    def download(self, repo, file, *, revision, local_dir):
        self.asked.append(f"{repo} {file} {revision}")
        local_dir.mkdir(parents=True, exist_ok=True)
        (local_dir / ".cache").mkdir(exist_ok=True)
        (local_dir / file).write_bytes(self.content)
        return str(local_dir / file)


@pytest.fixture
def hub(monkeypatch):
    hub = Hub()
    monkeypatch.setattr(huggingface_hub, "get_hf_file_metadata", hub.metadata)
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    return hub


def names(folder):
    return sorted(path.name for path in folder.iterdir())


def test_the_right_file_is_taken_with_what_the_hub_states(hub, tmp_path, capsys):
    path = obtain(FILE, tmp_path)
    assert path == tmp_path / "vitpose.safetensors"
    assert path.read_bytes() == CONTENT
    assert names(tmp_path) == ["vitpose.safetensors", "vitpose.safetensors.json"]
    assert hub.asked == [URL, f"owner/vitpose model.safetensors {COMMIT}"]
    record = json.loads((tmp_path / "vitpose.safetensors.json").read_text("utf-8"))
    assert record == {"url": URL, "commit": COMMIT, "sha256": DIGEST}
    printed = capsys.readouterr().err
    assert f"downloading {URL}" in printed
    assert f"commit {COMMIT}, sha256 {DIGEST}" in printed
    # From now on there is nothing to ask for.
    assert obtain(FILE, tmp_path) == path
    assert len(hub.asked) == 2


def test_a_wrong_checksum_is_refused_and_not_kept(hub, tmp_path):
    hub.content = CONTENT[:-1] + b"!"
    with pytest.raises(CheckpointError, match=f"expected a SHA-256 beginning with {DIGEST}, found") as error:
        obtain(FILE, tmp_path)
    assert f"get it from: {URL}" in str(error.value)
    assert f"put it here: {tmp_path / FILE.name}" in str(error.value)
    assert names(tmp_path) == ["vitpose.safetensors.wrong"]
    hub.content = CONTENT
    assert obtain(FILE, tmp_path).read_bytes() == CONTENT


def test_a_file_that_changes_later_is_refused(hub, tmp_path):
    obtain(FILE, tmp_path).write_bytes(b"another")
    with pytest.raises(CheckpointError, match=f"beginning with {DIGEST}"):
        obtain(FILE, tmp_path)


def test_the_record_pins_what_is_fetched_again(hub, tmp_path):
    obtain(FILE, tmp_path).unlink()
    hub.content, hub.etag = b"newer", hashlib.sha256(b"newer").hexdigest()
    record = tmp_path / "vitpose.safetensors.json"
    with pytest.raises(CheckpointError, match=f"beginning with {DIGEST}") as error:
        obtain(FILE, tmp_path)
    assert f"pinned by:   {record}; remove that" in str(error.value)
    assert hub.asked[2] == URL.replace("main", COMMIT)
    record.unlink()
    assert obtain(FILE, tmp_path).read_bytes() == b"newer"


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"commit": "main", "sha256": "0123"}'])
def test_a_broken_record_is_named(hub, tmp_path, text):
    obtain(FILE, tmp_path)
    (tmp_path / "vitpose.safetensors.json").write_text(text)
    with pytest.raises(CheckpointError, match=r"vitpose\.safetensors\.json: .*remove it"):
        obtain(FILE, tmp_path)


@pytest.mark.parametrize("digits", [8, 64])
def test_a_stated_checksum_wins(hub, tmp_path, digits):
    hub.etag = "0" * 64
    pinned = replace(FILE, sha256=DIGEST[:digits])
    path = obtain(pinned, tmp_path)
    assert path.read_bytes() == CONTENT
    record = tmp_path / "vitpose.safetensors.json"
    assert json.loads(record.read_text("utf-8"))["sha256"] == DIGEST
    record.write_text('{"commit": "' + COMMIT + '", "sha256": "' + "0" * 64 + '"}')
    assert obtain(pinned, tmp_path) == path
    other = tmp_path / "other"
    hub.content, hub.etag = b"newer", hashlib.sha256(b"newer").hexdigest()
    with pytest.raises(CheckpointError, match=f"beginning with {DIGEST[:digits]}, found {hub.etag}"):
        obtain(pinned, other)
    assert names(other) == ["vitpose.safetensors.wrong"]
    hub.asked.clear()
    with pytest.raises(CheckpointError, match="nothing is downloaded without a checksum"):
        obtain(replace(FILE, sha256=DIGEST[:7]), tmp_path / "third")
    assert hub.asked == []


class Site(http.server.BaseHTTPRequestHandler):
    """A hub on this machine, by the headers that huggingface_hub reads."""

    asked: list[str] = []  # noqa: RUF012

    def do_HEAD(self):
        self.asked.append(f"{self.command} {self.path}")
        self.send_response(200)
        for name, value in {
            "X-Repo-Commit": COMMIT,
            "X-Linked-Etag": f'"{DIGEST}"',
            "X-Linked-Size": str(len(CONTENT)),
            "ETag": '"of git"',
            "Content-Length": str(len(CONTENT)),
        }.items():
            self.send_header(name, value)
        self.end_headers()

    def do_GET(self):
        self.do_HEAD()
        self.wfile.write(CONTENT)

    def log_message(self, *args):
        pass


def test_huggingface_hub_itself_fetches_from_a_hub_on_this_machine(tmp_path):
    code = (
        "import posekit.io.hub as hub\n"
        "hub.has_scheme = lambda url, schemes: True\n"  # this machine's hub has no certificate
        "from posekit.io.downloads import WeightFile, obtain\n"
        "place = hub.HubPlace('owner/vitpose')\n"
        "file = WeightFile('vitpose.safetensors', place.page, place.url, hub=place)\n"
        f"print(obtain(file, {str(tmp_path / 'weights')!r}))\n"
    )
    with serving(http.server.ThreadingHTTPServer(("127.0.0.1", 0), Site)) as server:
        endpoint = f"http://127.0.0.1:{server.server_port}"
        others = {"HF_HUB_OFFLINE": "0", "HF_HOME": str(tmp_path / "home"), "no_proxy": "*"}
        subprocess.run(
            [sys.executable, "-c", code],
            env={**os.environ, **others, "HF_ENDPOINT": endpoint}, check=True,
        )  # fmt: skip
    place = "/owner/vitpose/resolve/{}/model.safetensors"
    assert Site.asked[-1] == f"GET {place.format(COMMIT)}"
    assert f"HEAD {place.format('main')}" in Site.asked
    assert (tmp_path / "weights" / "vitpose.safetensors").read_bytes() == CONTENT
    record = json.loads((tmp_path / "weights" / "vitpose.safetensors.json").read_text("utf-8"))
    assert (record["commit"], record["sha256"]) == (COMMIT, DIGEST)
    assert names(tmp_path / "weights") == ["vitpose.safetensors", "vitpose.safetensors.json"]


def test_offline_says_how_to_do_it_by_hand(tmp_path):
    """By huggingface_hub itself, in a process that never may ask a network."""
    code = (
        "import sys, socket\n"
        "socket.socket.connect = lambda *args: sys.exit('asked the network')\n"
        "from posekit.io.downloads import WeightFile, obtain\n"
        "from posekit.io.hub import HubPlace\n"
        "assert 'huggingface_hub' not in sys.modules\n"
        "place = HubPlace('owner/vitpose')\n"
        "file = WeightFile('vitpose.safetensors', place.page, place.url, hub=place)\n"
        f"folder = {str(tmp_path)!r}\n"
        "try:\n    obtain(file, folder)\n"
        "except Exception as error:\n    print(type(error).__name__, error)\n"
    )
    done = subprocess.run(
        [sys.executable, "-c", code],
        env={**os.environ, "HF_HUB_OFFLINE": "1"}, capture_output=True, text=True, check=True,
    )  # fmt: skip
    why = f"the hub cannot be asked for {URL} (OfflineModeIsEnabled: "
    assert done.stdout.startswith(f"CheckpointError weights vitpose.safetensors: {why}")
    assert f"\n  get it from: {URL}\n  see also:    https://huggingface.co/owner/vitpose\n" in done.stdout
    assert f"\n  put it here: {tmp_path / 'vitpose.safetensors'}\n" in done.stdout
    # By hand, then, and without a network: taken as it is.
    (tmp_path / "vitpose.safetensors").write_bytes(b"by hand")
    assert obtain(FILE, tmp_path).read_bytes() == b"by hand"


def test_a_transfer_that_breaks_off_leaves_its_part(hub, tmp_path, monkeypatch):
    def breaks(repo, file, *, revision, local_dir):
        local_dir.mkdir()
        (local_dir / "part").write_bytes(b"half")
        raise RuntimeError("the line is down\nand more of it")

    monkeypatch.setattr(huggingface_hub, "hf_hub_download", breaks)
    with pytest.raises(CheckpointError, match=r"did not arrive \(RuntimeError: the line is down\)\."):
        obtain(FILE, tmp_path)
    assert names(tmp_path) == ["vitpose.safetensors.part"]
    monkeypatch.setattr(huggingface_hub, "hf_hub_download", hub.download)
    assert obtain(FILE, tmp_path).read_bytes() == CONTENT
    assert names(tmp_path) == ["vitpose.safetensors", "vitpose.safetensors.json"]


@pytest.mark.parametrize(
    ("states", "message"),
    [
        ({"etag": "a" * 40}, "states no commit, size and SHA-256 of https"),  # a small file's, of git
        ({"etag": None}, "states no commit, size and SHA-256"),
        ({"commit": None}, "states no commit, size and SHA-256"),
        ({"size": None}, "states no commit, size and SHA-256"),
        ({"size": 5 << 30}, r"has 5,368,709,120 bytes; expected at most 4,294,967,296 \(POSEKIT_MAX"),
    ],
)
def test_nothing_is_fetched_that_cannot_be_compared_or_is_too_large(hub, tmp_path, states, message):
    vars(hub).update(states)
    with pytest.raises(CheckpointError, match=message):
        obtain(FILE, tmp_path)
    assert hub.asked == [URL]
    assert names(tmp_path) == []


def test_only_https_is_asked(hub, tmp_path, monkeypatch):
    monkeypatch.setattr(huggingface_hub, "hf_hub_url", lambda *args, **kwargs: "http://mirror/owner/vitpose")
    with pytest.raises(CheckpointError, match="http://mirror/owner/vitpose: only https is downloaded"):
        obtain(FILE, tmp_path)
    assert hub.asked == []


def test_checksums_in_words():
    assert FILE.checksum == "sha256 of the hub"
    assert replace(FILE, sha256="36af842e").checksum == "sha256 36af842e..."
