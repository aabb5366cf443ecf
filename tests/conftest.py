"""Tiny random models and sub-networks that several test folders share; nothing here reaches the network."""

from __future__ import annotations

import csv
import functools
import gc
import os
import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from hypothesis import settings
from hypothesis import strategies as st

from benchmarks.chaos.postgres import PostgresServer, binaries
from search_spaces import LayerShape, LayerUnits, ModelShape, SubnetConfig

os.environ.setdefault("HF_HUB_OFFLINE", "1")
os.environ.setdefault("OMP_WAIT_POLICY", "passive")  # spinning threads starve each other on few cores
# Times vary on shared machines; an example that fails is printed and replayed all the same.
settings.register_profile("nas", deadline=None, max_examples=40, derandomize=True)
settings.load_profile("nas")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Tests in a browser come last: Playwright leaves its event loop running in the thread of all tests."""
    items.sort(key=lambda item: "browser" in item.path.parts)


def pytest_collection_finish() -> None:
    """Tests by the thousand are no garbage: `gc.collect`, of each measured shape, need not look at them."""
    gc.freeze()


@pytest.fixture(scope="session")
def make_postgres() -> Callable[[], PostgresServer]:
    """Makes a server of one's own, not started yet; where CI has none that is a failure, not a skip."""

    def make() -> PostgresServer:
        if binaries() is None:
            assert not os.environ.get("CI"), "CI has PostgreSQL; it is not installed"
            pytest.skip("PostgreSQL is not installed")
        return PostgresServer()

    return make


@pytest.fixture
def postgres_server(make_postgres: Callable[[], PostgresServer]) -> Iterator[PostgresServer]:
    """A running server of one's own."""
    with make_postgres() as server:
        yield server


@pytest.fixture(scope="session")
def subnets() -> Callable[[ModelShape], st.SearchStrategy[SubnetConfig]]:
    """Strategy of sub-networks of a model: any index sets, removed sub-layers and dropped blocks too."""

    def units(full: int, least: int = 0) -> st.SearchStrategy[Any]:
        some = st.sets(st.integers(0, full - 1), min_size=least).map(lambda kept: tuple(sorted(kept)))
        return st.one_of(st.just(full), st.integers(least, full), some)

    def layer(full: LayerShape) -> st.SearchStrategy[LayerUnits | None]:
        kept = st.builds(
            LayerUnits,
            heads=units(full.num_key_value_heads),
            queries=units(full.queries_per_head),
            ffn=units(full.intermediate_size),
        )
        return st.one_of(kept, kept, kept, st.none())

    @functools.cache
    def strategy(shape: ModelShape) -> st.SearchStrategy[SubnetConfig]:
        layers = st.tuples(*(layer(full) for full in shape.layers))
        return st.builds(SubnetConfig, hidden=units(shape.hidden_size, least=1), layers=layers)

    return strategy


@pytest.fixture(scope="session")
def tiny_model() -> Callable[..., Any]:
    """Make a classifier of 3 layers, 3 heads of 8 channels, 20 neurons, all its weights random."""
    import torch
    from transformers import AutoConfig, AutoModelForSequenceClassification

    torch.set_num_threads(1)  # at these sizes threads only wait for each other

    def make(
        kind: str = "bert",
        *,
        dtype: str = "float32",
        seed: int = 0,
        attention: str = "eager",
        spread: float = 0.3,
        **changes: Any,
    ) -> Any:
        sizes = {
            "hidden_size": 24,
            "num_hidden_layers": 3,
            "num_attention_heads": 3,
            "intermediate_size": 20,
            "vocab_size": 40,
            "max_position_embeddings": 24,
            "num_labels": 3,
        }
        if kind.startswith("electra"):
            sizes["embedding_size"] = 16 if kind == "electra_projected" else 24
        config = AutoConfig.for_model(kind.removesuffix("_projected"), **(sizes | changes))
        model = AutoModelForSequenceClassification.from_config(config, attn_implementation=attention)
        generator = torch.Generator().manual_seed(seed)
        for name, parameter in model.named_parameters():
            centre = 1.0 if name.endswith("LayerNorm.weight") else 0.0
            parameter.data.normal_(centre, spread, generator=generator)
        return model.to(getattr(torch, dtype)).eval()

    return make


@pytest.fixture(scope="session")
def tiny_batch() -> Callable[..., Any]:
    """Make a batch of random tokens, the later rows padded, with labels."""
    import numpy as np
    import torch

    from nas.data import Batch

    def make(batch_size: int = 4, length: int = 7, *, seed: int = 0, num_labels: int = 3) -> Batch:
        generator = torch.Generator().manual_seed(seed)
        tokens = torch.randint(5, 40, (batch_size, length), generator=generator)
        kept = torch.arange(length, 0, -1).clamp(min=min(3, length))[:batch_size]
        mask = torch.arange(length) < kept[torch.arange(batch_size) % len(kept), None]
        return Batch(
            inputs={"input_ids": torch.where(mask, tokens, 1), "attention_mask": mask.long()},
            labels=torch.randint(0, num_labels, (batch_size,), generator=generator),
            indices=np.arange(batch_size),
        )

    return make


_TONES = {"positive": ["good", "fine", "bright"], "negative": ["bad", "poor", "dull"]}
_WORDS = ["film", "story", "the", "a", "was", "very"]


