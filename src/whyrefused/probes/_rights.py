r"""With which rights does a command run on a host, and which commands may sudo be left to permit?

`ansible_become` asks for root through `sudo -n`. What the login has of it is asked once a visit (`script.py`), so that
sudo is never asked for what it would refuse. Fragments find it in three variables:

    S    in front of a command: `sudo -n -u USER --` where sudo permits any command, else nothing
    R    `sudo -n -u USER --`
    A    where sudo permits a list: that list, a comma behind each command; else nothing

`root COMMAND` runs a listed command as root where it is permitted, by the path that the list has; else as the login.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Rights = Literal["login", "listed", "any"]


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One command that a fragment may run."""

    command: str  # its name, or for `listed` all of its words
    why: str
    rights: Rights = "login"  # any: as root where sudo permits any command; listed: also where it permits just this


def run(command: str, why: str) -> Run:
    """A command of the login."""
    return Run(command=command, why=why)


def listed(command: str, why: str) -> Run:
    """A command that sudo may permit word for word."""
    return Run(command=command, why=why, rights="listed")


def rooted(command: str, why: str) -> Run:
    """A command that runs as root only where sudo permits any."""
    return Run(command=command, why=why, rights="any")


ROOT = r"""root() { l=$A; while :; do case $l in
*"/$*,"*) b=${l%%"/$*,"*}; b=${b##*[ ,]}; l=${l#*"/$*,"}; [ ! -x "$b/$1" ] || { $R "$b/$@"; return; } ;;
*) $S "$@"; return ;;
esac; done; }
"""
