"""A real Chromium that looks at a real service on the study of a real search."""

from __future__ import annotations

import functools
import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pytest

REQUIRED = ("CI", "NAS_REQUIRE_BROWSER")
ARGUMENTS = (
    "--headless --no-sandbox --disable-gpu --disable-quic --no-first-run --disable-background-networking "
    "--disable-component-update --disable-sync"
)
TIMEOUT_MS = 90_000
#: What the browser says of the one page that it is given without a session.
UNAUTHORISED = "the server responded with a status of 401"


@pytest.fixture(scope="session")
def browser_type_launch_args() -> dict[str, Any]:
    """Chromium of this machine; a missing one is a failure where a browser is required."""
    found = os.environ.get("CHROMIUM") or shutil.which("chromium") or shutil.which("chromium-browser")
    if found is None:
        reason = "no Chromium; install it (Debian: apt-get install chromium), or name it in CHROMIUM"
        if any(os.environ.get(name) for name in REQUIRED):
            pytest.fail(reason)
        pytest.skip(reason)
    return {"executable_path": found, "args": ARGUMENTS.split(), "timeout": TIMEOUT_MS}


@dataclass(frozen=True)
class Served:
    """A running service.

    Attributes:
        link: address that signs in.
        folder: with its database.
    """

    url: str
    link: str
    folder: Path
    ledger: Any


