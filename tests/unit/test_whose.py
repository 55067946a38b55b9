"""Is each reply that of the declared host, and of one boot?"""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused import whose
from whyrefused.collect import saved
from whyrefused.collect.visited import Visited
from whyrefused.inventory.expect import Expect
from whyrefused.records import Connection, Frame, Host, Inventory, Reply

if TYPE_CHECKING:
    from collections.abc import Mapping


def inventory(**addresses: str) -> Inventory:
    """Hosts at these addresses."""
    hosts = {
        name: Host(name=name, connection=Connection(kind="ssh", address=address), groups=(), expect=Expect())
        for name, address in addresses.items()
    }
    return Inventory(sources=(), hosts=hosts, groups={}, selected=tuple(hosts))


def reply(host: str, *, name: str = "", boot: str = "b1", at: str = "") -> Reply:
    """What this host answered, that came to this address of its own."""
    text = f"{name or host}\n0\n{boot}\ndebian\n" + (f"192.0.2.1 5 {at} 22\n" if at else "\n")
    return Reply(host=host, frames={"identity": Frame(text=text, status=0)})


def strangers(made: Inventory, *replies: Reply) -> dict[str, str]:
    """Who is not who was declared, and why?"""
    judged = whose.declared(made, {one.host: one for one in replies})
    return {host: one.unreached for host, one in judged.items() if one.unreached}


def test_hosts_of_their_own() -> None:
    """Different machines, and one machine with several addresses or names of its own, are as declared."""
    made = inventory(web1="192.0.2.2", web2="192.0.2.3", alias="192.0.2.2")
    first, second = reply("web1", at="192.0.2.2"), reply("web2", boot="b2", at="192.0.2.3")
    assert {} == strangers(made, first, second, reply("alias", name="web1", at="192.0.2.2"))
    assert {} == strangers(made, first, reply("web2", name="ip-192-0-2-3", at="192.0.2.3"))
    assert {} == strangers(made, reply("web1", name="WEB1.example.com"), reply("web2", name="localhost"))
    assert {} == strangers(made, reply("web1"), reply("web2", name="web2"))


def test_one_machine_for_two() -> None:
    """Where two addresses lead to one sshd, the name whose address it does not have is not the declared host."""
    made = inventory(web1="192.0.2.2", web2="192.0.2.3")
    found = strangers(made, reply("web1", at="192.0.2.2"), reply("web2", name="web1", at="192.0.2.2"))
    assert ["web2"] == list(found)
    assert all(word in found["web2"] for word in ("not-the-declared-host", "web1", "web2", "192.0.2.2"))
    both = inventory(web1="a.example", web2="b.example")
    assert ["web1", "web2"] == sorted(strangers(both, reply("web1", at="10.0.0.1"), reply("web2", at="10.0.0.1")))


def test_called_as_another() -> None:
    """A host that has the name of another one of the inventory is not the declared one."""
    made = inventory(web1="192.0.2.2", web2="192.0.2.3")
    found = strangers(made, reply("web1", boot="b1"), reply("web2", name="web1.example.com", boot="b2"))
    assert ["web2"] == list(found)
    assert "calls itself 'web1.example.com'" in found["web2"]


def test_nothing_is_kept_of_it() -> None:
    """What a wrong host said is no evidence of anything."""
    made = inventory(web1="192.0.2.2", web2="192.0.2.3")
    judged = whose.declared(made, {"web2": reply("web2", name="web1")})
    assert {} == judged["web2"].frames


def both(first: dict[str, Reply], second: dict[str, Reply]) -> Mapping[str, Reply]:
    """Join two looks, as a visit does."""
    return saved.joined(Visited(replies=first), Visited(replies=second)).replies


def test_rebooted() -> None:
    """Two looks at a host that was started anew between them count for nothing."""
    merged = both({"web1": reply("web1")}, {"web1": reply("web1", boot="b2")})
    assert (merged["web1"].unreached or "").startswith("rebooted: ")
    assert {} == merged["web1"].frames
    same = both({"web1": reply("web1")}, {"web1": reply("web1"), "web2": reply("web2")})
    assert same["web1"].unreached is None
