"""Two torchrun agents on one machine, as on two nodes; one is killed and started again.

    python tests/two_agents.py --processes 2
    python tests/two_agents.py --processes 2 --namespaces       (as root: each in a network of its own)

Agents start as tools/dist_train.sh starts them, meet at a rendezvous on loopback, or over a cable between two
network namespaces, and train a toy network.
Node 1's agent is sent SIGKILL within the training. Its processes must go with it; once it is started again,
the job must go on from a checkpoint, end with status 0 on both, and have the weights of one process that was
left alone.
"""

from __future__ import annotations

import argparse
import os
import re
import signal
import subprocess
import sys
import tempfile
import time
from pathlib import Path

from toy_processes import PATIENCE, free_port
from toy_slow import SLOW
from toy_training import ROOT, run, write_config

OPTIONS = ["optim_wrapper.optimizer.type=SGD", "optim_wrapper.optimizer.lr=0.05"]


class Loopback:
    """Both nodes in the machine's own network."""

    def __init__(self):
        self.endpoint = f"127.0.0.1:{free_port()}"

    def words(self, number):
        """What a command of the node begins with."""
        return []

    def environ(self, number):
        """What it finds in its environment."""
        return {}

    def remove(self):
        """Takes the network away."""


class Namespaces(Loopback):
    """A network namespace for each node, with a cable between them (addresses: RFC 5737)."""

    def __init__(self):
        self.endpoint = "192.0.2.1:29400"
        self.names = [f"posekit{os.getpid()}_{number}" for number in range(2)]
        for name in self.names:
            ip("netns", "add", name)
        ip(
            "link",
            "add",
            "veth0",
            "netns",
            self.names[0],
            "type",
            "veth",
            "peer",
            "veth1",
            "netns",
            self.names[1],
        )
        for number, name in enumerate(self.names):
            ip("-n", name, "address", "add", f"192.0.2.{number + 1}/24", "dev", f"veth{number}")
            for device in ("lo", f"veth{number}"):
                ip("-n", name, "link", "set", device, "up")

    def words(self, number):
        return ["ip", "netns", "exec", self.names[number]]

    def environ(self, number):
        return {"LOCAL_ADDR": f"192.0.2.{number + 1}", "GLOO_SOCKET_IFNAME": f"veth{number}"}

    def remove(self):
        for name in self.names:
            ip("netns", "delete", name)


def ip(*words):
    subprocess.run(["ip", *words], check=True)


class Node:
    """A torchrun agent in a session of its own."""

    def __init__(self, number, processes, config, work_dir, environ, options, network):
        words = ["bash", ROOT / "tools" / "dist_train.sh", config, processes, "--work-dir", work_dir]
        words, environ = [*network.words(number), *words], {**environ, **network.environ(number)}
        self.out = work_dir.parent / f"node{number}-{time.monotonic_ns()}.txt"
        self.work_dir = work_dir
        with self.out.open("w") as out:
            self.agent = subprocess.Popen(
                [*map(str, words), "--cfg-options", *options],
                env=environ,
                stdout=out,
                stderr=out,
                start_new_session=True,
            )

    def workers(self):
        """The agent's processes that train."""
        return [pid for pid in pids_of(self.work_dir) if parent_of(pid) == self.agent.pid]


def pids_of(work_dir):
    """Processes with the work directory on their command line."""
    found = []
    for path in Path("/proc").glob("[0-9]*/cmdline"):
        try:
            if str(work_dir).encode() in path.read_bytes():
                found.append(int(path.parent.name))
        except OSError:  # it has ended
            continue
    return [pid for pid in found if pid != os.getpid()]


def parent_of(pid):
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return None


def alive(pids):
    return [pid for pid in pids if Path(f"/proc/{pid}").exists()]


def wait_for(what, seconds, message):
    deadline = time.monotonic() + seconds * PATIENCE
    while not what():
        if time.monotonic() > deadline:
            raise SystemExit(f"after {seconds} s: {message}")
        time.sleep(0.1)


def listening(port, pid):
    """Whether somebody listens on a port, in the network of a process."""
    entry = re.compile(rf"\S+:{port:04X} \S+ 0A ")
    try:
        texts = [Path(f"/proc/{pid}/net/{name}").read_text() for name in ("tcp", "tcp6")]
    except OSError:  # without IPv6, or it has ended
        texts = [Path(f"/proc/{pid}/net/tcp").read_text()]
    return any(entry.search(text) for text in texts)


