"""One script, any shell: every probe's answer arrives whole, or is missing and says why."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
import time
from pathlib import Path
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from whyrefused import script
from whyrefused.probes import Unreadable, read, registry
from whyrefused.records import Frame, Missing

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator, Mapping

    Run = Callable[..., bytes]

TOKEN = "0123456789abcdef"  # noqa: S105 - of no run
SHELLS = [shell for shell in ("dash", "bash", "busybox") if shutil.which(shell)]
NOBODY = 65534
ASKED: Mapping[str, tuple[str, ...]] = {
    "addresses": (), "dials": ("1", "127.0.0.1 1"), "identity": (), "iptables": (), "listeners": (),
    "names": ("localhost", "nowhere.invalid"), "nft": (), "proc_net": (), "proxy": ("dbus",), "units": ("dbus",),
}  # fmt: skip


@pytest.fixture(params=SHELLS)
def run(request: pytest.FixtureRequest) -> Iterator[Run]:
    """Runs a script through one shell, which is that host's `sh` too. Any user may enter its folder."""
    with tempfile.TemporaryDirectory() as folder:
        Path(folder).chmod(0o755)
        (Path(folder) / "sh").symlink_to(str(shutil.which(request.param)))
        yield lambda text, **how: ran(text, path=folder, **how)


def ran(text: str, *, path: str = "", user: int | None = None, **environment: str) -> bytes:
    """What does `sh` print for this script?"""
    known = {"PATH": f"{path}:{os.environ['PATH']}", "HOME": "/", "SHELL": "/bin/sh", **environment}
    sh = shutil.which("sh", path=known["PATH"])
    command = [str(sh), "-c", text]
    return subprocess.run(command, env=known, user=user, group=user, stdout=subprocess.PIPE, check=False).stdout


def probe(fragment: str, *, seconds: int = 5, size: int = 1000, slow: bool = False) -> Any:  # noqa: ANN401 - a probe
    """A probe that asks this."""
    return SimpleNamespace(
        SECONDS=seconds, BYTES=size, SIDE_BY_SIDE=slow, AT_ONCE=not slow, AFTER=(), RUNS=(),
        fragment=lambda _asked: fragment,
    )  # fmt: skip


def answer(monkeypatch: pytest.MonkeyPatch, run: Run, **probes: Any) -> dict[str, Frame | Missing]:  # noqa: ANN401
    """What do these probes answer, asked together?"""
    monkeypatch.setattr(script, "registry", lambda: probes)
    asked = dict.fromkeys(probes, ())
    return script.split(run(script.script(asked, TOKEN)), TOKEN, asked)


@pytest.mark.parametrize("user", [None, NOBODY], ids=["login", "nobody"])
def test_every_probe_answers(run: Run, user: int | None) -> None:
    """Every shell and login gets a whole frame of every probe, and those that need nothing special are readable."""
    if user is not None and os.geteuid() != 0:
        pytest.skip("changing the user needs root")
    frames = script.split(run(script.script(ASKED, TOKEN), user=user), TOKEN, ASKED)
    assert list(ASKED) == [name for name, frame in frames.items() if isinstance(frame, Frame)]
    read = {name: registry()[name].parse(frames[name]) for name in ("identity", "addresses", "proc_net", "names")}
    assert (os.geteuid() if user is None else user) == read["identity"].uid
    assert "127.0.0.1" in {str(one.address) for one in read["addresses"]}
    assert "127.0.0.1" in map(str, read["names"]["localhost"].addresses)
    assert "refused" == registry()["dials"].parse(frames["dials"])["127.0.0.1 1"].symptom


