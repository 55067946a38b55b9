"""Is bad input refused before any host hears of it: exit status 4, one clear message, file and key?"""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from . import Counts
from .audit import audit

if TYPE_CHECKING:
    from . import Host, Lab

pytestmark = pytest.mark.lab

NEVER = Counts(connections=0, execs=0)
SPELT = """
web:
  hosts: {web1: {}}
  vars:
    expect:
      services: {ssh: running}
      EXTRA
"""


@pytest.fixture(scope="module")
def web(lab: Lab) -> Host:
    """Boot the host that must not hear anything."""
    return lab.boot("web1")[0]


BAD = (
    ("servces: {nginx: running}", ("bad.yml", "servces", "services")),
    ("ports: {99999/tcp: listening}", ("bad.yml", "ports", "99999")),
    ("ports: {80/tcp: {allow: [nosuchgroup]}}", ("bad.yml", "80/tcp", "nosuchgroup")),
    ("ports: {80/tcp: {bnd: 0.0.0.0}}", ("bad.yml", "bnd", "bind")),
    ("resolves: {web.example.test: [300.1.1.1]}", ("bad.yml", "resolves", "300.1.1.1")),
    ("authoritative: {example.test: ns1}", ("bad.yml", "authoritative", "'ns1' is not the address of a nameserver")),
    ("proxy: false", ("bad.yml", "proxy", "none")),
)


@pytest.mark.parametrize(("extra", "told"), BAD, ids=[extra.split(":")[0] for extra, _ in BAD])
def test_wrong_expectation(lab: Lab, web: Host, extra: str, told: tuple[str, ...]) -> None:
    """An unknown key, an impossible value or an unknown group stops the run, naming file, key and what is meant."""
    inventory = lab.inventory(SPELT.replace("EXTRA", extra), name="bad.yml")
    before = web.ssh_counts()
    run = audit(lab, inventory=inventory)
    assert (4, {}, NEVER) == (run.status, run.found, web.ssh_counts() - before), run
    assert [] == [word for word in told if word not in run.said], run
    assert "Traceback" not in run.said


def test_all_mistakes_at_once(lab: Lab, web: Host) -> None:
    """Two mistakes are told in one run."""
    inventory = lab.inventory(SPELT.replace("EXTRA", "servces: {}\n      prts: {}"), name="bad.yml")
    before = web.ssh_counts()
    run = audit(lab, inventory=inventory)
    assert (4, True, True, NEVER) == (
        run.status, "servces" in run.said, "prts" in run.said, web.ssh_counts() - before
    ), run  # fmt: skip


NONE = {"missing": None, "empty": "", "not-yaml": "all: [1, 2\n", "no-host": "all: {}\n"}


@pytest.mark.parametrize("content", NONE.values(), ids=NONE)
def test_no_inventory(lab: Lab, content: str | None) -> None:
    """An inventory that is missing, empty, no YAML, or without a host: exit status 4, and its name."""
    file = lab.folder / "nosuch.yml"
    file.unlink(missing_ok=True)
    if content is not None:
        file.write_text(content)
    run = audit(lab, inventory=file)
    assert (4, {}, True, False) == (run.status, run.found, "nosuch.yml" in run.said, "Traceback" in run.said), run


def test_nothing_that_can_be_checked_yet(lab: Lab, web: Host) -> None:
    """Where all that is declared is not checked yet, each item says so and the run is not green: exit status 5."""
    text = "web: {hosts: {web1: {}}, vars: {expect: {ports: {53/udp: {clients: [web]}, 514/udp: {clients: [web]}}}}}\n"
    before = web.ssh_counts()
    run = audit(lab, "-k", "test_connects", inventory=lab.inventory(text))
    assert (5, {"skipped": 2}, NEVER) == (run.status, run.outcomes, web.ssh_counts() - before), run
    assert all("not checked yet" in one["observed"] for one in run.results)
    assert "not checked yet" in run.said.splitlines()[-1] or "2 skipped" in run.said


def test_unreadable_evidence(lab: Lab, web: Host) -> None:
    """Saved evidence that is none is a mistake on the command line, not an empty fleet."""
    inventory = lab.inventory(SPELT.replace("EXTRA", "proxy: none"))
    (lab.folder / "none.json").write_text("{}")
    before = web.ssh_counts()
    run = audit(lab, f"--evidence={lab.folder}/none.json", inventory=inventory)
    assert (4, set(), NEVER) == (run.status, set(run.outcomes) - {"skipped"}, web.ssh_counts() - before), run
    assert "none.json" in run.said
