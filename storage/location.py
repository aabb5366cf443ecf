"""Where a database lies: which URLs are allowed, and whether the file can be kept there."""

from __future__ import annotations

import re
from pathlib import Path

from sqlalchemy import URL, make_url
from sqlalchemy.exc import ArgumentError

from .errors import DatabaseUrlError, UnreachableError

NETWORK_FILESYSTEMS = frozenset(
    {"9p", "afs", "beegfs", "ceph", "cifs", "davfs", "gfs2", "glusterfs", "gpfs", "lustre", "ncpfs"}
    | {"nfs", "nfs4", "ocfs2", "smb3", "smbfs", "sshfs", "s3fs"}
)
"""File systems, of several machines at once, on which SQLite's locks are not to be trusted."""

_MOUNTS = Path("/proc/mounts")
_ALLOWED = "give sqlite:///FILE or postgresql://USER@HOST/DATABASE"


def parsed_url(url: str) -> URL:
    """The URL of a database that can hold studies.

    Raises:
        DatabaseUrlError: it is no URL, of another database, or of one in memory.
    """
    try:
        parsed = make_url(url)
    except (ArgumentError, ValueError) as error:
        raise DatabaseUrlError(_without_password(url), f"not a database URL; {_ALLOWED}") from error
    backend = parsed.get_backend_name()
    if backend not in {"sqlite", "postgresql"}:
        raise DatabaseUrlError(shown(parsed), f"{backend!r} is not supported; {_ALLOWED}")
    if backend == "sqlite":
        _refuse_memory(parsed)
    return parsed


def shown(url: URL) -> str:
    """The URL as it may be printed, without the password."""
    return url.render_as_string(hide_password=True)


def check_file(url: URL) -> None:
    """Checks the place of an SQLite file before SQLite makes an empty one there.

    Raises:
        UnreachableError: its folder does not exist.
        DatabaseUrlError: it lies on a network file system.
    """
    path = Path(url.database or "").absolute()
    if path.is_dir():
        raise DatabaseUrlError(shown(url), f"{path} is a folder; name a file in it")
    if not path.parent.is_dir():
        raise UnreachableError(shown(url), f"its folder {path.parent} does not exist; create it first")
    if not _MOUNTS.exists():
        return
    kind = filesystem_of(path.resolve(), _MOUNTS.read_text(errors="replace"))
    if is_network_filesystem(kind):
        raise DatabaseUrlError(
            shown(url),
            f"{path} lies on the network file system {kind!r}, where SQLite loses data; "
            "use a local disk, or PostgreSQL",
        )


def filesystem_of(path: Path, mounts: str) -> str:
    """Type of the file system that holds an absolute path, by the text of /proc/mounts."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split()
        if len(fields) < 3:
            continue
        mount = Path(_unescaped(fields[1]))
        # A later line of equal depth is mounted over the earlier one.
        if path.is_relative_to(mount) and len(mount.parts) >= best:
            best, kind = len(mount.parts), fields[2]
    return kind


def is_network_filesystem(kind: str) -> bool:
    """Whether a type of /proc/mounts, such as nfs4 or fuse.sshfs, is shared between machines."""
    return kind.removeprefix("fuse.") in NETWORK_FILESYSTEMS


def _refuse_memory(url: URL) -> None:
    database = url.database or ""
    if database in {"", ":memory:"} or database.startswith("file:"):
        raise DatabaseUrlError(
            shown(url), "studies are kept in a file, not in memory or behind file: URIs; give sqlite:///FILE"
        )


def _unescaped(field: str) -> str:
    """Blanks in mount points are written as octal escapes."""
    return re.sub(r"\\([0-7]{3})", lambda match: chr(int(match[1], 8)), field)


def _without_password(url: object) -> str:
    return re.sub(r"://[^/@]*@", "://***@", str(url))
