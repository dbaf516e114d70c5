"""One command for all tools: ``posekit train CONFIG``, or ``python -m posekit train CONFIG``.

Each is a script of ``tools/``, which lie beside the package in a checkout and within it when installed; this
finds and runs it, so that there is one implementation. Nothing heavy is imported before that.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path
from types import ModuleType

import posekit
from posekit.errors import did_you_mean

#: Command -> its script, in the order in which a user meets them.
COMMANDS = {
    "quickstart": "quickstart",
    "demo": "demo",
    "new": "new_dataset",
    "check": "check_dataset",
    "browse": "browse_dataset",
    "crop": "crop_dataset",
    "cut-out": "cut_out",
    "train": "train",
    "test": "test",
    "evaluate": "evaluate",
    "analyze": "analyze",
    "sweep": "gamma_sweep",
    "plot": "plot",
    "embed": "embed",
    "track-films": "track_films",
    "recognition-study": "recognition_study",
    "calibrate": "calibrate",
    "detect": "detect",
    "train-detector": "train_detector",
    "convert": "convert_checkpoint",
    "export": "export",
    "benchmark": "benchmark",
}


def tools_folder() -> Path:
    """Where the scripts lie."""
    package = Path(__file__).parent
    return package / "tools" if (package / "tools").is_dir() else package.parent / "tools"


def main() -> None:
    """Reads the command and runs its script with the rest of the line; exit status 2 for an unknown one."""
    name = sys.argv[1] if len(sys.argv) > 1 else "--help"
    if name in ("-h", "--help", "help"):
        _tell(_help())
    elif name in ("-V", "--version"):
        _tell(f"posekit {posekit.__version__}")
    elif name not in COMMANDS:
        own = {script: command for command, script in COMMANDS.items()}.get(name.removesuffix(".py"))
        hint = f"; it is 'posekit {own}'" if own else did_you_mean(name, COMMANDS)
        print(f"error: posekit has no command '{name}'{hint}", file=sys.stderr)
        sys.exit(2)
    else:
        script = tools_folder() / f"{COMMANDS[name]}.py"
        sys.argv = [f"posekit {name}", *sys.argv[2:]]
        _run(script)


def _tell(words: str) -> None:
    """Prints, also to one who reads no longer, such as ``head``."""
    try:
        print(words, flush=True)
    except BrokenPipeError:
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        sys.exit(141)  # as a shell says of SIGPIPE


def _run(script: Path) -> None:
    """As Python runs a script, but with the command's name in messages, for which runpy puts the file's."""
    module = ModuleType("__main__")
    module.__file__ = str(script)  # worker processes that are spawned look for it
    sys.modules["__main__"] = module
    sys.path.insert(0, str(script.parent))
    exec(compile(script.read_bytes(), str(script), "exec"), module.__dict__)


def _help() -> str:
    """The commands, each with the first sentence of its script."""
    rows = [f"  {name:<15} {_purpose(script)}" for name, script in COMMANDS.items()]
    usage = "usage: posekit COMMAND ...        posekit COMMAND --help tells more\n"
    return "\n".join([usage, *rows])


def _purpose(script: str) -> str:
    with (tools_folder() / f"{script}.py").open(encoding="utf-8") as file:
        first = file.readline().strip().strip('"')
    return first.partition(": ``")[0].rstrip(".")


if __name__ == "__main__":
    main()
