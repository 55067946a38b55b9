"""The plugin as its users run it: pytest on this very machine, over testinfra's local connection. No root needed."""

from __future__ import annotations

import json
import os
import re
import stat
import subprocess
import sys
from pathlib import Path

import jsonschema
import pytest

from whyrefused import report

REPOSITORY = Path(__file__).parents[2]
CHECKS = REPOSITORY / "checks"
HERE = """\
all:
  hosts:
    here: {{ansible_connection: local}}
  vars:
    expect: {expect}
"""
NAME_ONLY = "{resolves: {localhost: [127.0.0.0/8, '::1/128']}}"
RED = "{resolves: {localhost: [192.0.2.1]}, ports: {1/tcp: absent}}"


def inventory(folder: Path, expect: str) -> Path:
    """An inventory of this machine, of which this is expected."""
    path = folder / "hosts.yml"
    path.write_text(HERE.format(expect=expect))
    return path


def run(folder: Path, *arguments: object, tests: object = CHECKS) -> subprocess.CompletedProcess[str]:
    """Pytest, as a user types it in this folder."""
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", str(tests), *map(str, arguments)]
    environment = {name: value for name, value in os.environ.items() if not name.startswith(("ANSIBLE_", "PYTEST_"))}
    return subprocess.run(
        command, cwd=folder, env=environment, capture_output=True, text=True, timeout=120, check=False
    )


def findings(path: Path) -> dict:
    """The JSON of a run, which must fit its schema."""
    document = json.loads(path.read_text())
    jsonschema.validate(document, report.schema())
    return document


def test_green(tmp_path: Path) -> None:
    """All as declared: exit status 0, both reports in reports/, and the closing sentence."""
    done = run(tmp_path, "--inventory", inventory(tmp_path, NAME_ONLY))
    assert (done.returncode, done.stderr.count("visited 1 host in")) == (0, 1), done.stdout
    assert "1 host, 1 item: 1 passed, 0 failed, 0 errors, 0 skipped; 0 findings." in done.stdout
    document = findings(tmp_path / "reports" / "latest.json")
    assert ["passed"] == [result["outcome"] for result in document["results"]]
    assert document["results"][0]["evidence"]
    assert "here" in (tmp_path / "reports" / "latest.html").read_text()


def test_red(tmp_path: Path) -> None:
    """One is not as declared: exit status 1, a finding that explains it, and its cause in every output."""
    done = run(tmp_path, f"--inventory={inventory(tmp_path, RED)}", "--junitxml", "junit.xml")
    assert done.returncode == 1
    document = findings(tmp_path / "reports" / "latest.json")
    failed = [result for result in document["results"] if result["outcome"] == "failed"]
    assert [("dns", [failed[0]["id"]])] == [(one["cause"], one["explains"]) for one in document["findings"]]
    assert failed[0]["finding"] == document["findings"][0]["id"]
    assert set(document["findings"][0]["differential"]) == set(report.cause_ids())
    assert re.search(r"^1\. here: Incorrect DNS settings: ", done.stdout, re.MULTILINE)
    assert "FAILED" in done.stdout
    assert 'message="dns: here takes localhost for' in (tmp_path / "junit.xml").read_text()


@pytest.mark.parametrize(
    ("expect", "words"),
    [
        ("{portz: {}}", "did you mean `ports`?"),
        ("{ports: {80/tcp: {bnd: 0.0.0.0}}}", "did you mean `bind`?"),
        ("{ports: {80/tcp: {clients: [nobody]}}}", "nobody"),
    ],
)
def test_wrong_inventory(tmp_path: Path, expect: str, words: str) -> None:
    """A mistake ends the run with status 4 and one clear message, and nobody is visited."""
    done = run(tmp_path, f"--inventory={inventory(tmp_path, expect)}")
    assert done.returncode == 4
    assert words in done.stderr + done.stdout
    assert "hosts.yml" in done.stderr + done.stdout
    assert "visited" not in done.stderr
    assert "Traceback" not in done.stderr + done.stdout


@pytest.mark.parametrize(
    "options", [("--inventory=nowhere.yml",), ("--inventory=nowhere.yml", "-n1"), ("--collect-only",)]
)
def test_a_run_that_checks_nothing_leaves_the_last_page(tmp_path: Path, options: tuple[str, ...]) -> None:
    """Neither a wrong inventory nor a mere list of the items puts an empty page in place of the last run's."""
    path, page = inventory(tmp_path, RED), tmp_path / "page.html"
    page.write_text("of last night")
    done = run(tmp_path, f"--inventory={path}", *options, f"--html={page}")
    assert (4 if "--inventory=nowhere.yml" in options else 0, "of last night") == (done.returncode, page.read_text())


def test_no_inventory(tmp_path: Path) -> None:
    """A path that is not there is status 4, naming it."""
    done = run(tmp_path, "--inventory=nowhere.yml")
    assert (done.returncode, "nowhere.yml" in done.stderr) == (4, True)


