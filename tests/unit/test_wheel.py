"""The wheel: what users install has the checks, the schemas and the page in it, and runs."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from pathlib import Path

import pytest

REPOSITORY = Path(__file__).parents[2]


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The wheel of this tree."""
    folder = tmp_path_factory.mktemp("wheel")
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(folder)]
    subprocess.run(command, cwd=REPOSITORY, check=True, capture_output=True)
    return next(folder.glob("*.whl"))


def test_contents(wheel: Path) -> None:
    """Checks, package data and the programs that hosts run are in it; tests are not."""
    names = set(zipfile.ZipFile(wheel).namelist())
    wanted = {path.name for path in (REPOSITORY / "checks").glob("test_*.py")}
    assert wanted <= {Path(name).name for name in names if name.startswith("whyrefused/checks/")}
    data = {"report/html/page.html", "report/page.css", "report/rows.js", "report/list.js", "report/page.js",
            "report/findings.schema.json", "inventory/expect.schema.json",
            "probes/remote/dial.py", "probes/remote/dial.pl", "py.typed"}  # fmt: skip
    assert {f"whyrefused/{name}" for name in data} <= names
    assert not any(name.startswith("tests/") for name in names)


def test_installed_checks_run(wheel: Path, tmp_path: Path) -> None:
    """`pytest --pyargs whyrefused.checks` works where only the package is installed."""
    site = tmp_path / "site"
    zipfile.ZipFile(wheel).extractall(site)
    inventory = tmp_path / "hosts.yml"
    expect = "{resolves: {localhost: [127.0.0.0/8, '::1/128']}}"
    inventory.write_text(f"all: {{hosts: {{here: {{ansible_connection: local}}}}, vars: {{expect: {expect}}}}}")
    command = [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--pyargs", "whyrefused.checks"]
    environment = {**os.environ, "PYTHONPATH": str(site)}
    done = subprocess.run(
        [*command, "--inventory", str(inventory)], cwd=tmp_path, env=environment, capture_output=True, text=True,
        check=False,
    )  # fmt: skip
    assert (done.returncode, "1 item: 1 passed" in done.stdout) == (0, True), done.stdout + done.stderr
