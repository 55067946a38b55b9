"""Is a report written whole, or not at all?"""

from __future__ import annotations

import errno
import os
import stat
import subprocess
import sys
from typing import TYPE_CHECKING

import pytest

from whyrefused import report

if TYPE_CHECKING:
    from pathlib import Path

LIMITED = """
import resource, sys
from whyrefused import report
resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))
try:
    report.write(sys.argv[1], "x" * 10_000, 0o600)
except OSError as error:
    sys.exit(error.errno)
"""


def test_written_whole_with_its_mode(tmp_path: Path) -> None:
    """The text is there, readable for whom it should be, and nothing else is left in the folder."""
    report.write(tmp_path / "new" / "latest.html", "é\n", 0o600)
    assert "é\n" == (tmp_path / "new" / "latest.html").read_text("utf-8")
    assert 0o600 == stat.S_IMODE((tmp_path / "new" / "latest.html").stat().st_mode)
    assert ["latest.html"] == [it.name for it in (tmp_path / "new").iterdir()]


def test_the_old_report_is_replaced(tmp_path: Path) -> None:
    """A second run's report takes the place of the first's."""
    report.write(tmp_path / "a", "one", 0o600)
    report.write(tmp_path / "a", "two", 0o600)
    assert "two" == (tmp_path / "a").read_text()


def test_a_full_disk_leaves_the_old_report(tmp_path: Path) -> None:
    """When the text cannot be written to its end, the old report stays and no piece of the new one does."""
    (tmp_path / "a").write_text("old")
    done = subprocess.run([sys.executable, "-c", LIMITED, str(tmp_path / "a")], check=False)
    assert errno.EFBIG == done.returncode
    assert {"a": "old"} == {it.name: it.read_text() for it in tmp_path.iterdir()}


def test_links_are_not_followed(tmp_path: Path) -> None:
    """A link that somebody planted is refused, and what it points to is untouched."""
    (tmp_path / "victim").write_text("mine")
    (tmp_path / "a").symlink_to("victim")
    with pytest.raises(OSError, match="not a regular file"):
        report.write(tmp_path / "a", "new", 0o600)
    assert "mine" == (tmp_path / "victim").read_text()
    assert (tmp_path / "a").is_symlink()


def test_only_regular_files_are_replaced(tmp_path: Path) -> None:
    """A pipe, a folder or a dangling link stays what it is."""
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "folder").mkdir()
    (tmp_path / "link").symlink_to("nowhere")
    for name in ("pipe", "folder", "link"):
        with pytest.raises(OSError, match="not a regular file"):
            report.write(tmp_path / name, "new", 0o600)
    assert ["folder", "link", "pipe"] == sorted(it.name for it in tmp_path.iterdir())


def test_a_folder_that_cannot_be_is_an_error(tmp_path: Path) -> None:
    """A path through a file raises OSError like any other."""
    (tmp_path / "file").write_text("")
    with pytest.raises(OSError, match="file"):
        report.write(tmp_path / "file" / "a", "new", 0o600)
