"""What is known from earlier frames is told without a subshell, and is what the fragment itself would have told."""

from __future__ import annotations

import os
import shutil
import subprocess
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest

from whyrefused import script
from whyrefused.probes import identity, known, proxy, registry
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Callable
    from pathlib import Path

    Shell = Callable[[str], subprocess.CompletedProcess[bytes]]

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]


@pytest.fixture(params=SHELLS)
def sh(request: pytest.FixtureRequest, tmp_path: Path) -> Shell:
    """Runs a text in one shell, which is that host's `sh` too, with nothing of ours in its environment."""
    folder = tmp_path / "bin"
    folder.mkdir()
    (folder / "sh").symlink_to(str(shutil.which(request.param)))
    environment = {"PATH": f"{folder}:{os.environ['PATH']}", "LC_ALL": "C", "HOME": "/", "SHELL": "/bin/sh"}
    return lambda text: subprocess.run(
        [str(folder / "sh"), "-c", text], env=environment, capture_output=True, check=False
    )


def probe(fragment: str, beforehand: str = "", *after: str, size: int = 1000) -> Any:  # noqa: ANN401 - a probe
    """A probe that asks this, and knows something beforehand."""
    return SimpleNamespace(
        SECONDS=5, BYTES=size, SIDE_BY_SIDE=False, AT_ONCE=True, AFTER=after, RUNS=(),
        fragment=lambda _asked: fragment, known=lambda _asked: beforehand,
    )  # fmt: skip


def answer(monkeypatch: pytest.MonkeyPatch, sh: Shell, **probes: Any) -> dict[str, Frame | Missing]:  # noqa: ANN401
    """What do these answer, asked together?"""
    monkeypatch.setattr(script, "registry", lambda: probes)
    asked = dict.fromkeys(probes, ())
    return script.split(sh(script.script(asked, TOKEN)).stdout, TOKEN, asked)


def test_told_beforehand(monkeypatch: pytest.MonkeyPatch, sh: Shell) -> None:
    """The frame is what is known, no fragment runs and no process; where nothing is known the fragment is asked."""
    frames = answer(
        monkeypatch, sh, a=probe("echo asked", "told='known\n'"), b=probe("echo asked", "told=half; return 3"),
        c=probe("echo asked", 'told="$$ "; read -r i _ </proc/self/stat; told="$told$i\n"'),
    )  # fmt: skip
    assert frames["a"] == Frame(text="known\n", status=0)
    assert frames["b"] == Frame(text="asked\n", status=0)
    shell = frames["c"]
    assert isinstance(shell, Frame)
    assert 1 == len(set(shell.text.split()))


def test_told_beforehand_is_seen(monkeypatch: pytest.MonkeyPatch, sh: Shell) -> None:
    """Who looks at a frame finds it, however it was told, and comes behind all whose frames it looks at."""
    frames = answer(
        monkeypatch, sh, c=probe("echo 1", "told='one\n'"), b=probe('echo "${seen_c%% *}"', "", "c"),
        a=probe('echo "${seen_b%% *}"', "", "b"),
    )  # fmt: skip
    assert frames["a"] == Frame(text="one\n\n0\n\n0\n", status=0)


def test_told_beforehand_is_bounded(monkeypatch: pytest.MonkeyPatch, sh: Shell) -> None:
    """What is larger than a frame may be is missing; what ends the shell costs the others nothing but time."""
    frames = answer(
        monkeypatch, sh, a=probe("echo much; echo more", "told='0123456789\n'", size=9),
        b=probe("echo asked", "kill -9 $$"), c=probe("echo c", "told='c\n'"),
    )  # fmt: skip
    assert isinstance(frames["a"], Missing)
    assert frames["b"] == Frame(text="asked\n", status=0)
    assert frames["c"] == Frame(text="c\n", status=0)


