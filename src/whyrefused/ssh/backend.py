"""testinfra's `host` over our transport: strict host keys, deadlines, caps, and one connection per host.

A command that did not come back whole raises NotReached; it never becomes an exit status of -1 with half an output.
"""

from __future__ import annotations

import threading
from typing import TYPE_CHECKING, Any, ClassVar

from testinfra.backend import BACKENDS, base

from whyrefused.records import Connection, Secret
from whyrefused.ssh import config
from whyrefused.ssh.records import Limits, NotReached, Settings

if TYPE_CHECKING:
    from collections.abc import Mapping

    from whyrefused.ssh.session import Session


class Backend(base.BaseBackend):  # type: ignore[misc] # testinfra ships no types
    """One host. Keywords of `testinfra.get_host("whyrefused://NAME", …)` must be hashable, and these are."""

    NAME = "whyrefused"
    known: ClassVar[Mapping[str, Connection]] = {}  # hosts of the inventory, by name
    known_settings: ClassVar[Settings | None] = None

    def __init__(  # noqa: PLR0913 - testinfra's own options and ours
        self,
        hostspec: str,
        *args: Any,  # noqa: ANN401 - whatever testinfra passes on
        reach: Connection | None = None,
        limits: Limits | None = None,
        settings: Settings | None = None,
        ssh_config: str | None = None,
        ssh_identity_file: str | None = None,
        timeout: str | float | None = None,
        **kwargs: Any,  # noqa: ANN401 - the same
    ) -> None:
        spec = self.parse_hostspec(hostspec)
        reach = reach or self.known.get(spec.name)
        if reach is not None and reach.become:
            kwargs.update(sudo=True, sudo_user=reach.become_user)
        super().__init__(spec.name, *args, **kwargs)
        self._reach = reach or Connection(
            kind="ssh",
            address=spec.name,
            port=int(spec.port) if spec.port else None,
            user=spec.user,
            password=Secret(spec.password) if spec.password else None,
        )
        self._limits = limits or (Limits(connect=float(timeout)) if timeout else Limits())
        self._settings = (
            settings or self.known_settings or Settings(ssh_config=ssh_config, identity_file=ssh_identity_file)
        )
        self._lock = threading.Lock()
        self._session: Session | None = None
        self._refused: NotReached | None = None

    def run(self, command: str, *args: str, **_: Any) -> base.CommandResult:  # noqa: ANN401 - testinfra's signature
        """What does this command print? The login shell runs it, as with testinfra's own backends."""
        sent = self.encode(self.get_command(command, *args))
        with self._lock:
            output = self._connected().run(sent, b"", self._limits.command)
        return self.result(output.status, sent, output.stdout, output.stderr)

    def close(self) -> None:
        """End the connection; the next command makes a new one."""
        with self._lock:
            if self._session is not None:
                self._session.close()
                self._session = None

    def _connected(self) -> Session:
        """Is there a connection? One that a command broke is made anew, one that was refused is not tried again."""
        if self._refused is not None:
            raise self._refused
        if self._session is None or not self._session.alive:
            from whyrefused.ssh import light  # noqa: F401, PLC0415 - before paramiko
            from whyrefused.ssh.reach import open_session  # noqa: PLC0415 - loads paramiko

            try:
                self._session = open_session(config.target(self._reach, self._settings), self._limits)
            except NotReached as problem:
                self._refused = problem
                raise
        return self._session

    def get_sudo_command(self, command: str, sudo_user: str | None) -> str:
        """How does sudo run it? Without ever asking for a password: there is nobody to answer."""
        return str(self.quote("sudo -n -u %s /bin/sh -c %s", sudo_user or "root", command))

    def decode(self, data: bytes) -> str:
        """Read as UTF-8, whatever codec the host names; other bytes are kept as escapes."""
        return data.decode("utf-8", "surrogateescape")

    def encode(self, data: str) -> bytes:
        """Write as UTF-8, the inverse of `decode`."""
        return data.encode("utf-8", "surrogateescape")


def register(known: Mapping[str, Connection] | None = None, settings: Settings | None = None) -> None:
    """Make `whyrefused://NAME` known to testinfra; the names in `known` stand for these connections."""
    BACKENDS[Backend.NAME] = f"{Backend.__module__}.{Backend.__qualname__}"
    Backend.known = dict(known or {})
    Backend.known_settings = settings
