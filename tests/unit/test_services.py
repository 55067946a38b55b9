"""In which state is a unit, as its users see it? By what systemd said on a real host of every state."""

from __future__ import annotations

from pathlib import Path

import pytest

from whyrefused.evidence import HostEvidence
from whyrefused.facts import downs, services
from whyrefused.probes import units
from whyrefused.records import CouldNotLook, Frame, Missing, Reply

TEXT = (Path(__file__).parent / "data/probes/units/every-state.txt").read_text()


def host(text: str = TEXT) -> HostEvidence:
    """What is known of a host that answered this."""
    return HostEvidence("web1", Reply(host="web1", frames={"units": Frame(text=text, status=0)}))


@pytest.mark.parametrize(
    ("variant", "words"),
    [("socket-stopped", "is not active"), ("trigger-limit-hit", "was triggered too often and gave up")],
)
def test_words_on_a_socket_unit(variant: str, words: str) -> None:
    """Of a socket unit that is declared itself it is not said that another one starts it."""
    found = units.parse(Frame(text=TEXT, status=0))
    assert words == downs._words(variant, found["ssh.socket"], None)  # noqa: SLF001 - of all that it says
    assert f"is started by its socket unit, which {words}" == downs._words(variant, found["ssh.service"], None)  # noqa: SLF001 - as above


@pytest.mark.parametrize(
    ("name", "state", "enabled"),
    [
        ("nginx", "running", True),
        ("nginx.service", "running", True),
        ("haproxy", "stopped", False),
        ("redis-server", "stopped", False),  # masked
        ("no-such", "absent", False),
        ("ssh", "running", True),
        ("sshd", "running", True),  # an alias
        ("boom", "crash-looping", True),  # static, which `systemctl is-enabled` calls enabled
        ("fails", "stopped", True),
        ("limit", "stopped", True),  # failed too often
        ("killed", "stopped", True),
        ("once", "running", True),  # active (exited)
        ("slow", "starting", True),
        ("inst@a", "running", True),
        ("inst", "absent", False),
        ("drop", "running", True),
        ("echo", "running", True),  # only its socket is there, with Accept=yes
        ("idle", "running", True),  # not started yet, its socket listens
        ("many", "running", True),
        ("echo.socket", "running", True),
        ("ssh.socket", "stopped", False),
        ("basic.target", "running", True),
    ],
)
def test_state(name: str, state: str, enabled: bool) -> None:  # noqa: FBT001 - of a table
    """This is the state, and this is whether it starts at boot."""
    found, unit, socket = services.of(host(), name)
    assert (state, enabled) == (found, services.enabled(unit, socket))


def edited(name: str, *changes: tuple[str, str]) -> HostEvidence:
    """The same host, where systemd says something else of one unit."""
    blocks = TEXT.split("\n\n")
    at = next(number for number, block in enumerate(blocks) if f"\nId={name}\n" in f"\n{block}\n")
    for old, new in changes:
        assert old in blocks[at]
        blocks[at] = blocks[at].replace(old, new)
    return host("\n\n".join(blocks))


@pytest.mark.parametrize(
    ("changes", "state"),
    [
        # Entered after the host's own uptime: two clocks, so nothing is known of how long it runs.
        ([("NRestarts=0", "NRestarts=2"), ("TimestampMonotonic=", "TimestampMonotonic=9")], "running"),
        ([("ActiveState=active", "ActiveState=reloading")], "running"),
        ([("ActiveState=active", "ActiveState=deactivating")], "stopped"),
        ([("ActiveState=active", "ActiveState=inactive")], "stopped"),
        ([("ActiveState=active", "ActiveState=activating")], "starting"),
        ([("SubState=running", "SubState=auto-restart")], "crash-looping"),
        ([("LoadState=loaded", "LoadState=not-found")], "running"),  # removed, and its program still runs
        ([("LoadState=loaded", "LoadState=not-found"), ("ActiveState=active", "ActiveState=inactive")], "absent"),
    ],
)
def test_other_states(changes: list[tuple[str, str]], state: str) -> None:
    """States that come and go."""
    assert state == services.of(edited("nginx.service", *changes), "nginx")[0]


@pytest.mark.parametrize(
    ("restarts", "seconds", "active", "state"),
    [(2, 10, "active", "crash-looping"), (1, 10, "active", "running"), (2, 40, "active", "running"),
     (2, 10, "failed", "stopped"), (2, 10, "inactive", "stopped")],
)  # fmt: skip
def test_crash_loop(restarts: int, seconds: int, active: str, state: str) -> None:
    """Often restarted by itself and not up for long is a crash loop, as long as systemd goes on."""
    uptime = float(TEXT.split("\n", 1)[0].partition("=")[2])
    blocks = f"Uptime={uptime}\n\nId=a.service\nNames=a.service\nLoadState=loaded\nActiveState={active}\n"
    blocks += "SubState=running\nUnitFileState=enabled\n"
    blocks += f"NRestarts={restarts}\nActiveEnterTimestampMonotonic={(uptime - seconds) * 1e6:.0f}\n"
    blocks += (
        "\nId=a.socket\nNames=a.socket\nLoadState=not-found\nActiveState=inactive\nSubState=dead\nUnitFileState=\n"
    )
    assert state == services.of(host(blocks), "a")[0]


def test_failed_socket_activation() -> None:
    """A service that failed when its socket started it is not as good as running."""
    failed = edited("idle.service", ("ActiveState=inactive", "ActiveState=failed"))
    assert "stopped" == services.of(failed, "idle")[0]


@pytest.mark.parametrize("frames", [{"units": Missing("units: cut off")}, {"units": Frame(text="", status=1)}, {}])
def test_not_looked(frames: dict[str, Frame | Missing]) -> None:
    """No state is told of a host that did not tell."""
    known = HostEvidence("web1", Reply(host="web1", frames=frames))
    with pytest.raises(CouldNotLook):
        services.of(known, "nginx")


def test_not_asked() -> None:
    """No state is told of a unit that was not asked for."""
    with pytest.raises(CouldNotLook, match="systemctl show other: no answer"):
        services.of(host(), "other")
