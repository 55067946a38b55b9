"""What do all firewalls of a host hold together?

nft lists every nftables table, those of iptables-nft among them, but without the arguments of iptables' extensions;
iptables-save prints those in full, and so prevails chain by chain where both have as many rules. iptables-legacy's
tables are in neither and come beside.
"""

from __future__ import annotations

from functools import lru_cache
from typing import TYPE_CHECKING

from whyrefused.firewall import ipset, iptables, nft
from whyrefused.firewall.model import Ruleset, Table

if TYPE_CHECKING:
    from collections.abc import Mapping

ALIKE, SHORT = 8, 65_536
"""So many rulesets of so many characters at most are held: hosts of one group mostly have the same, word for word."""
SAVES = {"iptables-save": 4, "ip6tables-save": 6, "iptables-legacy-save": 4, "ip6tables-legacy-save": 6}


def load(nft_json: str | None, saves: Mapping[str, str]) -> Ruleset:
    """Which rules does the host have, by what its commands print?

    `nft_json` is what `nft -j list ruleset` prints, None where there is no nft. `saves` has the texts of
    `iptables-save`, `ip6tables-save`, `iptables-legacy-save`, `ip6tables-legacy-save` and `ipset save` under these
    names; one that is left out was not looked at. Raises `Unreadable` for text that is none of this or is cut short.
    """
    listed = nft.parse(nft_json) if nft_json is not None else nft.Parsed()
    sets = ipset.parse(saves["ipset save"]) if "ipset save" in saves else None
    native: dict[tuple[str, str], Table] = {}
    legacy: dict[tuple[str, str], Table] = {}
    unseen: list[str] = []
    for name, version in SAVES.items():
        if name not in saves:
            continue
        tool = name.removesuffix("-save")
        family = "ip" if version == 4 else "ip6"  # noqa: PLR2004 - IP version
        saved = iptables.parse(saves[name], version, tool, sets)
        # The plain command is the one of either backend; only iptables-nft's says so.
        of_nft = "legacy" not in name and (saved.native or _listed(saved, listed, family))
        (native if of_nft else legacy).update({(family, table): found for table, found in saved.tables.items()})
        other = name.replace("tables-", "tables-legacy-")
        if saved.legacy_present and other not in saves:
            unseen.append(f"{name} warns that iptables-legacy has rules too, and {other} was not read")
    tables = [_joined(place, table, native) for place, table in listed.tables.items()]
    tables += [table for place, table in native.items() if place not in listed.tables and iptables.rules_in(table)]
    tables += [table for table in legacy.values() if iptables.rules_in(table)]
    return Ruleset(tables=tuple(tables), unseen=tuple(unseen), notes=tuple(listed.notes))


def load_once(nft_json: str | None, saves: Mapping[str, str]) -> Ruleset:
    """The same as `load`, read once for all hosts that have it word for word, while it is short."""
    short = sum(map(len, (nft_json or "", *saves.values()))) <= SHORT
    return _held(nft_json, tuple(saves.items())) if short else load(nft_json, saves)


@lru_cache(maxsize=ALIKE)
def _held(nft_json: str | None, texts: tuple[tuple[str, str], ...]) -> Ruleset:
    return load(nft_json, dict(texts))


def _listed(saved: iptables.Saved, listed: nft.Parsed, family: str) -> bool:
    """Does nft list what this save of an unnamed backend prints?"""
    if not any(iptables.rules_in(table) for table in saved.tables.values()):
        return False
    return all((family, name) in listed.tables for name, table in saved.tables.items() if iptables.rules_in(table))


def _joined(place: tuple[str, str], table: Table, native: Mapping[tuple[str, str], Table]) -> Table:
    return iptables.joined(table, native[place]) if place in native else table