@pytest.fixture(scope="session")
def searched(tiny_files: Path, tiny_search: dict[str, Any], tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with the finished study `tiny`; no latency is measured, which takes long on a busy machine."""
    from nas.config import parse_config
    from nas.jobs import run_search

    folder = tmp_path_factory.mktemp("searched")
    search = tiny_search | {
        "model": tiny_search["model"] | {"id": str(tiny_files / "model")},
        "data": tiny_search["data"]
        | {part: str(tiny_files / f"{part}.csv") for part in ("train", "validation")},
        "target": None,
        "objectives": ["min loss", "min num_parameters"],
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    run_search(parse_config(search)).close()
    return folder


@pytest.fixture(scope="session")
def served(settings_in: Callable[..., Any], searched: Path) -> Iterator[Served]:
    """A service on the tiny study, in a thread; the link is an administrator's."""
    from nas.service.authentication import issue_token
    from nas.service.server import Listening, Server
    from storage import Ledger

    settings = settings_in(searched)
    server = Server.of(settings, Listening(port=0))
    thread = threading.Thread(target=server.run)
    thread.start()
    while not server.started:
        assert thread.is_alive()
        time.sleep(0.02)
    url = f"http://127.0.0.1:{server.port}"
    with Ledger.open(settings.storage.url) as ledger:
        token = issue_token(ledger, "operator", ["admin"])
        yield Served(url, f"{url}/#token={token}", searched, ledger)
    server.should_exit = True
    thread.join()


@dataclass(frozen=True)
class Measured:
    """A target that a study's shapes were timed on, and one beside it, `spare`, that nothing was timed on.

    Attributes:
        shapes: how many, the full model among them.
    """

    study: str = "measured"
    target: str = "edge"
    device_id: str = "0123456789abcdef"
    shapes: int = 25


@pytest.fixture(scope="session")
def measured(served: Served) -> Measured:
    """Each sub-network took as long as its parameters say; the full model 10 ms at first, and 10.5 at last.

    The largest one is over the study's budget, the next one was stopped early, and every third one is
    dominated.
    """
    from nas.evaluation import Target, shape_key
    from nas.study.spec import StudySpec
    from nas.targets.registry import add_target
    from search_spaces import SubnetConfig, build_space

    found, ledger = Measured(), served.ledger
    target = Target(name=found.target, sequence_length=16)
    add_target(ledger, target)
    add_target(ledger, Target(name="spare", sequence_length=99, labels={"device": "spare"}))
    tiny = StudySpec.from_json(ledger.study("tiny").spec)
    space, generator = build_space("medium", tiny.shape), np.random.default_rng(0)
    configs: dict[str, SubnetConfig] = {}
    while len(configs) < found.shapes - 1:
        config = space.sample(generator)
        configs[shape_key(tiny.shape, config)] = config
    put = functools.partial(_put_latency, ledger, found.device_id, target.workload_sha256)
    for latency in (10.0, 10.5):
        put(shape_key(tiny.shape, SubnetConfig.full(tiny.shape)), {"reference_ms": latency})
    for key, config in configs.items():
        ratio = tiny.costs(config)["num_parameters"] / tiny.full_costs["num_parameters"]
        put(key, {"ratio": ratio, "ratio_low": 0.99 * ratio, "ratio_high": 1.01 * ratio})
    proposals = [_proposal(config, tiny, space) for config in configs.values()]
    _evaluate(ledger, found.study, sorted(proposals, key=_size), dict(target.describe()))
    return found


def _evaluate(ledger: Any, study: str, proposals: list[Any], target: dict[str, Any]) -> None:
    constraints = [f"num_parameters <= {_size(proposals[-2]):.0f}"]
    spec = {**ledger.study("tiny").spec, "target": target, "constraints": constraints}
    ledger.create_study(study, spec=spec, fingerprint={}, seed=0)
    lease = ledger.acquire(study, owner="test", seconds=600)
    *others, early, last = ledger.propose(lease, proposals)
    for trial in (*others, early, last):
        ledger.dispatch(lease, trial.number)
    for trial in (*others, last):
        loss = 1.0 if trial.number % 3 == 2 else 1e3 / trial.costs["num_parameters"]
        ledger.complete(lease.study_id, trial.number, {"loss": loss})
    ledger.pause(lease, early.number, {"loss": 0.9}, reason="dominated")


def _size(proposal: Any) -> float:
    size: float = proposal.costs["num_parameters"]
    return size


def _proposal(config: Any, spec: Any, space: Any) -> Any:
    from storage import Proposal

    return Proposal(
        key=config.key,
        config=config.to_json(),
        parameters=space.encode(config),
        sampler_attributes={},
        costs=spec.costs(config),
        origin="sampler",
    )


def _put_latency(ledger: Any, device_id: str, workload: str, key: str, figures: dict[str, float]) -> None:
    from storage import LatencyRecord

    ledger.put_latency(
        LatencyRecord(
            shape_key=key,
            target=device_id,
            workload_sha256=workload,
            statistics=figures,
            quality_flag="ok",
            device={"device": "cpu", "threads": 1, "cpu": "Some CPU"},
            valid=True,
        )
    )


@dataclass
class Console:
    """What a page complained of.

    Attributes:
        allowed: parts of complaints that a test brings about.
    """

    complaints: list[str] = field(default_factory=list)
    allowed: list[str] = field(default_factory=lambda: [UNAUTHORISED])

    def unexpected(self) -> list[str]:
        """Complaints that are not allowed."""
        return [text for text in self.complaints if not any(part in text for part in self.allowed)]


@pytest.fixture
def console() -> Console:
    """Complaints of the test's page; any that the test did not allow fails it."""
    return Console()


@pytest.fixture
def stranger(page: Any, console: Console) -> Iterator[Any]:
    """A page without a session."""
    from playwright.sync_api import expect

    page.set_default_timeout(TIMEOUT_MS)
    expect.set_options(timeout=TIMEOUT_MS)
    page.on(
        "console",
        lambda message: (
            console.complaints.append(message.text) if message.type in ("error", "warning") else None
        ),
    )
    page.on("pageerror", lambda error: console.complaints.append(str(error)))
    yield page
    assert console.unexpected() == []


@pytest.fixture
def signed_in(stranger: Any, served: Served) -> Any:
    """A page of an administrator's session, on the studies."""
    stranger.goto(served.link)
    stranger.get_by_role("heading", name="Studies").wait_for()
    return stranger
