"""Which variables of the environment are set, or left out, for `ansible-inventory`?"""

from __future__ import annotations

import os

OVERRIDE = "WHYREFUSED_ANSIBLE_INVENTORY"
"""Where the command is, if it is not beside our interpreter or on PATH."""

SETTINGS = {
    "ANSIBLE_VERBOSITY": "0",  # verbosity is written into stdout
    "ANSIBLE_DEBUG": "0",
    # Without these two a missing or broken source is a warning and exit status 0.
    "ANSIBLE_INVENTORY_UNPARSED_FAILED": "1",
    "ANSIBLE_INVENTORY_ANY_UNPARSED_IS_FAILED": "1",
    "ANSIBLE_DUPLICATE_YAML_DICT_KEY": "error",
    "ANSIBLE_NOCOLOR": "1",
    "ANSIBLE_LOCALHOST_WARNING": "0",
    "ANSIBLE_DEPRECATION_WARNINGS": "0",
    # A log would keep what the command prints, vaulted files in clear among it; the empty name is taken for a folder.
    "ANSIBLE_LOG_PATH": os.devnull,
}
DROPPED = frozenset({"ANSIBLE_FORCE_COLOR", "ANSIBLE_INVENTORY_EXPORT"})
