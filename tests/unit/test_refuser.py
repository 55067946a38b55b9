"""Who refused, as both ends of a path show it on real hosts?

A case is a folder of `data/refuser/`: what `burst` printed at the client and `watch` at the server, and where it ends.
"""

from __future__ import annotations

from ipaddress import ip_address
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from whyrefused.case import Case
from whyrefused.evidence import Evidence
from whyrefused.facts import refuser
from whyrefused.plan.keys.connects import PathItem
from whyrefused.probes.dials import Dial, Try
from whyrefused.records import Frame, Reply, Seen

DATA = Path(__file__).parent / "data/refuser"
CASES = sorted(path.name for path in DATA.iterdir())


def case(path: str) -> Case:
    """A path that failed between these addresses."""
    client, server, port = path.split("/")
    one = Try(address=ip_address(server), word="ECONNREFUSED", milliseconds=1, source=client, icmp=None, line="")
    item = PathItem(host="app1", check="connects", subject="web1", wanted="", server="web1", destination=server,
                    port=int(port), server_port=None)  # fmt: skip
    seen = Seen(value=Dial(tries=(one,), no_name="", lines=()), said="", symptom="refused")
    return Case(item=item, seen=seen, server="web1", port=int(port), protocol="tcp", bind="0.0.0.0", unit=None,  # noqa: S104
                wants_enabled=False, declared_ports={})  # fmt: skip


def said(name: str, burst: Frame | None = None, watch: Frame | None = None) -> Evidence:
    """What both ends said in this case, or something else in its place."""
    folder = DATA / name
    client = Reply(host="app1", frames={"burst": burst or Frame(text=(folder / "burst.txt").read_text(), status=0)})
    server = Reply(host="web1", frames={"watch": watch or Frame(text=(folder / "watch.txt").read_text(), status=0)})
    return Evidence((client, server))


@pytest.mark.parametrize("name", CASES)
def test_where(name: str) -> None:
    """The connection ends where it did, and both ends are quoted."""
    expected = yaml.safe_load((DATA / name / "expected.yml").read_text())
    found = refuser.of(case(expected["path"]), said(name))
    assert expected["where"] == (found.where if found else None)
    if found:
        assert found.because
        assert {line.host for line in found.lines} == {"app1", "web1"}


@pytest.mark.parametrize("name", CASES)
def test_half_a_look_tells_nothing(name: str) -> None:
    """One end alone decides nothing."""
    path = yaml.safe_load((DATA / name / "expected.yml").read_text())["path"]
    lost = Frame(text="", status=124)
    assert refuser.of(case(path), said(name, watch=lost)) is None
    assert refuser.of(case(path), said(name, burst=lost)) is None


@given(cut=st.integers(0, 400))
def test_a_cut_look_tells_nothing_else(cut: int) -> None:
    """Whatever is cut off the client's words, nothing but the truth is told, or nothing."""
    name = "server-rule-resets"
    text = (DATA / name / "burst.txt").read_text()
    path = yaml.safe_load((DATA / name / "expected.yml").read_text())["path"]
    found = refuser.of(case(path), said(name, burst=Frame(text=text[: len(text) - min(cut, len(text))], status=0)))
    assert found is None or found.where == "server-rule"
