"""Is a report on the disk whole, or not at all?"""

from __future__ import annotations

import errno
import os
import secrets
from pathlib import Path


def write(path: str | os.PathLike[str], text: str, mode: int = 0o600) -> None:
    """Put `text` at `path` as one step: until it is all on the disk, what stood there stays. Raises OSError.

    The folder is made when it is missing. Only a regular file is ever replaced: a link that somebody planted, a device
    or a pipe is refused, since the rename would put a file in its place (as root, in place of /dev/null).
    """
    target = Path(path)
    if os.path.lexists(target) and (target.is_symlink() or not target.is_file()):
        raise OSError(errno.EINVAL, "not a regular file, left as it is", str(target))
    target.parent.mkdir(parents=True, exist_ok=True)
    temporary = target.parent / f".{secrets.token_hex(8)}.tmp"
    descriptor = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL | os.O_NOFOLLOW | os.O_CLOEXEC, mode)
    try:
        with open(descriptor, "wb") as file:  # noqa: PTH123 - Path cannot open a descriptor
            file.write(text.encode("utf-8", "backslashreplace"))
            file.flush()
            os.fsync(descriptor)
        temporary.replace(target)
    except BaseException:
        temporary.unlink(missing_ok=True)
        raise
    _settle(target.parent)


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
