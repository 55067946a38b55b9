"""Is a secret told anywhere? Forty of them, in all places; none stands in any byte that a run puts out or starts."""

from __future__ import annotations

import html
import json
import re
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from whyrefused.report.packed import unpacked

from . import canaries
from .audit import ROOT, environment
from .process import run

if TYPE_CHECKING:
    from collections.abc import Iterator, Mapping

    from . import Lab

pytestmark = pytest.mark.lab

ADDRESS = re.compile(r"(?<![\d.])\d{1,3}(?:\.\d{1,3}){3}(?![\d.])")
EVERYBODYS = ("0.0.0.0", "255.255.255.255")  # noqa: S104 - as hosts print it
VAULT = "vault-password"
LOUD = (
    "-vv", "-rA", "--showlocals", "--tb=long", "--log-level=DEBUG", "--log-cli-level=DEBUG", "--full-trace",
    "--durations=0", "-p", "lab.canary_watch",
)  # fmt: skip
WATCH = r"""
import glob, os, sys, time
seen = set()
def read(path):
    try:
        with open(path, "rb") as file: return file.read()
    except OSError: return b""
def ours(pid):
    while pid > 1:
        if b"sshd" in read("/proc/%d/comm" % pid): return True
        words = read("/proc/%d/stat" % pid).rpartition(b")")[2].split()
        pid = int(words[1]) if len(words) > 1 else 0
    return False
until = time.time() + 120
while not os.path.exists("/run/enough") and time.time() < until:
    for path in glob.glob("/proc/[0-9]*"):
        pid = int(path[6:])
        words = read(path + "/cmdline")
        if words and words not in seen and ours(pid): seen.add(words)
    time.sleep(0.01)
sys.stdout.buffer.write(b"\n".join(seen))
"""


@pytest.fixture(scope="module")
def hosts(lab: Lab) -> Lab:
    """Boot two hosts and plant the secrets on both."""
    for host in lab.boot(canaries.APP, canaries.WEB):
        host.run("systemctl -q enable --now nginx")
        canaries.plant(host)
    return lab


@pytest.fixture(scope="module")
def vault(hosts: Lab) -> Path:
    """Write a vaulted variable beside the inventory, and give the file of its password."""
    password = hosts.folder / VAULT
    password.write_text(canaries.secret(VAULT))
    program = str(Path(sys.executable).with_name("ansible-vault"))
    words = ("encrypt_string", "--vault-password-file", str(password), "--name", "hidden_password")
    hidden = run(program, *words, canaries.secret("vault-value"), env=environment()).stdout
    (hosts.folder / "group_vars").mkdir()
    (hosts.folder / "group_vars/all.yml").write_text(hidden)
    return password


@dataclass(frozen=True, kw_only=True)
class Loud:
    """Runs that are as loud as pytest can be, each in a folder of its own."""

    lab: Lab
    vault: Path
    folder: Path

    def run(self, inventory: Path, *options: str, crash: str = "", blind: str = "") -> dict[str, bytes]:
        """What does it put out? Every stream and file, by name; what it starts and sends is under `notes`."""
        kept = environment() | canaries.environment()
        kept |= {
            "CANARY_NOTES": f"{self.folder}/notes",
            "CANARY_CRASH": crash,
            "CANARY_BLIND": blind,
            "PYTHONPATH": str(ROOT / "tests"),
        }
        words = (
            *(sys.executable, "-m", "pytest", f"--inventory={inventory}", f"--vault-password-file={self.vault}", *LOUD),
            *(
                f"--{name}={self.folder}/{name}"
                for name in ("log-file", "html", "shareable", "findings", "junitxml", "save-evidence")
            ),
            *(f"--basetemp={self.folder}/base", "-o", f"cache_dir={self.folder}/cache", *options, str(ROOT / "checks")),
        )
        done = self.lab.controller(words, cwd=self.folder, env=kept)
        files = [file for file in sorted(self.folder.rglob("*")) if file.is_file()]
        pages = [file for file in files if file.name in {"html", "shareable"}]
        return {
            # What the pages hold deflated is in clear here, or no secret would ever be found in it.
            **{f"{page.name}, its items": json.dumps(unpacked(page.read_text())).encode() for page in pages},
            "status": str(done.returncode).encode(), "stdout": done.stdout.encode(), "stderr": done.stderr.encode(),
            **{str(file.relative_to(self.folder)): file.read_bytes() for file in files},
        }  # fmt: skip


@pytest.fixture
def loud(hosts: Lab, vault: Path, tmp_path: Path) -> Loud:
    """Give the means to run."""
    (tmp_path / "run").mkdir()
    return Loud(lab=hosts, vault=vault, folder=tmp_path / "run")


def told(said: Mapping[str, bytes]) -> dict[str, set[str]]:
    """Which secrets stand where? `notes` is looked at apart."""
    return {name: hit for name, data in said.items() if name != "notes" and (hit := canaries.found(data))}


def notes(said: Mapping[str, bytes]) -> Iterator[tuple[str, bytes, bytes]]:
    """What was started or sent: what it is, its words, its environment."""
    for line in said["notes"].decode().splitlines():
        kind, *rest = json.loads(line)
        if kind == "sent":
            yield "script", rest[0].encode(), b""
        else:
            program, words, variables = rest
            yield Path(program).name, "\0".join(words).encode(), json.dumps(variables).encode()


