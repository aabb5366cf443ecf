"""Which device measures the latencies of a study."""

from __future__ import annotations

import logging
from collections.abc import Mapping
from typing import Any

from nas.errors import EvaluationFailedError
from nas.evaluation import Target
from workers import DeviceFingerprint

logger = logging.getLogger(__name__)


class MeasuringDevice:
    """The device behind a target: assumed to be this machine, unless labels or its absence say otherwise.

    The first measurement tells. Latencies of two devices are never ranked with each other.

    Attributes:
        id: of its fingerprint; None until a measurement told.
        is_offline: whether it is out of reach, so that there is only what was imported from it.
    """

    def __init__(self, target: Target) -> None:
        named = target.device_id
        here = None if target.labels else _own_id(target)
        self.id = named or here
        self.is_offline = named is not None and not target.labels and named != here
        self._name, self._is_certain = target.name, named is not None

    def rely(self) -> None:
        """Stored latencies of this device are used from here on, so that it can no longer be another one."""
        self._is_certain = True

    def measured_by(self, record: Mapping[str, Any]) -> str:
        """The id of the device that a measurement came from, by its record.

        Raises:
            EvaluationFailedError: it is another one than before.
        """
        found = DeviceFingerprint.from_record(record)
        if found is None or found.id == self.id:
            assert self.id is not None, "a worker that is reached by labels tells its fingerprint"
        elif self._is_certain:
            raise EvaluationFailedError(
                f"target {self._name} was device {self.id}, and now device {found.id} ({found.cpu}) measured "
                "for it: give the target labels that only nodes of one kind have",
                "worker_lost",
            )
        else:
            if self.id is not None:
                logger.info("target %s is measured on another machine: device %s", self._name, found.id)
            self.id = found.id
        self._is_certain = True
        return self.id


def _own_id(target: Target) -> str | None:
    try:
        return target.fingerprint().id
    except ValueError:  # this process has no such device; the worker may
        return None
