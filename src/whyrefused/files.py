"""Is what we write on the disk whole, or not at all? For ourselves alone, through no link."""

from __future__ import annotations

import errno
import os
import secrets
import stat
from contextlib import suppress
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator
    from io import BufferedReader

PRIVATE_FOLDER, PRIVATE = 0o700, 0o600
PIECE = 1 << 20


def write(path: str | os.PathLike[str], text: str | Iterable[str], mode: int = PRIVATE) -> None:
    """Put `text` at `path` as one step: until it is all on the disk, what stood there stays. Raises OSError.

    A text in parts is never in memory as a whole. The folder is made when it is missing. Only a regular file is ever
    replaced: a link that somebody planted, a device or a pipe is refused, since the rename would put a file in its
    place (as root, in place of /dev/null).
    """
    target = Path(path)
    if os.path.lexists(target) and (target.is_symlink() or not target.is_file()):
        raise OSError(errno.EINVAL, "not a regular file, left as it is", str(target))
    make_folder(target.parent)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    try:
        _fill(temporary, [text] if isinstance(text, str) else text, mode)
        os.rename(temporary, target)  # noqa: PTH104 - beside open, write and fsync: the five calls that can fail
    except BaseException:
        with suppress(OSError):
            temporary.unlink()
        raise
    _settle(target.parent)


def make_folder(path: Path) -> None:
    """Make this folder and those above it where they are missing, for ourselves alone whatever the umask is."""
    for folder in (*reversed(path.parents), path):
        with suppress(FileExistsError):
            if not folder.exists():
                folder.mkdir(PRIVATE_FOLDER)


def open_own(path: Path) -> BufferedReader:
    """Open a file of a folder of ours for reading. Raises OSError where somebody else may have put it there.

    Neither is reached through a link, both belong to us, nobody else may write to them, and nothing is waited for.
    """
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_NOFOLLOW | os.O_CLOEXEC)
    try:
        _must_be_own(folder, path.parent)
        flags = os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC  # nobody may ever write to a pipe
        descriptor = os.open(path.name, flags, dir_fd=folder)
    finally:
        os.close(folder)
    try:
        _must_be_own(descriptor, path, regular=True)
    except OSError:
        os.close(descriptor)
        raise
    return open(descriptor, "rb")  # noqa: PTH123 - Path cannot open a descriptor


def _must_be_own(descriptor: int, path: Path, *, regular: bool = False) -> None:
    status = os.fstat(descriptor)
    if regular and not stat.S_ISREG(status.st_mode):
        raise OSError(errno.EINVAL, "not a regular file", str(path))
    if status.st_uid != os.geteuid():
        raise PermissionError(errno.EPERM, "belongs to another user", str(path))
    if status.st_mode & 0o022:
        raise PermissionError(errno.EPERM, "others may write to it", str(path))


def append(descriptor: int, data: bytes) -> None:
    """Put all of it at the end of an open file, and on the disk. Raises OSError."""
    _put(descriptor, data)
    os.fsync(descriptor)


def _put(descriptor: int, data: bytes) -> None:
    rest = memoryview(data)
    while rest:
        rest = rest[os.write(descriptor, rest) :]


def _fill(path: Path, parts: Iterable[str], mode: int) -> None:
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        for piece in _pieces(parts):
            _put(descriptor, piece.encode("utf-8", "backslashreplace"))
        os.fsync(descriptor)
    except BaseException:
        with suppress(OSError):
            os.close(descriptor)
        raise
    os.close(descriptor)  # a network's file system may tell only here that the disk is full


def _pieces(parts: Iterable[str]) -> Iterator[str]:
    """The same text in few pieces."""
    some: list[str] = []
    size = 0
    for part in parts:
        some.append(part)
        size += len(part)
        if size >= PIECE:
            yield "".join(some)
            some, size = [], 0
    yield "".join(some)


def _settle(folder: Path) -> None:
    """Ask the disk to keep the rename too; not every file system can, and the report is whole either way."""
    descriptor = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        os.fsync(descriptor)
    except OSError as error:
        if error.errno not in {errno.EINVAL, errno.ENOTSUP, errno.EROFS, errno.EBADF}:
            raise
    finally:
        os.close(descriptor)
