"""What the rows of the campaign share."""

from __future__ import annotations

import itertools
import random
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path

import torch
from transformers import AutoConfig, AutoModelForSequenceClassification

import nas
from benchmarks.chaos.drivers import Drivers
from benchmarks.chaos.outcome import history_sha256
from benchmarks.chaos.postgres import PostgresServer


@dataclass
class Context:
    """Folders, a process that forks drivers, a database server, and how much of everything.

    Attributes:
        share: of the full campaign's faults, 0 to 1.
    """

    folder: Path
    drivers: Drivers
    supernet: Path
    share: float
    generator: random.Random
    names: itertools.count[int] = field(default_factory=itertools.count)
    server: PostgresServer | None = None

    def times(self, full: int) -> int:
        """How often a fault of the full campaign is injected in this one."""
        return max(1, round(full * self.share))

    def postgres(self) -> PostgresServer:
        """The server, started when it is first needed."""
        if self.server is None:
            self.server = PostgresServer()
            self.server.__enter__()
        return self.server

    def close(self) -> None:
        """End the server."""
        if self.server is not None:
            self.server.__exit__(None, None, None)
            self.server = None

    def place(self) -> Path:
        """An empty folder."""
        folder = self.folder / f"place-{next(self.names)}"
        folder.mkdir()
        return folder

    def name(self) -> str:
        """A name for a study that no other has."""
        return f"study-{next(self.names)}"

    @cached_property
    def _undisturbed(self) -> dict[int, str]:
        return {}

    def undisturbed(self, total: int) -> str:
        """Hash of the history of a deterministic search of that length that nothing disturbs."""
        if total not in self._undisturbed:
            place = self.place()
            url = f"sqlite:///{place / 'nas.db'}"
            driver = self.drivers.start(**self.settings(url, "calm", place, total))
            if driver.wait() != 0:
                raise RuntimeError(f"an undisturbed search failed: {self.drivers.errors()}")
            self._undisturbed[total] = history_sha256(url, "calm")
        return self._undisturbed[total]

    def settings(self, url: str, name: str, place: Path, total: int) -> dict[str, object]:
        """Settings of a deterministic search, without racing: its history is a function of them."""
        return {
            "storage": url,
            "name": name,
            "log": str(place / "calls.log"),
            "total": total,
            "deterministic": True,
            "parallel": 4,
            "sampler": "nsga2",
            "constraints": ["num_parameters <= 0.9 * baseline"],
        }


def tiny_supernet(folder: Path) -> Path:
    """A supernet of a random BERT of three small layers, saved."""
    torch.manual_seed(0)
    config = AutoConfig.for_model(
        "bert",
        hidden_size=24,
        num_hidden_layers=3,
        num_attention_heads=3,
        intermediate_size=20,
        vocab_size=40,
        max_position_embeddings=24,
        num_labels=3,
    )
    model = AutoModelForSequenceClassification.from_config(config)
    return nas.Supernet.from_model(model).save(folder / "supernet")
