"""Messages name the file and the line."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from whyrefused.inventory.locate import locator
from whyrefused.inventory.sources import Source

YAML = Source(path="hosts.yml", kind="inventory", text="""\
all:
  vars:
    expect:
      connects:
        - a:1
        - to: b:1
  children:
    web:
      hosts:
        web1:
          expect: {services: {nginx.service: running},
                   ports: {443: {}}}
        web2:
""")  # fmt: skip
INI = Source(path="hosts.ini", kind="inventory", text="""\
# a comment
web9 ansible_port=22

[web]
web1 expect='{}' ansible_user=x

[web:vars]
expect = {}
[web:children]
expect=1
""")  # fmt: skip
VARIABLES = Source(path="group_vars/web.yml", kind="groups", name="web", text="a: 1\nexpect:\n  proxy: none\n")
FOUND = locator([YAML, INI, VARIABLES])


def line(kind: str, name: str, *path: str | int) -> str:
    """Where is this said to stand?"""
    place = FOUND.find((kind, name), path)
    return f"{place.file}:{place.line}" if place else ""


def test_yaml() -> None:
    """Keys of maps, whatever their spelling, places of lists, and as far as the path can be followed."""
    assert line("groups", "all", "expect", "connects", 0, "to") == "hosts.yml:5"
    assert line("groups", "all", "expect", "connects", 1, "to") == "hosts.yml:6"
    assert line("groups", "all", "expect", "proxy") == "hosts.yml:3"
    assert line("hosts", "web1", "expect", "ports", "443/tcp", "bind") == "hosts.yml:12"
    assert line("hosts", "web1", "expect", "services", "nginx", "state") == "hosts.yml:11"


def test_ini() -> None:
    """A group's variable by its section, a host's by its line."""
    assert line("hosts", "web9", "ansible_port") == "hosts.ini:2"
    assert line("hosts", "web1", "ansible_user") == "hosts.ini:5"


def test_variables_file() -> None:
    """A file of group_vars is its group's."""
    assert line("groups", "web", "expect", "proxy") == "group_vars/web.yml:3"
    assert line("groups", "web", "a") == "group_vars/web.yml:1"


def test_the_level_itself() -> None:
    """Where the key cannot be found, the line that names the group or host is better than none."""
    assert line("hosts", "web2", "expect") == "hosts.yml:13"
    assert line("groups", "web", "ansible_user") == "hosts.yml:8"
    assert line("hosts", "nobody", "expect") == ""


def test_every_place() -> None:
    """All places in which one level says a thing are known."""
    places = FOUND.all(("groups", "web"), ("expect",))
    assert [(place.file, place.line) for place in places] == [("group_vars/web.yml", 2), ("hosts.ini", 8)]


@given(st.text(alphabet=st.sampled_from("ab:=-[]{},&*# \n'\""), max_size=100))
def test_any_text(text: str) -> None:
    """Whatever the file, a place or none is found."""
    found = locator([Source(path="f", kind="inventory", text=text)])
    place = found.find(("hosts", "a"), ("b", 0))
    assert place is None or 1 <= place.line <= len(text.splitlines()) + 1
