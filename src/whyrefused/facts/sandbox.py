"""What does a unit's own sandbox keep from the network (systemd.resource-control(5), systemd.exec(5))? Pure.

systemd puts these fences around the unit's processes: nobody else on the host meets them, and no firewall lists them.
"""

from __future__ import annotations

import ipaddress
from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from whyrefused.facts.addresses import Address
    from whyrefused.probes.units import Unit
    from whyrefused.records import Symptom

FAMILIES = {4: "AF_INET", 6: "AF_INET6"}


@dataclass(frozen=True, slots=True, kw_only=True)
class Fence:
    """One setting that keeps a unit from an address."""

    variant: str
    symptom: Symptom  # what the program meets
    line: str  # the setting, as systemctl show prints it
    fix: tuple[str, ...]
    certain: bool = True  # whether it has an effect on this host


def of(unit: Unit, address: Address) -> Fence | None:
    """Which setting keeps this unit from this address, or this address from it?"""
    return _families(unit, address) or filtered(unit, address)


def private(unit: Unit) -> Fence | None:
    """Has the unit a network of its own that holds nothing but a loopback?"""
    if unit.network != "private":
        return None
    return Fence(
        variant="private-network", symptom="unreachable", line="PrivateNetwork=yes",
        fix=_edit(unit, "PrivateNetwork=no"),
    )  # fmt: skip


def _families(unit: Unit, address: Address) -> Fence | None:
    families = dict(unit.fences).get("RestrictAddressFamilies")
    # A list of what is denied begins with ~, one of what is allowed does not.
    if families is None or (FAMILIES[address.version] in families.lstrip("~").split()) is not families.startswith("~"):
        return None
    return Fence(
        variant="restrict-address-families", symptom="local-error", line=f"RestrictAddressFamilies={families}",
        fix=_edit(unit, f"RestrictAddressFamilies={FAMILIES[address.version]}"),
    )  # fmt: skip


def filtered(unit: Unit, address: Address) -> Fence | None:
    """Does the unit's address filter drop what goes to this address, and what comes from it?"""
    # An allowed address is allowed whatever else is denied.
    settings = dict(unit.fences)
    denied = settings.get("IPAddressDeny", "")
    if _holds(settings.get("IPAddressAllow", ""), address) or not _holds(denied, address):
        return None
    return Fence(
        variant="ip-address-deny", symptom="timed-out", line=f"IPAddressDeny={denied}",
        fix=_edit(unit, f"IPAddressAllow={address}"),
        # The filters are BPF programs, which systemd in a container may seldom load.
        certain=not unit.contained,
    )  # fmt: skip


def _holds(networks: str, address: Address) -> bool:
    found = (ipaddress.ip_network(one, strict=False) for one in networks.split())
    return any(address.version == one.version and address in one for one in found)


def _edit(unit: Unit, setting: str) -> tuple[str, ...]:
    return (f"systemctl edit {unit.id}: [Service] {setting}", f"systemctl restart {unit.id}")
