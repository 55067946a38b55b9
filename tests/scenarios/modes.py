"""Audits in both modes of --items, one after the other in one process: `modes.py FOLDER`, which holds `runs.json`.

It is a list of runs, each a list of arguments; each writes FOLDER/NUMBER-MODE.json, .xml and .status.
"""

from __future__ import annotations

import json
import os
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
MODES = ("each", "host")
QUIET = (
    "-q",
    "-p",
    "no:hypothesispytest",
    "-p",
    "no:xdist",
    "--rootdir",
    str(ROOT),
    "-c",
    str(ROOT / "pyproject.toml"),
)


def main(folder: Path) -> None:
    """Do each of the runs in each mode, in a folder of its own, where pytest's cache is too."""
    for number, arguments in enumerate(json.loads((folder / "runs.json").read_text())):
        for mode in MODES:
            place = folder / f"{number}-{mode}"
            place.mkdir()
            os.chdir(place)
            for step in arguments:
                files = (f"--findings={place}.json", f"--junitxml={place}.xml", "-o", f"cache_dir={place}")
                status = pytest.main([str(ROOT / "checks"), *QUIET, f"--items={mode}", *files, *step])
            Path(f"{place}.status").write_text(str(int(status)))


if __name__ == "__main__":
    main(Path(sys.argv[1]))
