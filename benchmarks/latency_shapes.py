"""MiniLM's shapes timed by the real protocol, kept in a file that an interrupted run goes on from."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final, Self

import nas
from benchmarks.assets import minilm
from nas.evaluation import LatencyEvaluation, LatencyResult, Target, skeleton_of
from nas.supernet import Supernet
from search_spaces import SubnetConfig
from workers import LatencyProtocol, PairedSamples

MAX_SECONDS: Final = LatencyProtocol().max_seconds


@dataclass(frozen=True, kw_only=True)
class Measured:
    """One measurement.

    Attributes:
        label: what it was taken for; with the sub-network it is the name of a record.
    """

    label: str
    config: SubnetConfig
    result: LatencyResult

    def figure(self, name: str) -> float:
        """A statistic by name."""
        return self.result.statistics[name]

    @property
    def samples(self) -> PairedSamples:
        """All pairs."""
        return PairedSamples.from_bytes(self.result.samples)

    def to_line(self) -> str:
        """A line of JSON that `from_line` reads."""
        record = {
            "label": self.label,
            "config": self.config.to_json(),
            "statistics": {name: float(value) for name, value in self.result.statistics.items()},
            "flag": self.result.flag,
            "device": dict(self.result.device),
            "samples": base64.b64encode(self.result.samples).decode(),
        }
        return json.dumps(record) + "\n"

    @classmethod
    def from_line(cls, line: str) -> Self:
        """Read what `to_line` wrote."""
        record: dict[str, Any] = json.loads(line)
        result = LatencyResult(
            statistics=record["statistics"],
            samples=base64.b64decode(record["samples"]),
            flag=record["flag"],
            device=record["device"],
        )
        return cls(label=record["label"], config=SubnetConfig.from_json(record["config"]), result=result)


@dataclass
class ShapeTimer:
    """Times sub-networks of MiniLM beside the whole, unless the file knows them already.

    Attributes:
        file: lines of `Measured`; None keeps nothing.
    """

    file: Path | None
    length: int = 128
    max_seconds: float = MAX_SECONDS
    _known: dict[tuple[str, str], Measured] = field(default_factory=dict, init=False)

    def __post_init__(self) -> None:
        asset = minilm()
        if asset.folder is None:
            raise SystemExit(asset.reason)
        self.supernet: Supernet = nas.Supernet.from_pretrained(asset.folder, num_labels=2)
        evaluation = LatencyEvaluation(
            target=Target.local(sequence_length=self.length),
            protocol=LatencyProtocol(max_seconds=self.max_seconds),
        )
        self._worker: Any = evaluation.factory(skeleton_of(self.supernet))({})
        if self.file is not None and self.file.exists():
            lines = self.file.read_text(encoding="utf-8").splitlines()
            self._known = {(one.label, one.config.key): one for one in map(Measured.from_line, lines)}

    def measure(self, label: str, config: SubnetConfig) -> Measured:
        """Time a sub-network now, or read what an earlier run measured under this label."""
        known = self._known.get((label, config.key))
        if known is not None:
            return known
        measured = Measured(label=label, config=config, result=self._worker(config.to_json()))
        if self.file is not None:
            with self.file.open("a", encoding="utf-8") as lines:
                lines.write(measured.to_line())
        return measured
