"""Where do programs have a variable of their environment from, and what takes it out there? Pure."""

from __future__ import annotations

from typing import TYPE_CHECKING

from whyrefused.probes.proxy import ETC, LOGIN, MANAGER

if TYPE_CHECKING:
    from whyrefused.evidence import HostEvidence
    from whyrefused.probes.proxy import Setting

SEARCH = {
    LOGIN: (
        "grep -rniE {variable} ~/.profile ~/.bash_profile ~/.bashrc /etc/profile /etc/profile.d",
        "remove that line",
    ),
    MANAGER: ("grep -rni {variable} /etc/systemd/system.conf*", "systemctl unset-environment {variable}"),
}
UNIT_SEARCH = ("systemctl cat {unit} | grep -n {variable}", "remove that line")
APPLY = {ETC: ("log in again",), LOGIN: ("log in again",), MANAGER: ("systemctl daemon-reexec",)}
UNIT_APPLY = ("systemctl daemon-reload", "systemctl restart {unit}")


def unset(host: HostEvidence, place: str, one: Setting) -> tuple[str, ...]:
    """Which edit takes a variable out of a place, and what makes programs notice?"""
    unit = place.removeprefix("unit ")
    if place == ETC:
        edit: tuple[str, ...] = (f"remove from /etc/environment: {one.line}",)
    else:
        known = host.places.get(place)
        files = [each for each in known.files if each.variable.lower() == one.variable.lower()] if known else []
        edit = tuple(f"remove line {each.number} of {each.file} ({each.variable})" for each in files)
        edit = edit or SEARCH.get(place, UNIT_SEARCH)
    steps = (*edit, *APPLY.get(place, UNIT_APPLY))
    return tuple(step.replace("{variable}", one.variable).replace("{unit}", unit) for step in steps)


def verify(place: str) -> tuple[str, ...]:
    """Which command shows what programs of this place have?"""
    if place in {ETC, LOGIN}:
        return ("env | grep -i _proxy",)
    if place == MANAGER:
        return ("systemctl show-environment | grep -i _proxy",)
    unit = place.removeprefix("unit ")
    return (f"tr '\\0' '\\n' </proc/$(systemctl show -p MainPID --value {unit})/environ | grep -i _proxy",)