def rehearse(folder, processes=2, epochs=12, seconds=300, network=None):
    """Runs the job, with the kill; returns what the log says of resuming.

    Raises:
        SystemExit: If something does not go as it should.
    """
    folder, network = Path(folder).resolve(), network or Loopback()
    config, work_dir = write_config(folder, SLOW), folder / "work"
    environ = {
        **os.environ,
        "PYTHON": sys.executable,
        "PYTHONPATH": os.pathsep.join([str(ROOT), str(ROOT / "tests")]),
        "NNODES": "2",
        "RDZV_ENDPOINT": network.endpoint,
        "RDZV_ID": "two_agents",
        "MAX_RESTARTS": "3",
        "TOY_HURRY": str(folder / "hurry"),
    }
    batch = 4 // processes
    options = [*OPTIONS, f"train_cfg.max_epochs={epochs}", f"train_dataloader.batch_size={batch}"]
    nodes = []

    def start(number):
        nodes.append(Node(number, processes, config, work_dir, environ, options, network))
        return nodes[-1]

    try:
        first = start(0)
        port = int(network.endpoint.partition(":")[2])
        wait_for(lambda: listening(port, first.agent.pid), seconds, "no rendezvous")
        second = start(1)
        wait_for(
            lambda: (work_dir / "epoch_2.pth").exists(),
            seconds,
            "nothing is trained:\n" + first.out.read_text(),
        )
        orphans = second.workers()
        assert len(orphans) == processes, orphans
        second.agent.kill()
        second.agent.wait()
        wait_for(
            lambda: not any(Path(f"/proc/{pid}").exists() for pid in orphans), 20, f"{orphans} outlive it"
        )
        third = start(1)
        (folder / "hurry").touch()
        wait_for(lambda: first.agent.poll() is not None and third.agent.poll() is not None, seconds, "no end")
        printed = "".join(node.out.read_text() for node in nodes)
        if (first.agent.returncode, third.agent.returncode) != (0, 0):
            raise SystemExit(f"ended with {first.agent.returncode}, {third.agent.returncode}:\n{printed}")
        if pids_of(work_dir):
            raise SystemExit(f"processes {pids_of(work_dir)} are left")
        compare_with_one_process(folder, config, epochs)
        return re.findall(r"resumed from .*", printed)
    finally:
        for pid in {*pids_of(work_dir), *(node.agent.pid for node in nodes if node.agent.poll() is None)}:
            try:
                os.kill(pid, signal.SIGKILL)
            except ProcessLookupError:
                continue


def compare_with_one_process(folder, config, epochs):
    """The same global batch in one process, never interrupted, gives the same weights to rounding."""
    from posekit.io.checkpoint import read_checkpoint

    os.environ["TOY_HURRY"] = str(folder / "hurry")
    words = ["--cfg-options", *OPTIONS, f"train_cfg.max_epochs={epochs}", "train_dataloader.batch_size=8"]
    assert run("train", config, "--work-dir", folder / "one", *words) == 0
    ours, theirs = (
        read_checkpoint(folder / name / f"epoch_{epochs}.pth")["state_dict"] for name in ("work", "one")
    )
    worst = max(float((ours[key] - theirs[key]).abs().max()) for key in theirs)
    if worst > 1e-5:
        raise SystemExit(f"weights differ by {worst} from those of one process")


def main():
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--processes", type=int, default=2, choices=[1, 2, 4], help="on each of the two nodes"
    )
    parser.add_argument("--epochs", type=int, default=12)
    parser.add_argument("--namespaces", action="store_true", help="a network namespace for each node (root)")
    args = parser.parse_args()
    began = time.perf_counter()
    network = Namespaces() if args.namespaces else Loopback()
    try:
        with tempfile.TemporaryDirectory() as folder:
            resumed = rehearse(folder, args.processes, args.epochs, network=network)
    finally:
        network.remove()
    print(*resumed, sep="\n")
    print(f"the job ended right after {time.perf_counter() - began:.0f} s")


if __name__ == "__main__":
    main()
