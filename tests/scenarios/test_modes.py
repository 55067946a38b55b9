"""Both modes of --items give the same: results, findings, JUnit's cases and the exit status, over what real hosts said.

Every eighth story in each `make test`; WHYREFUSED_STORIES=all takes all of them.
"""

from __future__ import annotations

import json
import os
import subprocess
import sys
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
from bench import grown

from .modes import MODES
from .replay import HERE, STORIES

if TYPE_CHECKING:
    from collections.abc import Sequence

TAKEN = STORIES if os.environ.get("WHYREFUSED_STORIES") == "all" else STORIES[3::8]
HOSTS = 50
"""One of each fault of `grown` is among them."""
IDS = ("test_services.py::test_services[h00007-nginx]", "test_ports.py::test_ports[h00017-80/tcp]")
CHECKS = Path(__file__).parents[2] / "checks"
SELECTIONS: dict[str, Sequence[Sequence[str]]] = {
    "all": [[]],
    "-k subject": [["-k", "80 or nginx"]],
    "-k host and subject": [["-k", "h00007 and not nginx"]],
    "-k nothing": [["-k", "nowhere"]],
    "-m check": [["-m", "firewall or proxy"]],
    "-m group": [["-m", "group_rack001 and ports"]],
    "-x": [["-x"]],
    "--maxfail": [["--maxfail=3"]],
    "--deselect": [[f"--deselect=checks/{one}" for one in IDS]],
    "--lf": [["-k", "services or firewall"], ["--lf"]],
    "--ff -x": [["-m", "not proxy"], ["--ff", "-x"]],
    "--sw": [["--sw"], ["--sw"]],
}


class Told:
    """What a run wrote, but for its own moments."""

    def __init__(self, place: str) -> None:
        self.status = int(Path(f"{place}.status").read_text())
        document = json.loads(path.read_text()) if (path := Path(f"{place}.json")).exists() else {"run": {}}
        document["run"] |= {"started": "", "finished": ""}
        self.findings: dict[str, Any] = document
        self.cases = sorted(
            (str(case.get("classname")), str(case.get("name")), [(one.tag, _words(one)) for one in case])
            for case in ET.parse(f"{place}.xml").getroot().iter("testcase")  # noqa: S314 - our own file
        )

    @property
    def outcomes(self) -> dict[str, str]:
        """How did each item end?"""
        return {one["id"]: one["outcome"] for one in self.findings.get("results", [])}


def _words(case: ET.Element) -> str:
    """What is said; of a skipped one where pytest met it is left out, which is in our own code or in the check's."""
    return str(case.get("message")) if case.tag != "failure" else f"{case.get('message')} {case.text}"


def both(folder: Path, runs: Sequence[Sequence[Sequence[str]]]) -> list[tuple[Told, Told]]:
    """What comes of each of these runs in each mode?"""
    (folder / "runs.json").write_text(json.dumps(runs))
    kept = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
    done = subprocess.run(
        [sys.executable, "-m", "scenarios.modes", folder], cwd=HERE.parent, env={**kept, "HOME": str(folder)},
        capture_output=True, text=True, check=False,
    )  # fmt: skip
    assert done.returncode == 0, done.stdout[-4000:] + done.stderr
    each, host = MODES
    return [(Told(f"{folder}/{number}-{each}"), Told(f"{folder}/{number}-{host}")) for number in range(len(runs))]


def alike(each: Told, host: Told, what: str) -> None:
    """Nothing differs."""
    assert each.findings == host.findings, what
    assert each.cases == host.cases, what
    assert each.status == host.status, what


def test_stories(tmp_path: Path) -> None:
    """What real hosts said, with faults of every kind: the same in both modes, and not nothing."""
    runs = [[[f"--inventory={HERE / one / 'inventory.yml'}", f"--evidence={HERE / one / 'evidence.json'}"]]
            for one in TAKEN]  # fmt: skip
    told = both(tmp_path, runs)
    for story, (each, host) in zip(TAKEN, told, strict=True):
        alike(each, host, story)
        assert each.outcomes, story
    assert {"passed", "failed"} <= {outcome for each, _ in told for outcome in each.outcomes.values()}
    assert len({one["cause"] for each, _ in told for one in each.findings["findings"]}) > 5


def test_selections(tmp_path: Path) -> None:
    """Whatever selects and whatever stops a run does the same to the same items in both modes."""
    inventory, evidence = grown.fleet(tmp_path, HOSTS)
    always = [f"--inventory={inventory}", f"--evidence={evidence}"]
    runs = [[[*always, *step] for step in steps] for steps in SELECTIONS.values()]
    told = dict(zip(SELECTIONS, both(tmp_path, runs), strict=True))
    for what, (each, host) in told.items():
        alike(each, host, what)
    ran = {what: sum(one != "skipped" for one in each.outcomes.values()) for what, (each, _) in told.items()}
    assert ran["all"] == HOSTS * 14
    assert ran["-k subject"] < ran["all"]
    assert {"h00007"} == {one["host"] for one in told["-k host and subject"][1].findings["results"]}
    assert (5, 0) == (told["-k nothing"][1].status, ran["-k nothing"])
    assert ran["all"] - len(IDS) == ran["--deselect"]
    assert (1, 3) == tuple(bad(told[what][1]) for what in ("-x", "--maxfail"))
    assert bad(told["--lf"][1]) == ran["--lf"] > 0
    assert not told["-x"][1].findings["run"]["complete"]


def bad(told: Told) -> int:
    """How many are not as declared, or not known?"""
    return sum(one in {"failed", "error"} for one in told.outcomes.values())