def test_nothing_checked(tmp_path: Path) -> None:
    """Only declarations that are not checked yet: counted, skipped, and status 5."""
    path = inventory(tmp_path, "{ports: {5353/udp: {clients: [here]}}}")
    done = run(tmp_path, f"--inventory={path}", "-k", "test_connects")
    assert done.returncode == 5
    assert "1 skipped (1 not checked yet)" in done.stdout


def test_nothing_declared(tmp_path: Path) -> None:
    """An inventory without expectations checks nothing: status 5."""
    assert run(tmp_path, f"--inventory={inventory(tmp_path, '{}')}").returncode == 5


def test_unreached(tmp_path: Path) -> None:
    """A host that cannot be reached: its items end as errors with the reason; the others go on."""
    path = inventory(tmp_path, "{proxy: none}")
    text = path.read_text().replace("  vars:", "    gone: {ansible_host: 127.0.0.1, ansible_port: 1}\n  vars:")
    path.write_text(text)
    done = run(tmp_path, f"--inventory={path}")
    outcomes = [(one["host"], one["outcome"]) for one in findings(tmp_path / "reports" / "latest.json")["results"]]
    assert done.returncode == 1
    assert {("gone", "error")} == {one for one in outcomes if one[0] == "gone"}
    assert {"passed", "failed"} >= {outcome for host, outcome in outcomes if host == "here"}
    assert "gone: refused: 127.0.0.1" in done.stdout


def test_saved_evidence(tmp_path: Path) -> None:
    """What the hosts said, kept and judged again: the same results, no visit, and a private file."""
    path = inventory(tmp_path, RED)
    run(tmp_path, f"--inventory={path}", "--save-evidence=kept.json", "--findings=live.json")
    again = run(tmp_path, f"--inventory={path}", "--evidence=kept.json", "--findings=again.json")
    live, replayed = findings(tmp_path / "live.json"), findings(tmp_path / "again.json")
    assert (live["results"], live["findings"]) == (replayed["results"], replayed["findings"])
    assert "visited" not in again.stderr
    assert stat.S_IMODE((tmp_path / "kept.json").stat().st_mode) == 0o600
    assert not (tmp_path / "reports").exists()


def test_bad_evidence(tmp_path: Path) -> None:
    """A file that is no saved evidence is status 4, naming it."""
    path = inventory(tmp_path, RED)
    done = run(tmp_path, f"--inventory={path}", f"--evidence={path}")
    assert (done.returncode, "hosts.yml" in done.stderr) == (4, True)


def test_cut_short(tmp_path: Path) -> None:
    """-x: what did not run is in the findings all the same, and the run is not complete."""
    expect = "{resolves: {localhost: [192.0.2.1]}, services: {nosuch: absent}, proxy: none}"
    done = run(tmp_path, f"--inventory={inventory(tmp_path, expect)}", "-x", "--findings=f.json")
    document = findings(tmp_path / "f.json")
    assert (done.returncode, document["run"]["complete"], len(document["results"])) == (1, False, 6)
    assert any("not run" in one["observed"] for one in document["results"])
    assert "Incomplete" in done.stdout


def test_workers(tmp_path: Path) -> None:
    """-n 2: one visit in all, the same results as without, and the page is ours."""
    path = inventory(tmp_path, RED)
    run(tmp_path, f"--inventory={path}", "--findings=one.json")
    done = run(tmp_path, f"--inventory={path}", "--findings=two.json", "--html=two.html", "-n", "2")
    assert "Content-Security-Policy" in (tmp_path / "two.html").read_text()
    one, two = findings(tmp_path / "one.json"), findings(tmp_path / "two.json")
    assert (one["results"], one["findings"]) == (two["results"], two["findings"])
    assert done.stderr.count("visited 1 host in") == 1
    assert not list(Path("/tmp").glob("whyrefused-*/replies.json"))  # noqa: S108 - where mkdtemp makes them


def test_workers_and_a_wrong_inventory(tmp_path: Path) -> None:
    """-n 2: a mistake is told once, with status 4, as without workers."""
    done = run(tmp_path, f"--inventory={inventory(tmp_path, '{portz: {}}')}", "-n", "2")
    assert (done.returncode, (done.stdout + done.stderr).count("did you mean `ports`?")) == (4, 1)


def test_help(tmp_path: Path) -> None:
    """--help shows our options, and reads no inventory."""
    done = run(tmp_path, "--inventory=nowhere.yml", "--help")
    assert (done.returncode, "--save-evidence" in done.stdout) == (0, True)


def test_collect_only(tmp_path: Path) -> None:
    """--collect-only visits nobody and writes nothing."""
    done = run(tmp_path, f"--inventory={inventory(tmp_path, RED)}", "--collect-only", "-q")
    assert (done.returncode, "visited" in done.stderr, (tmp_path / "reports").exists()) == (0, False, False)
    assert "test_ports[here-1/tcp]" in done.stdout