def test_forty() -> None:
    """There are forty, each to be told from the others, and what looks for them finds them in every spelling."""
    assert 40 == len(set(canaries.NAMES))
    for name in canaries.NAMES:
        for form in canaries.forms(name):
            assert {name} == canaries.found(b"x" + form + b"y")
    assert set(canaries.IN_WORDS[:7]) == canaries.found(canaries.said().encode())


@pytest.mark.parametrize("user", ["root", "auditor"])
def test_no_secret_is_told(loud: Loud, user: str) -> None:
    """A whole run with failures of every kind: none of the secrets comes out, in no spelling."""
    web = loud.lab[canaries.WEB]
    web.run("rm -f /run/enough")
    watcher = subprocess.Popen((*web.inside, "python3", "-c", WATCH), stdout=subprocess.PIPE)
    said = loud.run(loud.lab.inventory(canaries.INVENTORY, user=user, name=f"{user}.yml"))
    web.run("touch /run/enough")
    shown, _ = watcher.communicate(timeout=60)
    assert b"1" == said["status"], said["stdout"].decode()
    assert {"html", "html, its items", "shareable", "findings", "junitxml", "save-evidence", "log-file"} <= set(said)
    outcomes = {one["outcome"] for one in json.loads(said["findings"])["results"]}
    assert {"failed", "passed"} <= outcomes
    assert said["save-evidence"].count(b"***") > 5, "nothing was planted where the tool looks"
    assert {} == told(said)
    assert b"timeout" in shown, "whoever listed processes on the host saw none of ours"
    assert set() == canaries.found(shown)
    for program, words, variables in notes(said):
        assert (program, set()) == (program, canaries.found(words))
        # Inventory plugins and scripts have their credentials from the environment (spec.md: any that Ansible reads);
        # what else is started is pytest's and its plugins' own.
        if program in {"ssh", "timeout", "script"}:
            assert (program, set()) == (program, canaries.found(variables))


def test_what_is_planted_would_be_told(loud: Loud) -> None:
    """Without redaction the same run tells most of what the hosts say: the secrets stand where the tool looks."""
    said = loud.run(loud.lab.inventory(canaries.INVENTORY), "--second-look=never", blind="1")
    assert {*canaries.IN_WORDS[:7], "rule-comment"} <= set().union(*told(said).values())


@pytest.mark.parametrize("user", ["root", "auditor"])
def test_what_is_shared_names_nobody(loud: Loud, user: str) -> None:
    """The page for strangers holds no name, address or user of the fleet, and has every finding of the full one."""
    inventory = loud.lab.inventory(canaries.INVENTORY, user=user, name=f"{user}.yml")
    said = loud.run(inventory, "--second-look=never")
    full, page = said["html"].decode(), said["shareable"].decode()
    shared = html.unescape(page) + json.dumps(unpacked(page))
    fleet = {str(inventory), str(loud.lab.folder), *loud.lab.hosts, *(host.address for host in loud.lab.hosts.values())}
    fleet |= {"auditor", "example.test"} if user == "auditor" else {"example.test"}
    assert {canaries.APP, canaries.WEB} <= {name for name in fleet if name in full}
    assert set() == {name for name in fleet if name in shared}
    assert set() == {one for one in ADDRESS.findall(shared) if not one.startswith("127.") and one not in EVERYBODYS}
    assert unpacked(page)["hosts"]
    assert full.count('id="finding-') == shared.count('id="finding-') > 0


CRASHES = ("audit:collect", "judge:failure", "collect.visit:_carry", "publish:set_status", "console:told",
           "inventory.reading:judge")  # fmt: skip


@pytest.mark.parametrize("crash", CRASHES)
def test_no_secret_in_a_crash(loud: Loud, crash: str) -> None:
    """Wherever the tool itself breaks, the traceback holds none of them."""
    said = loud.run(loud.lab.inventory(canaries.INVENTORY), "--second-look=never", crash=f"whyrefused.{crash}")
    assert b"0" != said["status"]
    assert any(b"a crash that was asked for" in data for data in said.values()), said["stdout"].decode()
    assert {} == told(said)


MISTAKES = (
    ("http: http://audit", "htp: http://audit"),
    ("http: http://audit", "http: [http://audit"),
    ("postgres://", "postgros://"),
    ("- http://app:", "- htp://app:"),
    ("ansible_password: ", "ansible_password: !vault "),
    ("ansible_password: ", "ansible_ssh_common_args: "),
    ("db_password: ", "expect: "),
    ("db_password: ", "db_password: {a: "),
)


@pytest.mark.parametrize("mistake", MISTAKES, ids=[wrong.rstrip(": ") for _, wrong in MISTAKES])
def test_no_secret_in_a_mistake(loud: Loud, mistake: tuple[str, str]) -> None:
    """An inventory that is wrong just where a secret stands is refused without quoting it."""
    bad = loud.lab.inventory(canaries.INVENTORY, name="bad.yml")
    text = bad.read_text()
    assert mistake[0] in text
    bad.write_text(text.replace(*mistake))
    said = loud.run(bad)
    assert (b"4", {}) == (said["status"], told(said)), said["stderr"].decode()
