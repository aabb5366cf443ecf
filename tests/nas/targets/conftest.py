"""A plan of four shapes of a tiny model, its results, and a database that it was made in."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from nas.evaluation import Target
from nas.supernet import Supernet
from nas.targets.bench import bench_plan
from nas.targets.history import store_plan
from nas.targets.plan import Plan, make_plan
from search_spaces import LayerUnits, SubnetConfig
from storage import Ledger
from workers import LatencyProtocol

FAST = LatencyProtocol(
    warmup_s=0.002, warmup_runs=1, min_pairs=5, max_seconds=0.05, relative_precision=0.5, min_cpu_share=0.001
)
TARGET = Target.local(sequence_length=8)


@pytest.fixture(scope="session")
def fast() -> LatencyProtocol:
    """A few milliseconds a shape; any interval is narrow enough, any share of the processor large enough."""
    return FAST


@pytest.fixture(scope="session")
def target() -> Target:
    """This machine."""
    return TARGET


@pytest.fixture(scope="session")
def supernet(tiny_model: Callable[..., Any]) -> Supernet:
    """Shared: tests leave its weights alone."""
    return Supernet.from_model(
        tiny_model("bert", hidden_size=32, num_attention_heads=4, intermediate_size=64)
    )


@pytest.fixture(scope="session")
def some() -> list[SubnetConfig]:
    """Three shapes: two of the four sub-networks have equal sizes."""
    block = LayerUnits(heads=2, ffn=16)
    return [
        SubnetConfig(hidden=32, layers=(block, None, None)),
        SubnetConfig(hidden=32, layers=(None, LayerUnits(heads=(1, 3), ffn=16), None)),
        SubnetConfig(hidden=32, layers=(block, block, None)),
        SubnetConfig(hidden=16, layers=(block, block, block)),
    ]


@pytest.fixture(scope="session")
def planned(some: list[SubnetConfig]) -> Callable[..., Plan]:
    """Plan sub-networks of a supernet, by default `some`."""

    def make(
        supernet: Supernet, subnets: list[SubnetConfig] | None = None, protocol: LatencyProtocol = FAST
    ) -> Plan:
        return make_plan(
            supernet.model.config,
            supernet.shape,
            task=supernet.task,
            target=TARGET,
            subnets=some if subnets is None else subnets,
            protocol=protocol,
        )

    return make


@pytest.fixture(scope="session")
def plan(supernet: Supernet, planned: Callable[..., Plan]) -> Plan:
    """Of `some`."""
    return planned(supernet)


@pytest.fixture(scope="session")
def plan_file(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The plan as it is carried to a device."""
    path = tmp_path_factory.mktemp("plan") / "plan.json"
    plan.write(path)
    return path


@pytest.fixture(scope="session")
def measured(plan: Plan, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Results of the plan, measured in this process."""
    path = tmp_path_factory.mktemp("results") / "results.jsonl"
    bench_plan(plan, path)
    return path


@pytest.fixture
def results(measured: Path, tmp_path: Path) -> Path:
    """A copy of the results that a test may change."""
    path = tmp_path / "results.jsonl"
    path.write_bytes(measured.read_bytes())
    return path


@pytest.fixture
def ledger(plan: Plan, supernet: Supernet, tmp_path: Path) -> Iterator[Ledger]:
    """A database that the plan was made in."""
    with Ledger.open(f"sqlite:///{tmp_path / 'nas.db'}") as opened:
        store_plan(opened, plan, supernet.shape)
        yield opened