@pytest.mark.parametrize("name", ["binding", "identity"])
def test_the_same_by_either(sh: Shell, name: str) -> None:
    """What is known is, line by line, what the fragment prints; and nothing was started for it."""
    one = registry()[name]
    setting = "M=; SSH_CONNECTION='192.0.2.1 1 192.0.2.2 22'; seen_proxy='login shell	.\nclock	1796023849\n'\n"
    printed = sh(f"{setting}p() {{\n{one.fragment(())}\n}}; p").stdout.decode()
    told = sh(f'{setting}PATH=/nowhere; k() {{\n{known(one, ())}\n}}; k && printf %s "$told"')
    assert not told.stderr
    if name == "identity":
        assert 1796023849 == identity.parse(Frame(text=told.stdout.decode(), status=0)).clock
        printed = "\n".join([*printed.split("\n")[:-2], "1796023849", ""])
    assert printed == told.stdout.decode()


@pytest.mark.parametrize("seen", ["", "clock	\n", "\nclock	x1\n", "login shell	clock	1\n"])
def test_no_time_is_known(sh: Shell, seen: str) -> None:
    """Where nobody told the time the host is asked for it."""
    assert 1 == sh(f"seen_proxy='{seen}'; k() {{\n{identity.known(())}\n}}; k").returncode


HEAD = "[Unit]\nDescription=One\n\n[Service]\n"
UNIT = """Uptime=1.5

MainPID=0
Names={unit} other.service
LoadState={load}
FragmentPath={file}
DropInPaths={more}
NeedDaemonReload={reload}

Id=last.service
Names=last.service
LoadState=loaded
"""


@pytest.mark.parametrize(
    ("file", "more", "load", "clean"),
    [
        ("ExecStart=/bin/x\n", "", "loaded", True),
        ("# Environment=http_x=1\nEnvironment=A=1\nExecStart=/bin/x\n", "", "loaded", True),
        ("Environment=A=1 http_proxy=http://h:1\n", "", "loaded", False),
        ("Environment=A=1 HTTPS_Proxy=http://h:1\n", "", "loaded", False),
        ("Environment=A=1 \\\n http_proxy=http://h:1\n", "", "loaded", False),
        ("Environment=A=%i\n", "", "loaded", False),
        ("PassEnvironment=A\n", "", "loaded", False),
        (" EnvironmentFile=/etc/passwd\n", "", "loaded", False),
        ("EnvironmentFile=-{folder}/none\n", "", "loaded", True),
        ("EnvironmentFile={folder}/plain\n", "", "loaded", True),
        ("EnvironmentFile={folder}/set\n", "", "loaded", False),
        ("EnvironmentFile={folder}/noted\n", "", "loaded", True),
        ("EnvironmentFile={folder}\n", "", "loaded", False),
        ("EnvironmentFile={folder}/*\n", "", "loaded", False),
        ("ExecStart=/bin/x\n", "[Service]\nEnvironment=no_proxy=x\n", "loaded", False),
        ("ExecStart=/bin/x\n", "[Service]\nEnvironmentFile={folder}/set", "loaded", False),
        ("ExecStart=/bin/x\n", "no section\n", "loaded", False),
        ("ExecStart=/bin/x\n", "", "masked", False),
    ],
)
def test_files_of_a_unit(  # noqa: PLR0913 - a table
    tmp_path: Path, sh: Shell, file: str, more: str, load: str, *, clean: bool
) -> None:
    """A unit is passed over only where each of its files was read and none can set a proxy."""
    (tmp_path / "plain").write_text("A=1\n")
    (tmp_path / "noted").write_text("# of one\nA=1\n")
    (tmp_path / "set").write_text("A=1\nhttp_proxy=http://h:1\n")
    (tmp_path / "one.service").write_text(HEAD + file.replace("{folder}", str(tmp_path)))
    (tmp_path / "more.conf").write_text(more.replace("{folder}", str(tmp_path)))
    places = {"file": tmp_path / "one.service", "more": tmp_path / "more.conf" if more else ""}
    for unit, reload, passed in (
        ("one.service", "no", clean),
        ("one.service", "yes", False),
        ("none.service", "no", False),
    ):
        seen = UNIT.format(unit="one.service", load=load, reload=reload, **places)
        text = f"{proxy.HELPERS}{proxy.UNIT}\nS=; table '{seen}'; look {unit}; bare {unit}"
        assert (0 == sh(text).returncode) is passed