@pytest.fixture(scope="session")
def tiny_files(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a random BERT and its tokenizer, and sentences whose first word tells their label."""
    import numpy as np
    import torch
    from transformers import BertConfig, BertForSequenceClassification, BertTokenizer

    folder = tmp_path_factory.mktemp("tiny-files")
    model = folder / "model"
    model.mkdir()
    words = ["[PAD]", "[UNK]", "[CLS]", "[SEP]", "[MASK]", *_TONES["positive"], *_TONES["negative"], *_WORDS]
    (model / "vocab.txt").write_text("\n".join(words))
    BertTokenizer(vocab=str(model / "vocab.txt")).save_pretrained(model)
    torch.manual_seed(0)
    sizes = {"hidden_size": 32, "num_hidden_layers": 3, "num_attention_heads": 4, "intermediate_size": 64}
    config = BertConfig(vocab_size=32, max_position_embeddings=32, **sizes)
    BertForSequenceClassification(config).save_pretrained(model)
    generator = np.random.default_rng(0)
    for part, rows in (("train", 200), ("validation", 60)):
        with (folder / f"{part}.csv").open("w", newline="") as stream:
            writer = csv.writer(stream)
            writer.writerow(["text", "label"])
            for _ in range(rows):
                label = ["positive", "negative"][int(generator.integers(2))]
                first = _TONES[label][int(generator.integers(3))]
                writer.writerow([" ".join([first, *generator.choice(_WORDS, 4)]), label])
    return folder


@pytest.fixture(scope="session")
def tiny_search() -> dict[str, Any]:
    """A search that takes seconds, as users of a service write it: model and data by their names."""
    return {
        "version": 1,
        "name": "tiny",
        "model": {"id": "tiny-bert", "task": "sequence-classification"},
        "supernet": {
            "finetune": {"passes": 60, "learning_rate": 4e-3},
            "train": {"strategy": "sandwich", "passes": 20, "learning_rate": 1e-3},
            "calibration": 64,
        },
        "data": {"train": "tiny-train", "validation": "tiny-validation", "max_length": 16},
        "target": {"sequence_length": 16},
        "objectives": ["max accuracy", "min latency_ms"],
        "constraints": ["num_parameters <= 0.95 * baseline"],
        "search": {"trials": 12},
        "evaluation": {"precision": "float32"},
    }


@pytest.fixture(scope="session")
def tiny_study(
    tiny_files: Path, tiny_search: dict[str, Any], tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """A folder with nas.db and artifacts of the finished study `tiny`, found by a real search.

    Look at it, or copy it; other tests read it too. Latencies are sampled for a moment only, however busy
    the machine is: nothing here depends on their order.
    """
    from nas.config import parse_config
    from nas.jobs import run_search
    from workers import LatencyProtocol

    hasty = functools.partial(
        LatencyProtocol, warmup_s=0.01, min_pairs=5, relative_precision=100.0, min_cpu_share=0.001
    )

    folder = tmp_path_factory.mktemp("tiny-study")
    search = tiny_search | {
        "model": tiny_search["model"] | {"id": str(tiny_files / "model")},
        "data": tiny_search["data"]
        | {part: str(tiny_files / f"{part}.csv") for part in ("train", "validation")},
        "workers": {"kind": "serial"},
        "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": str(folder / "artifacts")},
    }
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("nas.study.study.LatencyProtocol", hasty)
        patch.setattr("nas.evaluation.latency.USABLE_PRECISION", 100.0)
        run_search(parse_config(search)).close()
    return folder


@pytest.fixture(scope="session")
def settings_in(tiny_files: Path) -> Callable[..., Any]:
    """Make settings of a service on the nas.db of a folder; its searches may use the tiny model and data."""
    from nas.service.settings import load_settings

    def make(folder: Path, **changes: Any) -> Any:
        parts = ("train", "validation")
        sections = {
            "storage": {"url": f"sqlite:///{folder / 'nas.db'}", "artifacts": "artifacts"},
            "folder": str(folder),
            "workers": {"kind": "serial"},
            "models": {"tiny-bert": {"path": str(tiny_files / "model")}},
            "data": {f"tiny-{part}": {"path": str(tiny_files / f"{part}.csv")} for part in parts},
            "limits": {"failed_logins_per_minute": 100_000},
        }
        return load_settings(**sections | changes)

    return make


@pytest.fixture
def service_settings(settings_in: Callable[..., Any], tiny_study: Path, tmp_path: Path) -> Any:
    """Settings of a service on a copy of the tiny study."""
    return settings_in(shutil.copytree(tiny_study, tmp_path / "service"))


@pytest.fixture
def app(service_settings: Any) -> Iterator[Any]:
    """A running service in this process."""
    from starlette.testclient import TestClient

    from nas.service.application import create_app

    application = create_app(service_settings)
    with TestClient(application):
        yield application


@pytest.fixture
def api(app: Any) -> Callable[..., Any]:
    """Make a client of the service with a token of an account; `token` is its text."""
    from starlette.testclient import TestClient

    from nas.service.authentication import issue_token

    def client(account: str = "alice", scopes: tuple[str, ...] = ("read", "search", "export")) -> Any:
        token = issue_token(app.state.service.ledger, account, scopes)
        made = TestClient(app, raise_server_exceptions=False, headers={"Authorization": f"Bearer {token}"})
        made.token = token
        return made

    return client


@pytest.fixture
def admin_api(api: Callable[..., Any]) -> Any:
    """A client of the service that may do everything."""
    return api("operator", ("admin",))
