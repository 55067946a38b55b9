"""Which items does an inventory declare?"""

from __future__ import annotations

import ipaddress
from dataclasses import replace
from typing import TYPE_CHECKING

from whyrefused.inventory.expect import PROXIES, ProxySettings, destination
from whyrefused.plan.items import (
    FirewallItem,
    Item,
    LaterItem,
    NameItem,
    PathItem,
    PortItem,
    ProxyItem,
    ServiceItem,
    Source,
    WideItem,
)

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator

    from whyrefused.inventory.expect import Connect, Port, Proxy
    from whyrefused.records import Host, Inventory

ANYWHERE = (ipaddress.ip_network("0.0.0.0/0"), ipaddress.ip_network("::/0"))


def declared(inventory: Inventory) -> tuple[Item, ...]:
    """Which items are declared of the selected hosts? In inventory order; no two with one check and label."""
    found: dict[tuple[str, str], Item] = {}
    for name in asked(inventory):
        for item in _apart(_of_host(inventory, inventory.hosts[name])):
            found.setdefault((item.check, item.label), item)
    return tuple(found.values())


def asked(inventory: Inventory) -> tuple[str, ...]:
    """Which hosts may this run ask? The selected ones, and the machine it runs on where it is only named a client."""
    implicit = "localhost" in inventory.hosts and "localhost" not in inventory.groups.get("all", ())
    return (*inventory.selected, *(["localhost"] if implicit and "localhost" not in inventory.selected else []))


def _apart(items: Iterable[Item]) -> Iterator[Item]:
    """Two declarations of one path, by its client and by its server, are two items: the client's is marked so."""
    known: set[tuple[str, str]] = set()
    for item in items:
        told = replace(item, subject=f"{item.subject} (connects)") if (item.check, item.label) in known else item
        known.add((told.check, told.label))
        yield told


def _of_host(inventory: Inventory, host: Host) -> Iterator[Item]:
    yield from _services(host)
    for key, port in host.expect.ports.items():
        yield _port(host, key, port)
        if port.state == "listening":
            yield from _firewall(inventory, host, key, port)
    if host.expect.wide:
        yield WideItem(host=host.name, check="wide", subject="wide", wanted="no wide port refused by a rule for it")
    yield from _proxy(host)
    yield from _names(host)
    yield from _paths(inventory, host)
    yield from _later(host)


def _services(host: Host) -> Iterator[Item]:
    for unit, service in host.expect.services.items():
        boot = {None: "", True: ", enabled", False: ", not enabled"}[service.enabled]
        yield ServiceItem(
            host=host.name, check="services", subject=unit, wanted=f"{unit} {service.state}{boot}",
            unit=unit, state=service.state, enabled=service.enabled,
        )  # fmt: skip


def _number(key: str) -> int:
    return int(key.partition("/")[0])


def _port(host: Host, key: str, port: Port) -> PortItem:
    owner = f", held by {port.service}" if port.service else ""
    wanted = f"a listener that answers {port.bind}:{_number(key)}{owner}"
    return PortItem(
        host=host.name, check="ports", subject=key,
        wanted=wanted if port.state == "listening" else f"nothing listens on {key}",
        port=_number(key), protocol="udp" if key.endswith("udp") else "tcp", state=port.state, bind=port.bind,
        unit=port.service,
    )  # fmt: skip


def _firewall(inventory: Inventory, host: Host, key: str, port: Port) -> Iterator[Item]:
    for let_in, sources in ((True, port.allow), (False, port.deny)):
        verb = "allow" if let_in else "deny"
        for name in sources:
            yield FirewallItem(
                host=host.name, check="firewall", subject=f"{key} {verb} {name}",
                wanted=f"the firewall {'lets in' if let_in else 'refuses'} {name} to {key}",
                port=_number(key), protocol="udp" if key.endswith("udp") else "tcp", bind=port.bind,
                address=host.connection.address, source=_source(inventory, name), let_in=let_in,
            )  # fmt: skip


def _source(inventory: Inventory, name: str) -> Source:
    if name == "any":
        return Source(name=name, networks=ANYWHERE, hosts=())
    try:
        return Source(name=name, networks=(ipaddress.ip_network(name),), hosts=())
    except ValueError:
        hosts = tuple((host, _literal(inventory.hosts[host])) for host in members(inventory, name))
        return Source(name=name, networks=(), hosts=hosts)


def is_literal(text: str) -> bool:
    """Is this an address and not a name?"""
    try:
        ipaddress.ip_address(text)
    except ValueError:
        return False
    return True


def _literal(host: Host) -> str:
    """The address of a host, where the inventory has it as one. This machine's own is seen by whom it visits only."""
    address = host.connection.address
    return address if is_literal(address) and host.connection.kind != "local" else ""


def members(inventory: Inventory, name: str) -> tuple[str, ...]:
    """Which hosts does a name of the inventory mean? A host itself, a group its members."""
    return (name,) if name in inventory.hosts else inventory.groups.get(name, ())


