"""Reading every byte of a store."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass

from nas.artifacts.manifest import DamagedError
from nas.artifacts.objects import Objects


@dataclass(frozen=True, kw_only=True, slots=True)
class VerifyReport:
    """What reading everything has shown.

    Attributes:
        damaged: hashes of objects that were put into quarantine.
        missing: hashes that a name stands for and that are not there.
    """

    num_objects: int
    num_bytes: int
    damaged: tuple[str, ...]
    missing: tuple[str, ...]

    @property
    def is_whole(self) -> bool:
        """Whether everything is what was stored."""
        return not (self.damaged or self.missing)


def verify(stores: Iterable[Objects], referenced: set[str]) -> VerifyReport:
    """Compare every object with its hash; those that differ are put aside."""
    present: set[str] = set()
    damaged = []
    num_bytes = 0
    for objects in stores:
        for file in objects.all():
            sha256 = file.path.rpartition("/")[2]
            present.add(sha256)
            num_bytes += file.num_bytes
            try:
                for _ in objects.read(sha256):
                    pass
            except DamagedError:
                damaged.append(sha256)
    return VerifyReport(
        num_objects=len(present),
        num_bytes=num_bytes,
        damaged=tuple(sorted(damaged)),
        missing=tuple(sorted(referenced - present)),
    )
