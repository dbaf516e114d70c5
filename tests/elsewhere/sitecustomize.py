"""A machine that is neither Linux nor like it, as posekit sees one; a folder for ``PYTHONPATH``.

Python imports this by itself in every process, those included that are spawned. What posekit, its tools and
configs import lacks what Windows or macOS lack: modules, functions, signals, flags. Everybody else keeps the
real things, for torch asks ``sys.platform`` and would be misled. New processes are spawned, and, as on
Windows, a file that is open can be neither replaced nor removed, and a folder cannot be opened.
"""

import builtins
import errno
import io
import multiprocessing
import os
import re
import sys
from types import ModuleType

MODULES = {"fcntl", "grp", "posix", "pty", "pwd", "readline", "resource", "syslog", "termios", "tty"}
NAMES = {
    "os": """
        O_CLOEXEC O_DIRECTORY O_NOFOLLOW O_NONBLOCK WEXITSTATUS WIFEXITED WIFSIGNALED WNOHANG
        WTERMSIG chown chroot fchdir fchmod fchown fdatasync fork forkpty getegid geteuid getgid
        getgroups getloadavg getpgid getpgrp getpriority getsid getuid initgroups killpg lchown
        lockf mkfifo mknod nice openpty pathconf pipe2 posix_fadvise posix_fallocate posix_spawn
        posix_spawnp pread preadv pwrite pwritev register_at_fork sched_getaffinity
        sched_setaffinity sched_yield sendfile setpgid setpgrp setpriority setsid setuid sync
        sysconf tcgetpgrp ttyname uname wait wait3 wait4 waitid
    """,
    "signal": """
        ITIMER_REAL SIGALRM SIGCHLD SIGCONT SIGHUP SIGKILL SIGPIPE SIGQUIT SIGSTOP SIGTSTP SIGUSR1
        SIGUSR2 SIGWINCH alarm getitimer pause pthread_kill pthread_sigmask setitimer siginterrupt
        sigwait
    """,
    "socket": "AF_UNIX SO_REUSEPORT socketpair",
    "time": "clock_gettime tzset",
    "mmap": "MAP_ANONYMOUS MAP_PRIVATE MAP_SHARED PROT_READ PROT_WRITE",
    "select": "epoll poll",
}  # fmt: skip
OURS = re.compile(r"posekit|__main__|__mp_main__|.*_tool|toy_|benchmarks")
FOLDERS = re.compile(r"/(posekit|tools|configs|tests)/")

_import, _open = builtins.__import__, os.open


class Lesser(ModuleType):
    """A module without some of its names."""

    def __init__(self, module: ModuleType, missing: set, **others: object) -> None:
        super().__init__(module.__name__)
        vars(self).update(_module=module, _missing=missing, _others=others)

    def __getattr__(self, name: str) -> object:
        if name in self._missing:
            raise AttributeError(f"this machine has no {self.__name__}.{name}")
        return self._others[name] if name in self._others else getattr(self._module, name)

    def __setattr__(self, name: str, value: object) -> None:
        setattr(self._module, name, value)


LESSER = {name: Lesser(sys.modules.get(name) or _import(name), set(NAMES[name].split())) for name in NAMES}
LESSER["sys"] = Lesser(sys, set(), platform="elsewhere")


def lesser_import(name, globals=None, locals=None, fromlist=(), level=0):
    """``__import__`` for posekit; its own for all others."""
    spaces = globals or {}
    ours = OURS.match(str(spaces.get("__name__"))) and FOLDERS.search(str(spaces.get("__file__")))
    if not ours or level:
        return _import(name, globals, locals, fromlist, level)
    if name.partition(".")[0] in MODULES:
        raise ModuleNotFoundError(f"No module named '{name}' on this machine", name=name)
    found = _import(name, globals, locals, fromlist, level)
    return LESSER[name] if name in LESSER and found is sys.modules[name] else found


def is_open(path) -> bool:
    """Whether this process has a file open or mapped."""
    real = os.path.realpath(os.fsdecode(path))
    if os.path.isdir(real) or not os.path.exists(real):
        return False
    for number in os.listdir("/proc/self/fd"):
        try:
            if os.readlink(f"/proc/self/fd/{number}") == real:
                return True
        except OSError:  # the list's own
            continue
    with io.open("/proc/self/maps", encoding="utf-8") as maps:
        return any(line.endswith(real + "\n") for line in maps)


def guarding(function):
    """``os.replace`` and the like, as Windows has them."""

    def guarded(*paths, **options):
        if not any(options.values()):
            for path in paths[:2]:
                if isinstance(path, (str, bytes, os.PathLike)) and is_open(path):
                    raise PermissionError(errno.EACCES, "is open, by this very process", os.fspath(path))
        return function(*paths, **options)

    return guarded


def open_file(path, flags, mode=0o777, *, dir_fd=None):
    """``os.open``, which on Windows opens no folders."""
    caller = sys._getframe(1).f_globals
    if OURS.match(str(caller.get("__name__"))) and os.path.isdir(path):
        raise PermissionError(errno.EACCES, "is a folder", os.fspath(path))
    return _open(path, flags, mode, dir_fd=dir_fd)


builtins.__import__ = lesser_import
for _name in ("replace", "rename", "unlink", "remove"):
    setattr(os, _name, guarding(getattr(os, _name)))
os.open = open_file
multiprocessing.set_start_method("spawn")
if log := os.environ.get("POSEKIT_ELSEWHERE_LOG"):
    with io.open(log, "a", encoding="utf-8") as processes:
        processes.write(" ".join(sys.orig_argv[1:]).replace("\n", " ") + "\n")
