"""What of a client's configuration leaves its host, in whichever format, and what never does."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import TYPE_CHECKING, Any

import pytest
import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.probes import configured
from whyrefused.records import Frame

if TYPE_CHECKING:
    from whyrefused.probes.configured import Configured

CASES = yaml.safe_load((Path(__file__).parent / "data/configured/cases.yml").read_text())


def printed(text: str, key: str, folder: Path) -> str:
    """What does the fragment print of a file with this text?"""
    file = folder / "file"
    file.write_text(text)
    where = f"{file}#{key}" if key else str(file)
    done = subprocess.run(
        ["sh", "-c", configured.fragment((where,))], capture_output=True, text=True, check=True,
        env={"S": "", "LC_ALL": "C", "PATH": "/usr/sbin:/usr/bin:/sbin:/bin"},
    )  # fmt: skip
    return done.stdout


def read(text: str) -> Configured:
    """What does the parser make of it?"""
    (found,) = configured.parse(Frame(text=text, status=0)).values()
    return found


@pytest.mark.parametrize("case", CASES, ids=map(str, range(len(CASES))))
def test_told(case: dict[str, Any], tmp_path: Path) -> None:
    """Only the destinations under the key are told, without user, password and path."""
    text = printed(case["text"], case.get("key", ""), tmp_path)
    rows = [line.split("\t")[1:] for line in text.splitlines()]
    assert case["told"] == [f"{row[1]}={row[2]}" for row in rows if row[0] == "file" and len(row) == 3]
    assert "s3" not in text
    read(text)


SECRET = st.text(st.sampled_from("aZ9!$%&*+,;:=@/?#'\"\\[]{}() .-~`|<>^"), min_size=4, max_size=12).map(
    "c4n4ry".__add__
)
FORMS = (
    "URL=postgres://app:{0}@db1:5433/app", 'URL="redis://:{0}@db1"', "URL: 'amqp://{0}:x@db1/'",
    "[x]\nURL = app:{0}@db1:1",
    "URL=host=db1 password={0}", "PASSWORD={0}\nURL=db1",
    "- PASSWORD: {0}\n  URL: db1", '{{"URL": "http://u:{0}@db1/"}}',
    "URL=app:{0}@tcp(db1:1)/x", "URL=Server=db1;Password={0};", "URL=https://db1/?token={0}",
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(secret=SECRET, form=st.sampled_from(FORMS), key=st.sampled_from(["URL", ""]))
def test_no_secret_leaves(secret: str, form: str, key: str, tmp_path_factory: pytest.TempPathFactory) -> None:
    """Whatever a password looks like, no part of it is printed."""
    assert "c4n4ry" not in printed(form.format(secret), key, tmp_path_factory.mktemp("x"))


@pytest.mark.parametrize(
    ("key", "hosts", "ports"),
    [
        ("DB_HOST", ("DB_HOST",), ("DB_PORT",)),
        ("db.hostname", ("db.hostname",), ("db.port",)),
        ("dbServer", ("dbServer",), ("dbPort",)),
        ("host", ("host",), ("port",)),
        ("DATABASE_URL", ("DATABASE_URL",), ("DATABASE_URL_PORT",)),
        ("PGHOST", ("PGHOST",), ("PGPORT",)),
    ],
)
def test_siblings(key: str, hosts: tuple[str, ...], ports: tuple[str, ...]) -> None:
    """The port of a host stands under the same key, with the word for a host replaced."""
    assert (hosts, ports) == configured.siblings(key)


def test_siblings_of_a_port() -> None:
    """The host of a port stands under one of several words."""
    hosts, ports = configured.siblings("redis_port")
    assert ("redis_port",) == ports
    assert {"redis_host", "redis_server", "redis"} <= set(hosts)


def test_unreadable(tmp_path: Path) -> None:
    """A folder is no file, and no file is none."""
    assert "Is a directory" in repr(read(printed_of(str(tmp_path))).sources["file"])
    assert read(printed_of(f"{tmp_path}/none")).sources["file"] is None


def printed_of(where: str) -> str:
    """What does the fragment print of this place?"""
    done = subprocess.run(["sh", "-c", configured.fragment((where,))], capture_output=True, text=True, check=True,
                          env={"S": "", "LC_ALL": "C", "PATH": "/usr/bin:/bin"})  # fmt: skip
    return done.stdout