def test_selection(tmp_path: Path) -> None:
    """-k and -m choose by host, subject, check and group."""
    path = inventory(tmp_path, RED)
    assert "1 item: 1 passed" in run(tmp_path, f"--inventory={path}", "-k", "here and 1/tcp").stdout
    assert "1 item: 0 passed, 1 failed" in run(tmp_path, f"--inventory={path}", "-m", "resolves").stdout


def test_unwritable_report(tmp_path: Path) -> None:
    """Findings that cannot be written are said, and the run is not green; an impossible --html is status 4."""
    given = f"--inventory={inventory(tmp_path, NAME_ONLY)}"
    done = run(tmp_path, given, "--findings=/proc/nowhere/f.json")
    assert (done.returncode, "could not write /proc/nowhere/f.json" in done.stdout) == (1, True)
    assert run(tmp_path, given, "--html=/proc/nowhere/report.html").returncode == 4


def test_own_tests_beside_ours(tmp_path: Path) -> None:
    """Operators' own tests: testinfra's `host` is the inventory's, `evidence` is the run's, no local name matters."""
    own = tmp_path / "test_own.py"
    own.write_text(
        "def test_host(host):\n    assert host.run('echo $((6*7))').stdout == '42\\n'\n\n"
        "def test_evidence(evidence):\n    assert evidence['here'].identity.hostname\n\n"
        "def test_names():\n    declared = 1\n    assert declared\n"
    )
    done = run(tmp_path, CHECKS, f"--inventory={inventory(tmp_path, NAME_ONLY)}", "-v", tests=own)
    assert (done.returncode, "4 passed" in done.stdout) == (0, True), done.stdout
    assert "test_host[local]" in done.stdout


def test_other_projects_are_left_alone(tmp_path: Path) -> None:
    """Where no check is collected nothing of ours happens: no inventory is read, pytest-html writes its own page."""
    own = tmp_path / "test_own.py"
    own.write_text("def test_it():\n    pass\n")
    done = run(tmp_path, "--html=page.html", "--self-contained-html", tests=own)
    assert (done.returncode, (tmp_path / "reports").exists(), "inventory" in done.stdout) == (0, False, False)
    assert "data-jsonblob" in (tmp_path / "page.html").read_text()


def test_configuration_is_found(tmp_path: Path) -> None:
    """An inventory outside of the project does not move pytest's root away from it."""
    path = inventory(tmp_path, NAME_ONLY)
    done = run(REPOSITORY, "--inventory", path, "--findings", tmp_path / "f.json", "--collect-only")
    assert f"rootdir: {REPOSITORY}\n" in done.stdout
    assert "configfile: pyproject.toml" in done.stdout


def test_the_plugin_is_light() -> None:
    """Every pytest of the environment loads it: it loads nothing heavy, nor does --help."""
    heavy = {"paramiko", "pydantic", "jinja2", "yaml", "testinfra.backend"}
    code = "import sys, whyrefused.plugin; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert heavy & set(loaded) == set()


@pytest.mark.parametrize(("expect", "named"), [(NAME_ONLY, 0), (RED, 11)], ids=["healthy", "wrong"])
def test_causes_are_loaded_where_something_is_wrong(tmp_path: Path, expect: str, named: int) -> None:
    """A run that finds all as declared loads none of the causes, and its page describes none."""
    (tmp_path / "loaded.py").write_text(
        "import sys\n\ndef pytest_unconfigure():\n"
        "    print('LOADED', sum(name.startswith('whyrefused.causes.') for name in sys.modules))\n"
    )
    done = run(tmp_path, f"--inventory={inventory(tmp_path, expect)}", "-p", "loaded", f"--rootdir={tmp_path}")
    assert f"LOADED {named}\n" in done.stdout, done.stdout + done.stderr
    assert (tmp_path / "reports" / "latest.html").read_text().count('<section id="cause-') == named


def test_connection_option(tmp_path: Path) -> None:
    """Testinfra's --connection is that of hosts which have none of their own."""
    path = tmp_path / "hosts.yml"
    path.write_text("all: {hosts: {here: }, vars: {expect: {resolves: {localhost: [127.0.0.0/8, '::1/128']}}}}")
    assert run(tmp_path, f"--inventory={path}", "--connection=local").returncode == 0
    path.write_text(path.read_text().replace("here: ", "here: {ansible_connection: local}"))
    assert run(tmp_path, f"--inventory={path}", "--connection=ansible").returncode == 0
    done = run(tmp_path, f"--inventory={path}", "--connection=carrier")
    assert done.returncode == pytest.ExitCode.USAGE_ERROR
    assert "--connection: the connection `carrier` is not known; right are ssh, paramiko, local, docker" in done.stderr
