"""The most bytes that an export may take, kept while its folder is written."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from nas.errors import ConfigError


@dataclass(frozen=True, kw_only=True, slots=True)
class SizeLimit:
    """Asked before and after each step that writes into a folder.

    Attributes:
        max_bytes: of all files together; None for no limit.
    """

    folder: Path
    max_bytes: int | None

    def check(self, *, coming_bytes: int = 0) -> None:
        """Stop what has become too large, or would with the next step.

        Args:
            coming_bytes: of the weights that the next step writes.

        Raises:
            ConfigError: the files and what is coming are above the limit.
        """
        if self.max_bytes is None:
            return
        size = _folder_bytes(self.folder) + coming_bytes
        if size > self.max_bytes:
            raise ConfigError(
                f"the export takes {size / 1e6:.1f} MB, its limit (max_bytes, limits.export_bytes of a "
                f"service) is {self.max_bytes / 1e6:.1f} MB; choose a smaller sub-network or fewer formats"
            )


def _folder_bytes(folder: Path) -> int:
    return sum(path.stat().st_size for path in folder.rglob("*") if path.is_file() and not path.is_symlink())