def test_slow_probes_run_side_by_side(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Slow probes cost the time of the slowest, and delay no other."""
    start = time.monotonic()
    slow = {f"slow_{letter}": probe("sleep 1; date +%s", slow=True) for letter in "abcd"}
    frames = answer(monkeypatch, run, quick=probe("date +%s"), **slow)
    assert time.monotonic() - start < 3.5  # one after the other they would take four
    moments = {name: int(frame.text) for name, frame in frames.items() if isinstance(frame, Frame)}
    assert set(frames) == set(moments)
    assert all(moments["quick"] <= moment for moment in moments.values())


def test_over_time(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A fragment that takes too long ends with timeout's own status; the next one is asked all the same."""
    frames = answer(monkeypatch, run, a=probe("echo begun; sleep 9", seconds=1), b=probe("echo b"))
    late = frames["a"]
    assert isinstance(late, Frame)
    # busybox before 1.36 passes on the signal's own status.
    assert late.status in {124, 143}
    assert frames["b"] == Frame(text="b\n", status=0)


@pytest.mark.parametrize("size", [1, 60, 78, 79, 80, 81, 90, 5000])
def test_over_size(run: Run, monkeypatch: pytest.MonkeyPatch, size: int) -> None:
    """What is larger than it may be is missing as a whole; what fits is all there. Status and token count too."""
    frames = answer(monkeypatch, run, a=probe(f"head -c {size} /dev/zero | tr '\\0' x", size=100), b=probe("echo b"))
    kept = frames["a"]
    if size + len(f"\n0 {TOKEN}") <= 100:
        assert kept == Frame(text="x" * size, status=0)
    else:
        assert isinstance(kept, Missing)
        assert kept.why == "a: the answer is larger than 100 bytes"
    assert frames["b"] == Frame(text="b\n", status=0)


@pytest.mark.parametrize("tail", [r"\n0", r"\n12", r"\n0\n\n\n\n", r"\n0 \n", r"\n0 0123\n\n\n"])
def test_no_status_in_a_cut_text(monkeypatch: pytest.MonkeyPatch, tail: str) -> None:
    """A text cut just behind what looks like an exit status is not taken for a whole one."""
    for size in range(3, 40):
        frames = answer(
            monkeypatch, ran, a=probe(f"printf 'ab{tail}'; head -c 999 /dev/zero | tr '\\0' '\\n'", size=size)
        )
        assert isinstance(frames["a"], Missing), size


def test_status(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each fragment's status and both of its streams are its own."""
    frames = answer(
        monkeypatch, run, ok=probe("echo out; echo err >&2"), bad=probe("exit 7"), none=probe("no-such-command-here"),
        quiet=probe(":"), killed=probe("kill -9 $$"),
    )  # fmt: skip
    assert frames["ok"] == Frame(text="out\nerr\n", status=0)
    assert frames["bad"] == Frame(text="", status=7)
    assert frames["quiet"] == Frame(text="", status=0)
    assert 127 == frames["none"].status  # type: ignore[union-attr] - a miss would raise
    assert 137 == frames["killed"].status  # type: ignore[union-attr] - as above


@pytest.mark.parametrize(
    ("printed", "kept"),
    [
        (rb"a\000b\n", "ab\n"),
        (rb"\377\376\n", "\udcff\udcfe\n"),
        (rb"\303\244\342\202\254\n", "ä€\n"),
        (rb"no end", "no end"),
        (rb"three ends\n\n\n", "three ends\n\n\n"),
        (rb"\r\n\033[2J\007", "\r\n\x1b[2J\x07"),
        (
            rb"BEGIN 0 listeners 3\nabc\nEND 0 listeners\nDONE 0 1\n",
            "BEGIN 0 listeners 3\nabc\nEND 0 listeners\nDONE 0 1\n",
        ),
        (rb"%%s %%d \\n $(id) `id` \047\n", "%s %d \\n $(id) `id` '\n"),
    ],
)
def test_bytes(run: Run, monkeypatch: pytest.MonkeyPatch, printed: bytes, kept: str) -> None:
    """Every byte but NUL, which no shell can hold, comes back as it was printed."""
    text = printed.decode("latin-1").replace("'", "'\\''")
    frames = answer(monkeypatch, run, a=probe(f"printf '{text}'"), b=probe("echo b"))
    assert frames == {"a": Frame(text=kept, status=0), "b": Frame(text="b\n", status=0)}


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(printed=st.binary(max_size=400))
def test_any_bytes(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, printed: bytes) -> None:
    """Whatever a fragment prints, the frame holds just that."""
    (tmp_path / "printed").write_bytes(printed)
    frames = answer(monkeypatch, ran, a=probe(f"cat '{tmp_path}/printed'"))
    assert frames == {"a": Frame(text=printed.replace(b"\0", b"").decode("utf-8", "surrogateescape"), status=0)}


def test_become(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Commands after $S run through `sudo -n` as the user who is asked for, whatever his name."""
    (tmp_path / "sudo").write_text('#!/bin/sh\nprintf "%s|" "$@"\n')
    (tmp_path / "sudo").chmod(0o755)
    monkeypatch.setattr(script, "registry", lambda: {"a": probe("$S echo x y")})
    asked: dict[str, tuple[str, ...]] = {"a": ()}
    texts = [script.script(asked, TOKEN), *(script.script(asked, TOKEN, become=user) for user in ("root", "db-admin"))]
    frames = [script.split(ran(text, path=str(tmp_path)), TOKEN, asked)["a"] for text in texts]
    told = ["x y\n", "-n|-u|root|--|echo|x|y|", "-n|-u|db-admin|--|echo|x|y|"]
    assert frames == [Frame(text=text, status=0) for text in told]


def test_without_systemd(tmp_path: Path) -> None:
    """Where systemd does not run, that is what is said of the units."""
    (tmp_path / "systemctl").write_text("#!/bin/sh\necho 'not booted with systemd' >&2\nexit 1\n")
    (tmp_path / "systemctl").chmod(0o755)
    asked = {"units": ("nginx",)}
    frame = script.split(ran(script.script(asked, TOKEN), path=str(tmp_path)), TOKEN, asked)["units"]
    assert isinstance(frame, Frame)
    with pytest.raises(Unreadable, match=r"systemctl show: exit status 1 \(not booted with systemd\)"):
        read("units", frame)


def test_a_line_before_sudo_answers(tmp_path: Path) -> None:
    """A sudo that takes its time is no silence: the first line is out before it is asked."""
    sudo = tmp_path / "sudo"
    wait = "n=0; until [ -e heard ] || [ $n -gt 200 ]; do sleep 0.1; n=$((n+1)); done; [ -e heard ] || : >late; exit 1"
    sudo.write_text(f"#!/bin/sh\n{wait}\n")
    sudo.chmod(0o755)
    command = ["sh", "-c", script.script({}, TOKEN, become="root")]
    known = {"PATH": f"{tmp_path}:{os.environ['PATH']}"}
    with subprocess.Popen(command, env=known, cwd=tmp_path, stdout=subprocess.PIPE) as process:
        assert process.stdout
        assert process.stdout.read(1) == b"\n"
        (tmp_path / "heard").touch()
        assert f"DONE {TOKEN} 0\n".encode() in process.stdout.read()
    assert not (tmp_path / "late").exists()


def test_without_timeout(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A host that has no timeout(1) answers too."""
    for name in ("sh", "head", "echo"):
        (tmp_path / name).symlink_to(str(shutil.which(name)))
    monkeypatch.setattr(script, "registry", lambda: {"a": probe("echo here")})
    text = script.script({"a": ()}, TOKEN).replace("PATH=$PATH:/usr", f"PATH={tmp_path}; : ")
    frames = script.split(ran(text, path=str(tmp_path)), TOKEN, {"a": ()})
    assert frames == {"a": Frame(text="here\n", status=0)}


def reply(frames: Mapping[str, tuple[bytes, int]]) -> bytes:
    """What a host answers that prints these."""
    parts = [b""]
    for name, (text, status) in frames.items():
        body = text + f"\n{status} {TOKEN}".encode()
        parts.append(f"BEGIN {TOKEN} {name} {len(body)}\n".encode() + body + f"\nEND {TOKEN} {name}".encode())
    return b"\n".join((*parts, f"DONE {TOKEN} {len(frames)}\n".encode()))


WHOLE: Mapping[str, tuple[bytes, int]] = {
    "identity": (b"web1\n0\n", 0),
    "listeners": (b"tcp\nBEGIN 0 nft 4\n0\nEND 0 nft\n", 0),
    "names": (f"a\n0 {TOKEN[:-1]}\n12\n".encode(), 0),
    "nft": (b"denied\n", 1),
}


def frames_of(texts: Mapping[str, tuple[bytes, int]]) -> dict[str, Frame]:
    """The frames that stand for these."""
    return {name: Frame(text=text.decode(), status=status) for name, (text, status) in texts.items()}


def is_same_or_missing(found: Mapping[str, Frame | Missing], whole: Mapping[str, Frame]) -> bool:
    """Is every frame the uncut one, or missing?"""
    return set(found) == set(whole) and all(
        isinstance(frame, Missing) or frame == whole[name] for name, frame in found.items()
    )


def test_model() -> None:
    """The replies made here are what the script prints."""
    assert frames_of(WHOLE) == script.split(reply(WHOLE), TOKEN, WHOLE)  # type: ignore[arg-type] - only names count
    printed = ran(script.script({"identity": ()}, TOKEN))
    frame = script.split(printed, TOKEN, {"identity": ()})["identity"]
    assert isinstance(frame, Frame)
    assert printed == reply({"identity": (frame.text.encode(), frame.status)})


def test_cut_at_every_byte() -> None:
    """A reply that ends early, or of which the beginning is lost, has whole frames or none: never a part of one."""
    whole, sent = frames_of(WHOLE), reply(WHOLE)
    for at in range(len(sent)):
        assert is_same_or_missing(script.split(sent[:at], TOKEN, WHOLE), whole)  # type: ignore[arg-type]
        assert is_same_or_missing(script.split(sent[at:], TOKEN, WHOLE), whole)  # type: ignore[arg-type]


def test_real_reply_cut() -> None:
    """So it is with what this machine really answers."""
    asked: dict[str, tuple[str, ...]] = {"identity": (), "addresses": (), "names": ("localhost",)}
    sent = ran(script.script(asked, TOKEN))
    whole = script.split(sent, TOKEN, asked)
    assert all(isinstance(frame, Frame) for frame in whole.values())
    for at in range(len(sent)):
        assert is_same_or_missing(script.split(sent[:at], TOKEN, asked), whole)  # type: ignore[arg-type] - all are frames


@given(noise=st.binary(max_size=50), end=st.binary(max_size=50))
def test_noise(noise: bytes, end: bytes) -> None:
    """What login scripts print before and after changes nothing."""
    assert frames_of(WHOLE) == script.split(noise + reply(WHOLE) + end, TOKEN, WHOLE)  # type: ignore[arg-type]


@given(start=st.integers(0, 400), lost=st.integers(1, 200))
def test_hole(start: int, lost: int) -> None:
    """Bytes lost in the middle cost the frames they were in, and change none."""
    sent = reply(WHOLE)
    assert is_same_or_missing(
        script.split(sent[:start] + sent[start + lost :], TOKEN, WHOLE),
        frames_of(WHOLE),  # type: ignore[arg-type]
    )


@given(st.binary(max_size=300))
def test_any_reply(sent: bytes) -> None:
    """Whatever arrives without the token holds no frame."""
    frames = script.split(sent, TOKEN, ASKED)
    assert list(ASKED) == [name for name, frame in frames.items() if isinstance(frame, Missing)]


@pytest.mark.parametrize(
    ("sent", "why"),
    [
        (b"", "nft: the answer was cut off"),
        (f"DONE {TOKEN} 1\n".encode(), "nft: not answered"),
        (f"BEGIN {TOKEN} nft 99\nabc".encode(), "nft: the answer was cut off"),
        (f"BEGIN {TOKEN} nft 3\nabcd\nEND {TOKEN} nft\nDONE {TOKEN} 1\n".encode(), "nft: the answer was cut off"),
        (reply({"nft": (b"a", 0)}) + reply({"nft": (b"a", 0)}), "nft: answered twice"),
        (reply({"nft": (b"a", 0)}).replace(TOKEN.encode(), b"f" * 16), "nft: the answer was cut off"),
        (reply({"nft": (b"a", 1000)}), f"nft: the answer is larger than {registry()['nft'].BYTES} bytes"),
        (reply({"names": (b"a", 0)}), "nft: not answered"),
    ],
)
def test_missing(sent: bytes, why: str) -> None:
    """What is not there says why."""
    frame = script.split(sent, TOKEN, {"nft": ()})["nft"]
    assert isinstance(frame, Missing)
    assert why == frame.why


def joined(monkeypatch: pytest.MonkeyPatch, run: Run, **probes: Any) -> dict[str, Frame | Missing]:  # noqa: ANN401
    """What do these answer, where those that look at others name them?"""
    for one in probes.values():
        one.AFTER = getattr(one, "AFTER", ())
    return answer(monkeypatch, run, **probes)


def looking(fragment: str, *after: str) -> Any:  # noqa: ANN401 - a probe
    """A probe that looks at the frames of others."""
    one = probe(fragment)
    one.AFTER = after
    return one


def test_asked_in_one_shell(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What answers at once is asked by one and the same shell, each in a process of its own."""
    mine = 'read -r i _ </proc/self/stat; printf "%s %s" "$$" "$i"'
    frames = answer(monkeypatch, run, a=probe(mine), b=probe(mine), c=probe(mine, slow=True))
    shells = {name: frame.text.split()[0] for name, frame in frames.items() if isinstance(frame, Frame)}
    assert shells["a"] == shells["b"] != shells["c"]
    assert 3 == len({frame.text.split()[1] for frame in frames.values() if isinstance(frame, Frame)})


def test_a_frame_that_was_asked_before_is_seen(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What ended well can be looked at by those that are asked after it; what failed, or was too large, cannot."""
    frames = joined(
        monkeypatch, run, b_good=probe("echo here"), b_bad=probe("echo there; exit 3"), b_large=probe("echo 1", size=3),
        a_last=looking('echo "<${seen_b_good%% *}> <${seen_b_bad-}> <${seen_b_large-}>"', "b_good", "b_bad", "b_large"),
    )  # fmt: skip
    assert frames["a_last"] == Frame(text="<here\n\n0> <> <>\n", status=0)
    assert frames["b_bad"] == Frame(text="there\n", status=3)


def test_nothing_is_seen_by_who_is_asked_alone(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """A probe that is asked by itself, as another ended the shell, looks for itself."""
    frames = joined(
        monkeypatch, run, a_good=probe("echo here"), b_killer=probe("kill -9 $$"),
        c_last=looking('echo "<${seen_a_good-}>"', "a_good", "b_killer"),
    )  # fmt: skip
    assert frames["a_good"] == Frame(text="here\n", status=0)
    assert frames["c_last"] == Frame(text="<>\n", status=0)


def test_nothing_of_a_fragment_stays(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Variables, functions, options, input and folder of one fragment are not another's, nor is the token."""
    spoil = "x=1; T=; o=; q=; PATH=; cd /; set -f; f() { :; }; IFS=/; trap : EXIT; exec 1>&2; echo spoilt"
    frames = answer(
        monkeypatch,
        run,
        a=probe(spoil),
        b=probe('echo "<${x-}>"; command -v f; pwd; echo /e*c; cat; env | grep -c 0123'),
    )
    told = frames["b"]
    assert isinstance(told, Frame)
    assert ["<>", str(Path.cwd()), "/etc", "0"] == told.text.splitlines()


def test_a_hung_fragment_costs_its_own_frame(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """However many wait for nothing, all others answer, and the hung ones wait side by side."""
    begun = time.monotonic()
    waits = probe("sleep 60", seconds=2)
    waits.SIDE_BY_SIDE = True
    frames = answer(monkeypatch, run, a=probe("echo a"), m=waits, n=waits, z=probe("echo z"))
    took = time.monotonic() - begun
    assert [frames[name] for name in "az"] == [Frame(text=f"{name}\n", status=0) for name in "az"]
    late = [frames[name] for name in "mn"]
    assert all(isinstance(frame, Frame) and frame.status in {124, 143} for frame in late)
    assert took < 30


def test_a_fragment_without_end_has_no_memory(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """What prints without end is cut off by the bound of memory, is told as too large, and costs no other frame."""
    endless = "while :; do echo 0123456789012345678901234567890123456789012345678901234567890123456789; done"
    frames = answer(monkeypatch, run, a=probe("echo a"), b=probe(endless, seconds=9), c=probe("echo c"))
    assert [frames[name] for name in "ac"] == [Frame(text=f"{name}\n", status=0) for name in "ac"]
    lost = frames["b"]
    assert isinstance(lost, Missing)
    assert lost.why == "b: the answer is larger than 1000 bytes"


def test_too_long_for_one_argument(run: Run, monkeypatch: pytest.MonkeyPatch) -> None:
    """Where all fragments together are longer than an argument may be, each is given by itself."""
    monkeypatch.setattr(script, "ARGUMENT", 100)
    frames = answer(monkeypatch, run, **{name: probe(f'echo {name} "<${{_token-}}>"') for name in "abc"})
    assert frames == {name: Frame(text=f"{name} <>\n", status=0) for name in "abc"}
