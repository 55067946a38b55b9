"""What did a host's sshd, and all that it started, ask of the kernel? strace(1), attached from outside of the host."""

from __future__ import annotations

import re
import shutil
import subprocess
import tempfile
import time
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

from . import cgroups, paths
from .process import LabError

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    from .fleet import Lab

SECONDS = 30

RUNS = ("execve", "execveat")
OPENS = ("open", "openat", "openat2")
CHANGES = (
    *(
        "creat",
        "rename",
        "renameat",
        "renameat2",
        "unlink",
        "unlinkat",
        "mkdir",
        "mkdirat",
        "rmdir",
        "mknod",
        "mknodat",
    ),
    *("link", "linkat", "symlink", "symlinkat", "truncate", "ftruncate", "fallocate"),
    *("chmod", "fchmod", "fchmodat", "fchmodat2", "chown", "fchown", "lchown", "fchownat"),
    *("utime", "utimes", "utimensat", "futimesat"),
    *("setxattr", "lsetxattr", "fsetxattr", "removexattr", "lremovexattr", "fremovexattr"),
    *("mount", "umount2", "move_mount", "mount_setattr", "fsmount", "pivot_root", "chroot", "unshare", "setns"),
    *("init_module", "finit_module", "delete_module", "kexec_load", "kexec_file_load", "bpf", "ptrace", "reboot"),
    *(
        "sethostname",
        "setdomainname",
        "settimeofday",
        "clock_settime",
        "clock_adjtime",
        "swapon",
        "swapoff",
        "quotactl",
    ),
)
"""Whatever makes, changes or removes a file, or changes the machine."""
SENDS = ("sendto", "sendmsg", "sendmmsg")
SETS = ("setsockopt",)

CALL = re.compile(r"(\w+)\((.*)\)\s+= (-?\d+|\?)")
WORD = re.compile(r'"((?:[^"\\]|\\.)*)"')
WRITES = re.compile(r"\bO_(?:WRONLY|RDWR|CREAT|TRUNC|APPEND|TMPFILE)\b")
NETLINK = re.compile(r"AF_NETLINK, [^,]*, (NETLINK_\w+)")
KIND = re.compile(r"nlmsg_type=(\w+(?:<<8\|\w+)?)")
TABLES = re.compile(r"\bIP6?T_SO_SET_\w+|\bSOL_IPV?6?, 0x40\b")
"""How the old iptables replaces a table (linux/netfilter_ipv4/ip_tables.h)."""

# linux/rtnetlink.h has four numbers for each kind, the third asks; linux/sock_diag.h; linux/netfilter/nf_tables.h and
# ipset/ip_set.h below their numbers of nfnetlink.h. What is less than 16 is netlink's own (linux/netlink.h).
QUESTIONS: Mapping[str, Callable[[int], bool]] = {
    "NETLINK_ROUTE": lambda kind: kind < 16 or kind % 4 == 2,
    "NETLINK_SOCK_DIAG": lambda kind: kind < 16 or kind in {18, 20},
    "NETLINK_NETFILTER": lambda kind: kind < 16 or kind in {
        *(0xA00 + one for one in (1, 4, 7, 10, 13, 16, 19, 23)), *(0x600 + one for one in (1, 7, 8, 12, 13, 14)),
    },
}  # fmt: skip
NAMED = re.compile(r"(?:\w+<<8\|)?\w*_(?:GET\w*|BY_FAMILY|SAVE|LIST|PROTOCOL|DONE|NOOP)$")
"""How a strace that knows the names has them."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One system call."""

    name: str
    words: str
    done: bool  # it did not fail
    over: str = ""  # of a message: the kind of netlink that its socket is of

    @property
    def path(self) -> str:
        """Which file is its first that is named?"""
        found = WORD.search(self.words)
        return found[1] if found else ""

    @property
    def argv(self) -> tuple[str, ...]:
        """Which words has the command that it starts?"""
        return tuple(WORD.findall(self.words.partition("[")[2]))


