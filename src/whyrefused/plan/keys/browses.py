"""browses: a page that a browser on the host must open."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING
from urllib.parse import urlsplit

from whyrefused.inventory.expect import destination
from whyrefused.plan import ends, way
from whyrefused.plan.items import Item
from whyrefused.plan.keys.connects import PathItem
from whyrefused.plan.who import behind, forward_of, is_literal, server_of
from whyrefused.probes import browses

if TYPE_CHECKING:
    from collections.abc import Iterator

    from whyrefused.inventory.expect import Browse
    from whyrefused.plan.items import Question
    from whyrefused.records import Host, Inventory


@dataclass(frozen=True, slots=True, kw_only=True)
class BrowseItem(Item):
    """A page that a browser must open; `host` is the one that the browser runs on."""

    url: str  # without credentials: whether it opens does not hang on them, and no host is told
    scheme: str
    destination: str  # host of the URL
    port: int
    server: str | None  # inventory host behind it
    who: str = ""  # `user:NAME`; empty: the login user
    profile: str = ""  # folder; empty: a clean one, or of `who` their own
    proxy: str = ""  # URL of the declared proxy on this way; empty: none

    @property
    def page(self) -> str:
        """How is it named among what its host's browser opens?"""
        return browses.key(self.url, self.who, self.proxy, self.profile)

    @property
    def way(self) -> tuple[str, int]:
        """Which host and port must its host reach? The declared proxy's, or the page's own."""
        parts = urlsplit(self.proxy)
        socks = 1080 if parts.scheme.startswith("socks") else 80
        return (parts.hostname, parts.port or socks) if parts.hostname else (self.destination, self.port)

    def via(self, inventory: Inventory) -> str | None:
        """Which inventory host is the proxy? None where there is none, or the inventory does not have it."""
        return server_of(inventory, inventory.hosts[self.host], *self.way) if self.proxy else None

    def path(self, inventory: Inventory, destination: str, port: int) -> PathItem:
        """The same item as a connection to this: what explains that what a browser dials does not answer."""
        client = inventory.hosts[self.host]
        forward = forward_of(inventory, client, destination, port)
        server = server_of(inventory, client, destination, port)
        key = f"{behind(inventory, *forward)[1] if forward else port}/tcp"
        known = server is not None and key in inventory.hosts[server].expect.ports
        return PathItem(
            host=self.host, check=self.check, subject=self.subject, wanted=self.wanted, server=server,
            destination=destination, port=port, server_port=key if known else None, who=self.who,
            router=forward[0] if forward else None, forward=forward[1] if forward else None,
            scheme=self.scheme, declared_by="browses",
            proxy=self.proxy, proxy_host=self.way[0], proxy_port=self.way[1], via=self.via(inventory),
        )  # fmt: skip


def items(inventory: Inventory, host: Host) -> Iterator[BrowseItem]:
    """Which are declared?"""
    for browse in host.expect.browses:
        yield _browse(inventory, host, browse)


def _browse(inventory: Inventory, host: Host, browse: Browse) -> BrowseItem:
    parts = urlsplit(browse.url)
    scheme, target, port = destination(browse.url)
    proxy = way.declared(host.expect.proxy, scheme, target)
    url = parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl()
    how = "".join((f" as {browse.as_}" if browse.as_ else "", f" with {browse.profile}" if browse.profile else ""))
    return BrowseItem(
        host=host.name, check="browses", subject=f"{url.replace('::', '..')}{how}",
        wanted=f"a browser opens {url}{how}",
        url=url, scheme=scheme or "http", destination=target, port=port,
        server=server_of(inventory, host, target, port), who=browse.as_ or "", profile=browse.profile or "",
        proxy=_named(proxy.url) if proxy else "",
    )  # fmt: skip


def _named(proxy: str) -> str:
    """The URL of a proxy; empty where it names no host and port that one could reach."""
    try:
        parts = urlsplit(proxy)
        named = parts.hostname and parts.port != 0
    except ValueError:
        return ""
    return proxy if named else ""


def questions(inventory: Inventory, item: BrowseItem) -> Iterator[Question]:
    """Does it open, and what do the ends of a plain connection to it say?"""
    yield item.host, "browses", item.page
    yield from ends.client(item.host)
    yield item.host, "proxy", ""
    target, _ = item.way
    server = item.via(inventory) if item.proxy else item.server
    if not is_literal(target):
        yield item.host, "names", target
    if server:
        yield from ends.server(inventory, server)
