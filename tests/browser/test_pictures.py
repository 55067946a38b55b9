"""Do the pictures of the README show what the tool makes of real hosts? `make pictures` takes them again.

`demo/` has what the hosts of the lab said (`--save-evidence`); it is judged and shown as it would be for anybody.
"""

from __future__ import annotations

import os
import shutil
import struct
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
DEMO = Path(__file__).parent / "demo"
PICTURES = ROOT / "docs/pictures"
SIZE = 1280, 1280
MOST = 400_000


@pytest.fixture(scope="module")
def page(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Where is the report of what the lab's hosts said?"""
    folder = tmp_path_factory.mktemp("demo")
    shutil.copytree(DEMO, folder, dirs_exist_ok=True)
    words = (sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "-q", str(ROOT / "checks"))
    options = ("--inventory=hosts.yml", "--evidence=evidence.json", "--html=page.html", "--self-contained-html")
    done = subprocess.run((*words, *options), cwd=folder, capture_output=True, text=True, check=False)
    assert 1 == done.returncode, done.stdout + done.stderr
    return folder / "page.html"


@pytest.mark.parametrize(("dark", "name"), [(False, "report.png"), (True, "report-dark.png")], ids=["light", "dark"])
def test_the_pictures_of_the_readme(
    browser: Any,  # noqa: ANN401 - loaded with runpy
    chromium: dict[str, Any],
    page: Path,
    dark: bool,  # noqa: FBT001 - a case
    name: str,
) -> None:
    """The report says what the README's picture is said to show; the picture has its size and is not too large."""
    taken = chromium["screenshot"](browser, page, SIZE, dark=dark)
    assert "4 findings on 3 hosts" == browser.page.locator("h1").inner_text()
    assert 4 == browser.page.locator("article.finding").count()
    if os.environ.get("WHYREFUSED_PICTURES") == "1":
        (PICTURES / name).write_bytes(taken)
    for picture in (taken, (PICTURES / name).read_bytes()):
        assert SIZE == struct.unpack(">II", picture[16:24])
        assert len(picture) < MOST