NOTE = """    with pathlib.Path("noted").open("a") as file:
        print({item}.nodeid, file=file)
"""
FIXTURE = "import pathlib, pytest\n@pytest.fixture({how})\ndef noted(request):\n" + NOTE.format(item="request.node")
HOOK = "import pathlib\ndef pytest_runtest_setup(item):\n" + NOTE.format(item="item")
FEW = "from whyrefused import bundles\nbundles.MANY = 1\n"
"""So few items are many, for the length of one run."""


@pytest.mark.parametrize(
    ("conftest", "mode", "noted"),
    [
        (FIXTURE.format(how=""), "host", {"services"}),
        (FIXTURE.format(how="autouse=True"), "host", {"services", "ports"}),
        (FEW + HOOK, "auto", {"services", "ports"}),
        (FEW + FIXTURE.format(how=""), "auto", {"services"}),
    ],
    ids=["mark", "autouse fixture", "hook of a conftest.py", "none of these"],
)
def test_what_pytest_must_run_it_runs(conftest: str, mode: str, noted: set[str], tmp_path: Path) -> None:
    """A check with a mark or a fixture more is run by pytest item by item, and so is what a hook follows."""
    inventory, evidence = grown.fleet(tmp_path, 2, faults={})
    folder = tmp_path / "checks"
    folder.mkdir()
    (folder / "conftest.py").write_text(conftest)
    ports, services = ((CHECKS / f"test_{name}.py").read_text() for name in ("ports", "services"))
    (folder / "test_ports.py").write_text(ports)
    marked = services.replace(
        "\ndef test_services", "\nimport pytest\n@pytest.mark.usefixtures('noted')\ndef test_services"
    )
    (folder / "test_services.py").write_text(services if HOOK in conftest else marked)
    argv = [sys.executable, "-m", "pytest", folder, "-p", "no:cacheprovider", f"--items={mode}", "-p", "no:xdist"]
    more = [f"--inventory={inventory}", f"--evidence={evidence}", "--findings=x.json"]
    done = subprocess.run([*argv, *more], cwd=tmp_path, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    ids = [one["id"] for one in json.loads((tmp_path / "x.json").read_text())["results"]]
    assert (2 * 6, 2 * 6) == (len(ids), len(set(ids)))
    expected = sorted(one for one in ids if any(check in one for check in noted))
    assert expected == sorted((tmp_path / "noted").read_text().splitlines())


def test_workers(tmp_path: Path) -> None:
    """With -n every item is pytest's own, whatever was asked for, and the findings are the same."""
    inventory, evidence = grown.fleet(tmp_path, 10)
    argv = [sys.executable, "-m", "pytest", CHECKS, "-p", "no:cacheprovider", "--items=host", "-q"]
    more = [f"--inventory={inventory}", f"--evidence={evidence}"]
    said = []
    for name, way in (("one", ()), ("two", ("-n", "2"))):
        done = subprocess.run(
            [*argv, *more, f"--findings={name}.json", *way], cwd=tmp_path, capture_output=True, text=True, check=False
        )
        assert done.returncode == 1, done.stdout + done.stderr
        said.append((tmp_path / f"{name}.json").read_bytes())
    assert said[0] == said[1]


ENDING = """import os, signal
seen = []
def pytest_runtest_logreport(report):
    seen.append(report)
    if len(seen) == {after}:
        os.kill(os.getpid(), signal.SIGTERM)
"""


@pytest.mark.parametrize("mode", MODES)
def test_told_to_end_while_it_tells(mode: str, tmp_path: Path) -> None:
    """Of what is judged nothing is lost, and nothing told twice, whichever mode is ended in the middle of a host."""
    inventory, evidence = grown.fleet(tmp_path, 10)
    (tmp_path / "ending.py").write_text(ENDING.format(after=22))
    files = [f"--findings={tmp_path}/x.json", f"--junitxml={tmp_path}/x.xml"]
    always = ["-p", "no:cacheprovider", f"--items={mode}", f"--inventory={inventory}", f"--evidence={evidence}"]
    environment = {**os.environ, "PYTHONPATH": str(tmp_path)}
    argv = [sys.executable, "-m", "pytest", "-p", "ending", CHECKS, *always, *files]
    done = subprocess.run(argv, cwd=tmp_path, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 2, done.stdout + done.stderr
    (tmp_path / "x.status").write_text("2")
    told = Told(f"{tmp_path}/x")
    assert (10 * 14, 10 * 14) == (len(told.outcomes), len(told.cases))
    assert len({(classname, name) for classname, name, _ in told.cases}) == len(told.cases)
    assert not any("not run" in one["observed"] for one in told.findings["results"])
    assert "failed" in told.outcomes.values()


@pytest.mark.parametrize(
    ("size", "mode", "lines"), [(1, "auto", 14), (1, "host", 14), (720, "auto", 720 * 14)], ids=["few", "asked", "many"]
)
def test_collected(size: int, mode: str, lines: int, tmp_path: Path) -> None:
    """--collect-only lists every declared item in every mode, under the ids that select it."""
    inventory, evidence = grown.fleet(tmp_path, size, faults={})
    done = subprocess.run(
        [sys.executable, "-m", "pytest", CHECKS, "-p", "no:cacheprovider", f"--items={mode}",
         f"--inventory={inventory}",
         f"--evidence={evidence}", "--collect-only", "-q"],
        cwd=tmp_path, capture_output=True, text=True, check=False,
    )  # fmt: skip
    ids = [line for line in done.stdout.splitlines() if "::" in line]
    assert (0, lines, len(set(ids))) == (done.returncode, len(ids), lines)
    assert ("run as one for each host and check" in done.stdout) == (mode == "host" or lines > 1_000)
