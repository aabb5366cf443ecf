"""SHA256SUMS: the hash of every file of a folder, in the format of GNU coreutils."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Final

from nas.artifacts.files import file_sha256
from nas.errors import ExportVerificationError

SUMS: Final = "SHA256SUMS"
_LINE: Final = re.compile(r"([0-9a-f]{64})  (\S.*)")


def write_sums(folder: Path) -> None:
    """Write the hashes of all files of a folder, sorted by name."""
    lines = [f"{file_sha256(folder / name)}  {name}\n" for name in file_names(folder)]
    (folder / SUMS).write_text("".join(lines), encoding="utf-8", newline="\n")


def check_sums(folder: Path) -> tuple[str, ...]:
    """Compare a folder with its SHA256SUMS and return the names of its files.

    Raises:
        ExportVerificationError: a file is missing, changed or not listed, or there are no hashes.
    """
    expected = _read_sums(folder)
    present = set(file_names(folder))
    missing = sorted(set(expected) - present)
    extra = sorted(present - set(expected))
    changed = sorted(name for name in present & set(expected) if file_sha256(folder / name) != expected[name])
    found = [
        f"{kind}: {', '.join(names)}"
        for kind, names in (("missing", missing), ("changed", changed), ("not listed", extra))
        if names
    ]
    if found:
        raise ExportVerificationError(
            f"{folder} does not match its {SUMS} ({'; '.join(found)}); export it again, or copy it again "
            "from where it came"
        )
    return tuple(sorted(present))


def file_names(folder: Path) -> list[str]:
    """Every file below a folder but SHA256SUMS, relative and sorted; links to folders count as files."""
    found = (path for path in folder.rglob("*") if path.is_symlink() or not path.is_dir())
    return sorted(path.relative_to(folder).as_posix() for path in found if path != folder / SUMS)


def _read_sums(folder: Path) -> dict[str, str]:
    try:
        lines = (folder / SUMS).read_text(encoding="utf-8").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise ExportVerificationError(
            f"{folder} is no exported folder: {SUMS} cannot be read ({error})"
        ) from error
    sums = {}
    for line in lines:
        match = _LINE.fullmatch(line)
        if match is None:
            raise ExportVerificationError(f"{folder / SUMS} is damaged: {line[:80]!r} is no hash and name")
        sums[match[2]] = match[1]
    return sums