def _proxy(host: Host) -> Iterator[Item]:
    settings = host.expect.proxy
    if settings is None:
        return
    units = tuple(unit for unit, service in host.expect.services.items() if service.state == "running")
    for scheme in (*PROXIES, "no_proxy"):
        value = "none" if settings == "none" else getattr(settings, scheme)
        if value is None or (settings == "none" and scheme == "no_proxy"):
            continue
        variable = scheme if scheme == "no_proxy" else f"{scheme}_proxy"
        names = tuple(value) if scheme == "no_proxy" else ()
        wanted = ",".join(names) if names else value
        yield ProxyItem(
            host=host.name, check="proxy", subject=variable,
            wanted=f"{variable} {'not set' if value == 'none' else 'is ' + wanted}",
            variable=variable, value=None if value == "none" or names else value, names=names, units=units,
        )  # fmt: skip


def _names(host: Host) -> Iterator[Item]:
    for name, answers in host.expect.resolves.items():
        yield NameItem(
            host=host.name, check="resolves", subject=name, wanted=f"{name} is {', '.join(answers)}", name=name,
            answers=tuple(ipaddress.ip_address(answer) for answer in answers if "/" not in answer),
            permitted=tuple(ipaddress.ip_network(answer) for answer in answers if "/" in answer),
        )  # fmt: skip


def _paths(inventory: Inventory, client: Host) -> Iterator[Item]:
    """The paths that this host dials: what other hosts' `clients` demand of it, and its own `connects`."""
    here = client.name not in inventory.selected
    for server in inventory.hosts.values():
        if here and server.name not in inventory.selected:
            continue
        for key, port in server.expect.ports.items():
            named = {host for name in port.clients for host in members(inventory, name)}
            if client.name in named and port.state == "listening" and key.endswith("/tcp"):
                yield _path(client, server, dialled(client, server, port), _number(key), key)
            elif client.name in named and port.state == "listening":
                subject = f"{server.name}:{key}"
                yield LaterItem(host=client.name, check="connects", subject=subject, wanted=f"{subject} answers")
    for connect in client.expect.connects:
        yield from _connect(inventory, client, connect)


def dialled(client: Host, server: Host, port: Port) -> str:
    """What does a client of this port dial? The address it is bound to, where it is bound to one."""
    bind = port.bind.partition("%")[0]
    address = ipaddress.ip_address(bind) if bind else None
    if address and not address.is_unspecified and (client.name == server.name or not address.is_loopback):
        return bind
    return server.connection.address


def _path(client: Host, server: Host, target: str, port: int, key: str) -> PathItem:
    subject = f"{server.name}:{port}"
    return PathItem(
        host=client.name, check="connects", subject=subject, wanted=f"{client.name} connects to {target}:{port}",
        server=server.name, destination=target, port=port, server_port=key, proxied=False,
    )  # fmt: skip


def _connect(inventory: Inventory, client: Host, connect: Connect) -> Iterator[Item]:
    scheme, target, port = destination(connect.to)
    server = connect.server or server_of(inventory, client, target, port)
    key = f"{port}/tcp"
    known = server is not None and key in inventory.hosts[server].expect.ports
    subject = connect.to
    yield PathItem(
        host=client.name, check="connects", subject=subject, wanted=f"{client.name} connects to {connect.to}",
        server=server, destination=target, port=port, server_port=key if known else None,
        proxied=_proxied(connect.proxy or client.expect.proxy, scheme, target),
    )  # fmt: skip
    if connect.as_:
        subject = f"{connect.to} as {connect.as_}"
        yield LaterItem(host=client.name, check="as", subject=subject, wanted=f"{connect.as_} connects to {connect.to}")
    if connect.configured_in:
        subject = f"{connect.to} in {connect.configured_in}"
        yield LaterItem(host=client.name, check="configured_in", subject=subject, wanted=f"configured as {connect.to}")


def _proxied(proxy: Proxy | None, scheme: str | None, target: str) -> bool:
    """Does a declared proxy stand on this way? It carries http and https URLs; `no_proxy` spares names and domains."""
    if not isinstance(proxy, ProxySettings) or scheme not in {"http", "https"}:
        return False
    value = (proxy.https if scheme == "https" else proxy.http) or proxy.all
    spared = any(target == name.lstrip(".") or target.endswith("." + name.lstrip(".")) for name in proxy.no_proxy or ())
    return bool(value and value != "none" and not spared)


def server_of(inventory: Inventory, client: Host, target: str, port: int) -> str | None:
    """Which host of the inventory stands behind a destination? By name, address, declared answer or forward."""
    answers = {target, *client.expect.resolves.get(target, ())}
    for host in inventory.hosts.values():
        if target == host.name or host.connection.address in answers:
            forward = host.expect.forwards.get(f"{port}/tcp")
            if forward:
                _, behind, _ = destination(forward)
                return server_of(inventory, host, behind, -1)
            return host.name
    return None


def _later(host: Host) -> Iterator[Item]:
    for key, target in host.expect.forwards.items():
        yield LaterItem(host=host.name, check="forwards", subject=key, wanted=f"{key} is forwarded to {target}")
    for limit, share in host.expect.headroom.items():
        yield LaterItem(host=host.name, check="headroom", subject=limit, wanted=f"{share} of {limit} free")
    for browse in host.expect.browses:
        subject = browse.url.replace("::", "..")
        yield LaterItem(host=host.name, check="browses", subject=subject, wanted=f"a browser opens {browse.url}")