@dataclass(frozen=True, slots=True, kw_only=True)
class Traced:
    """All calls of some processes, of those kinds that are traced."""

    calls: tuple[Call, ...]

    @property
    def runs(self) -> tuple[Call, ...]:
        """Which programs were started?"""
        return tuple(call for call in self.calls if call.name in RUNS and call.done)

    @property
    def reads(self) -> frozenset[str]:
        """Which files were opened, and only to be read?"""
        opened = (call for call in self.calls if call.name in OPENS and call.done)
        return frozenset(
            call.path for call in opened if not WRITES.search(call.words) and "O_DIRECTORY" not in call.words
        )

    @property
    def changes(self) -> frozenset[str]:
        """What would change the host, tried or done: the call and its file, numbers left out."""
        return frozenset(
            f"{call.name} {re.sub(r'[0-9]+', 'N', call.path)}" + ("" if call.done else " (failed)")
            for call in self.calls
            if call.name in CHANGES or (call.name in OPENS and WRITES.search(call.words))
        )

    @property
    def messages(self) -> frozenset[str]:
        """Which netlink messages and socket options are no questions?"""
        asked = {(call.over, kind) for call in self.calls if call.name in SENDS for kind in KIND.findall(call.words)}
        tables = (found[0] for call in self.calls if call.name in SETS for found in TABLES.finditer(call.words))
        return frozenset(f"{over} {kind}" for over, kind in asked if not _asks(over, kind)) | frozenset(tables)


def _asks(over: str, kind: str) -> bool:
    if not kind[0].isdigit():
        return bool(NAMED.match(kind))
    return over in QUESTIONS and QUESTIONS[over](int(kind, 0))


def missing() -> str:
    """Why can nothing be traced? Empty where it can."""
    return "" if shutil.which("strace") else "tracing needs strace"


@contextmanager
def traced(lab: Lab, host: str) -> Iterator[list[Traced]]:
    """Trace the sshd of a host, and all that it starts meanwhile; the list has one entry afterwards."""
    pid = sshd(lab, host)
    said: list[Traced] = []
    with tempfile.TemporaryDirectory(prefix="trace-", dir=lab.folder) as folder:
        kinds = ",".join(f"?{name}" for name in (*RUNS, *OPENS, *CHANGES, *SENDS, *SETS, "socket"))
        argv = ("strace", "-qq", "-ff", "-s", "4096", "-e", f"trace={kinds}", "-e", "signal=none",
                "-o", f"{folder}/calls", "-p", str(pid))  # fmt: skip
        with subprocess.Popen(argv, stdin=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True) as tracer:
            try:
                _await(lambda: _tracer(pid) == tracer.pid or tracer.poll() is not None, "strace did not attach")
                yield said
                # What was begun is to be seen to its end: until then its tracer may not let go.
                _await(lambda: not _begun(tracer.pid, pid), "what sshd began did not end")
            finally:
                tracer.terminate()
        said.append(_read(Path(folder)))


def sshd(lab: Lab, host: str) -> int:
    """Which process of this machine is the sshd of a host that listens? Logins that just end are waited for."""
    until = time.monotonic() + SECONDS
    while len(first := _first(lab, host)) != 1:
        if time.monotonic() > until:
            raise LabError(f"{host}: its sshd is {first}")
        time.sleep(0.05)
    return first[0]


def _first(lab: Lab, host: str) -> list[int]:
    """Which sshd of a host have no other for a parent? What a login left behind is one too until it ends."""
    found = [pid for folder in cgroups.of(lab.name) if folder.name == paths.owned(lab.name, host)
             for pid in cgroups.processes(folder) if _comm(pid) == "sshd"]  # fmt: skip
    parents = {pid: _parent(pid) for pid in found}
    return [pid for pid, parent in parents.items() if parent and parent not in parents]


def _read(folder: Path) -> Traced:
    return Traced(calls=tuple(call for file in sorted(folder.iterdir()) for call in _calls(file)))


def _calls(file: Path) -> Iterator[Call]:
    """Read the calls of one process; it has the sockets that it made itself."""
    sockets: dict[str, str] = {}
    for line in file.read_text(errors="replace").splitlines():
        if found := CALL.match(line):
            name, words, status = found.groups()
            if name == "socket" and (netlink := NETLINK.match(words)):
                sockets[status] = netlink[1]
            yield Call(
                name=name, words=words, done=not status.startswith("-"), over=sockets.get(words.partition(",")[0], "")
            )


def _begun(tracer: int, first: int) -> bool:
    """Is any process traced but the first?"""
    others = (int(path.name) for path in Path("/proc").glob("[0-9]*"))
    return any(pid != first and _tracer(pid) == tracer for pid in others)


def _await(done: object, why: str) -> None:
    until = time.monotonic() + SECONDS
    while not done():  # type: ignore[operator]
        if time.monotonic() > until:
            raise LabError(why)
        time.sleep(0.05)


def _status(pid: int, key: str) -> str:
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return ""
    return next((line.partition(":")[2].strip() for line in lines if line.startswith(f"{key}:")), "")


def _tracer(pid: int) -> int:
    return int(_status(pid, "TracerPid") or 0)


def _comm(pid: int) -> str:
    return _status(pid, "Name")


def _parent(pid: int) -> int:
    return int(_status(pid, "PPid") or 0)
