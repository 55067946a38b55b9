"""Is it certain that Ansible reads this so? Where it is not, the command is asked."""

from __future__ import annotations


class Unsure(Exception):  # noqa: N818 - no error: another way is taken
    """Something stands there that only Ansible itself reads for certain."""


class Unreadable(Unsure):
    """This is neither YAML nor JSON."""
