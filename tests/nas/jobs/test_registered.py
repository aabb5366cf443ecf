"""Which target a config means: its own keys, or a registered one."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from nas.config import SearchConfig, parse_config
from nas.errors import ConfigError
from nas.evaluation import Target
from nas.jobs.definition import make_target
from nas.targets.registry import add_target
from storage import Ledger

EDGE = Target(name="edge", sequence_length=32, threads=2, device_id="0123456789abcdef")


@pytest.fixture
def url(tmp_path: Path) -> str:
    """A database in which target `edge` is registered."""
    url = f"sqlite:///{tmp_path / 'nas.db'}"
    with Ledger.open(url) as ledger:
        add_target(ledger, EDGE)
    return url


def config(url: str, **target: Any) -> SearchConfig:
    return parse_config(
        {
            "version": 1,
            "name": "job",
            "model": {"id": "bert", "task": "sequence-classification"},
            "data": {"train": "train.csv", "validation": "validation.csv"},
            "objectives": ["max accuracy", "min latency_ms"],
            "target": target,
            "storage": {"url": url},
        }
    )


def test_a_name_alone_stands_for_the_registered_target(url: str) -> None:
    assert make_target(config(url, name="edge")) == EDGE


def test_keys_may_repeat_what_is_registered(url: str) -> None:
    assert make_target(config(url, name="edge", threads=2)) == EDGE


def test_a_resolved_config_means_the_same_target(url: str) -> None:
    resolved = config(url, name="edge").resolved()
    assert make_target(parse_config(resolved)) == EDGE


def test_a_key_that_says_otherwise_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match=r"target.threads is 4 in the config, but 2 in the registered"):
        make_target(config(url, name="edge", threads=4))


def test_a_name_that_nothing_is_registered_under_is_refused(url: str) -> None:
    with pytest.raises(ConfigError, match="nas targets add edgy"):
        make_target(config(url, name="edgy"))


def test_a_name_with_keys_of_its_own_needs_no_registration(url: str) -> None:
    assert make_target(config(url, name="laptop", threads=4)) == Target(name="laptop", threads=4)


def test_the_default_target_is_not_looked_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    assert make_target(config(url)) == Target()
    assert not (tmp_path / "none.db").exists()


def test_no_database_is_made_to_look_a_name_up(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'none.db'}"
    with pytest.raises(ConfigError, match="is not registered"):
        make_target(config(url, name="edge"))
    assert not (tmp_path / "none.db").exists()


def test_a_device_whose_measurements_were_imported_can_be_named_by_its_id(url: str) -> None:
    target = make_target(config(url, name="other", device_id="f" * 16))
    assert target is not None
    assert target.device_id == "f" * 16
