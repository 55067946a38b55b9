"""May what others log act on a terminal? In a run of ours it is shown as it is read: tests log what hosts say."""

from __future__ import annotations

import copy
import logging
import traceback
from typing import TYPE_CHECKING

from whyrefused.escape import terminal

if TYPE_CHECKING:
    import pytest

HANDLERS = ("log_cli_handler", "log_file_handler")  # of pytest's logging plugin: --log-cli-level, --log-file


class Inert(logging.Formatter):
    """Formats as the other formatter does, colours included, with all that a record says escaped."""

    def __init__(self, other: logging.Formatter) -> None:
        super().__init__()
        self._other = other

    def format(self, record: logging.LogRecord) -> str:
        """What is shown of this record? Caught text and tracebacks of it too."""
        shown = copy.copy(record)
        shown.msg, shown.args = terminal(record.getMessage()), None
        if record.exc_info:
            shown.exc_text, shown.exc_info = terminal("".join(traceback.format_exception(*record.exc_info))), None
        return self._other.format(shown)


def make_inert(config: pytest.Config) -> None:
    """Escape what pytest's live log and its log file show from here on."""
    plugin = config.pluginmanager.get_plugin("logging-plugin")
    for name in HANDLERS:
        handler = getattr(plugin, name, None)
        if handler is not None and handler.formatter is not None and not isinstance(handler.formatter, Inert):
            handler.setFormatter(Inert(handler.formatter))
