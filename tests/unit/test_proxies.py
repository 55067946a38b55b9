"""Which proxies are set on a host, and where? And none of their passwords left it."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from whyrefused.evidence import HostEvidence
from whyrefused.facts import proxies
from whyrefused.probes import proxy
from whyrefused.records import CouldNotLook, Frame, Reply

DATA = Path(__file__).parent / "data/probes/proxy"


def host(name: str) -> HostEvidence:
    """What is known of a host whose places were recorded."""
    frame = Frame(text=(DATA / f"{name}.txt").read_text(), status=0)
    return HostEvidence("web1", Reply(host="web1", frames={"proxy": frame}))


@pytest.mark.parametrize(
    ("variable", "places"),
    [
        (
            "http_proxy",
            ["/etc/environment", "systemd manager", "unit w.service", "unit v.service", "unit multi.service"],
        ),
        ("https_proxy", ["login shell", "/etc/environment", "unit w.service", "unit v.service"]),
        ("ftp_proxy", ["/etc/environment", "systemd manager"]),
        ("all_proxy", ["/etc/environment", "unit w.service", "unit v.service"]),
        ("no_proxy", ["/etc/environment", "/etc/environment", "unit w.service", "unit v.service"]),
    ],
)
def test_settings(variable: str, places: list[str]) -> None:
    """A variable is found in each place, in upper and lower case, and in no other."""
    assert places == [place for place, _ in proxies.settings(host("everywhere"), variable)]


@pytest.mark.parametrize("name", ["no-shell", "environment-unreadable", "unprivileged"])
def test_unreadable_place(name: str) -> None:
    """Where one place could not be read nothing is said of the variable at all."""
    with pytest.raises(CouldNotLook):
        proxies.settings(host(name), "http_proxy")


def test_none() -> None:
    """A host without proxies shows every place and nothing in it."""
    known = host("none")
    assert ["login shell", "/etc/environment", "systemd manager", "unit nginx.service"] == list(known.places)
    assert [()] * 5 == [proxies.settings(known, f"{one}_proxy") for one in ("http", "https", "ftp", "all", "no")]


@pytest.mark.parametrize("path", sorted(DATA.glob("*.txt")), ids=lambda path: path.stem)
def test_no_secret_left_the_host(path: Path) -> None:
    """The passwords that these hosts had in all places, with @ and / in them, are in none of their replies."""
    text = path.read_text()
    assert not [
        word for word in (*(f"secret{number}" for number in range(10)), "p@ss", "w@rd", "hunter2") if word in text
    ]


@pytest.mark.parametrize(
    ("value", "meant"),
    [
        ("http://Proxy.example.com:3128/", "http://proxy.example.com:3128"),
        ("http://***@proxy.example.com:3128", "http://proxy.example.com:3128"),
        ("http://user:p@ss@proxy.example.com", "http://proxy.example.com"),
        ("proxy.example.com:3128", "http://proxy.example.com:3128"),
    ],
)
def test_plain(value: str, meant: str) -> None:
    """Two spellings of one proxy are one."""
    assert meant == proxies.plain(value)


@given(st.lists(st.text("ab.*/1", min_size=1, max_size=5), unique=True), st.sampled_from([",", " ", ", ", " , "]))
def test_spared(names: list[str], separator: str) -> None:
    """The names of a no_proxy are found whatever stands between them."""
    one = proxy.Setting(variable="no_proxy", value=separator.join(names), line="")
    assert frozenset(names) == proxies.spared(one)


PASSWORD = st.text("aZ0@/:?#%+=$'\"\\ `!&;|*~^()<>{}[]äß", min_size=4, max_size=20).map(lambda text: f"q7{text}7q")
FORM = st.sampled_from(
    ["http_proxy=http://u:{}@h:1", "HTTPS_PROXY=u:{}@h", "export ftp_proxy='http://u:{}@h'", '  ALL_PROXY="socks5://{}@h"',
     "no_proxy=u:{}@h", "http_proxy=http://u:{}@h:1,http://u:{}@i"]
)  # fmt: skip


@settings(max_examples=60, deadline=None)
@given(password=PASSWORD, form=FORM)
@pytest.mark.parametrize("shell", [shell for shell in ("dash", "busybox") if shutil.which(shell)])
def test_any_password(shell: str, password: str, form: str) -> None:
    """Whatever a password holds, the script that runs on the host strikes it out before it prints."""
    command = [shell, *(["sh"] if shell == "busybox" else []), "-c", f"{proxy.HELPERS} keep place"]
    line = form.replace("{}", password)
    printed = subprocess.run(
        command, input=line.encode(), stdout=subprocess.PIPE, check=True, env=os.environ
    ).stdout.decode()
    assert "q7" not in printed
    assert "7q" not in printed
    assert printed.endswith("place\t.\n")
