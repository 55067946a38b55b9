"""What ss complains of while it lists sockets: is the list whole?"""

from __future__ import annotations

import shutil
import subprocess
from typing import TYPE_CHECKING

import pytest

from whyrefused.probes import Unreadable, listeners
from whyrefused.records import Frame

if TYPE_CHECKING:
    from pathlib import Path

ROW = "tcp LISTEN 0 5 0.0.0.0:80 0.0.0.0:* ino:7 sk:1 cgroup:unreachable:2a5 <->"
GONE = "Failed to open cgroup2 by ID"
SHELLS = [shell for shell in (("dash",), ("bash", "--posix"), ("busybox", "sh")) if shutil.which(shell[0])]


def frame(shell: tuple[str, ...], folder: Path, complaints: list[str], status: int) -> Frame:
    """What comes of the fragment where ss complains so, before its row and behind it, and ends with this?"""
    program = folder / "ss"
    said = "\n".join(f"echo '{one}' >&2" for one in complaints)
    program.write_text(f"#!/bin/sh\n{said}\necho '{ROW}'\n{said}\nexit {status}\n")
    program.chmod(0o755)
    return ran(shell, folder)


def ran(shell: tuple[str, ...], folder: Path) -> Frame:
    """What comes of the fragment, with the ss of this folder?"""
    text = f"PATH={folder}:$PATH\nS=\nfragment() {{\n{listeners.fragment(())}\n}}\nfragment"
    done = subprocess.run([*shell, "-c", text], stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, check=False)  # fmt: skip
    return Frame(text=done.stdout, status=done.returncode)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_control_group_that_is_gone(shell: tuple[str, ...], tmp_path: Path) -> None:
    """A socket that outlived its control group is told whole; that its unit is not known does not say it has none."""
    (found,) = listeners.parse(frame(shell, tmp_path, [GONE, GONE], 0))
    assert (80, None) == (found.port, found.unit)


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize(("fails", "told"), [(0, True), (2, True), (3, False)])
def test_a_control_group_that_goes_meanwhile(shell: tuple[str, ...], fails: int, told: bool, tmp_path: Path) -> None:  # noqa: FBT001 - a case
    """Ss breaks off before it tells anything, and is asked again, three times in all."""
    program, count = tmp_path / "ss", tmp_path / "count"
    program.write_text(
        f"#!/bin/sh\nn=$(($(cat {count}) + 1)); echo $n >{count}\n"
        f"[ $n -gt {fails} ] || {{ echo 'Failed to get cgroup2 ID: No such file or directory' >&2; exit 1; }}\n"
        f"echo '{ROW}'\n"
    )
    program.chmod(0o755)
    count.write_text("0")
    found = ran(shell, tmp_path)
    if told:
        assert [80] == [one.port for one in listeners.parse(found)]
    else:
        with pytest.raises(Unreadable, match="Failed to get cgroup2 ID"):
            listeners.parse(found)
    assert count.read_text().strip() == str(min(fails + 1, 3))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
@pytest.mark.parametrize("complaints", [["Cannot open netlink socket"], [GONE, "Cannot open netlink socket"]])
def test_any_other_complaint(shell: tuple[str, ...], complaints: list[str], tmp_path: Path) -> None:
    """Whatever else ss complains of, sockets may be missing: the list is none, and the reason is told."""
    with pytest.raises(Unreadable, match="netlink"):
        listeners.parse(frame(shell, tmp_path, complaints, 0))


@pytest.mark.parametrize("shell", SHELLS, ids=lambda shell: shell[0])
def test_a_failure(shell: tuple[str, ...], tmp_path: Path) -> None:
    """Its status and its last words are told."""
    failed = frame(shell, tmp_path, ["ss: not so"], 3)
    assert 3 == failed.status
    with pytest.raises(Unreadable, match=r"exit status 3.*not so"):
        listeners.parse(failed)
