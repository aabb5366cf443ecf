"""The commands of the tutorial and the how-tos are run, in order, as they stand."""

from __future__ import annotations

import re
import shlex
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import typer

import nas
from nas.cli.app import app
from nas.jobs.bundled import MODEL_SHA256
from nas.service.settings import load_settings

ROOT = Path(__file__).resolve().parents[2]
#: Pages whose readers have gone through the tutorial, or `own-data.md`, and those that stand alone.
AFTER_TUTORIAL = ("budget-selection.md", "deploy.md", "recovery.md", "replay.md", "report.md", "targets.md")
AFTER_OWN_DATA = ("jobs.md", "storage.md")
ALONE = (
    "adding-a-family.md",
    "cluster.md",
    "faults.md",
    "operations.md",
    "own-metric.md",
    "own-model.md",
    "service.md",
)
WALKED = ("tutorial.md", *AFTER_TUTORIAL, "own-data.md", *AFTER_OWN_DATA, *ALONE)
#: What a search says of a trial whose latency other work kept it from measuring.
BUSY = "it stayed contended"
_COMMANDS: Any = typer.main.get_command(app)
#: Blocks that cannot run here, with the reason that the page gives.
NOT_RUN = {
    "client.md": [
        "needs a running service; tests/nas/client do the same against one",
        "needs another environment; tests/nas/client/test_generated_client.py makes one",
    ],
    "cluster.md": [
        "each command waits until its node ends; tests/workers/test_cluster.py starts such nodes",
        "needs the cluster and the database of the steps above; it was run by hand",
    ],
    "deploy.md": [
        "converting takes longer than all other blocks together; it was run by hand",
        "needs the folder of the block above; it was run by hand",
        "needs the folder of the block above; it was run by hand",
        "vLLM is not installed here",
    ],
    "operations.md": [
        "installs packages, and serves until it is stopped",
        "serves until it is stopped",
        "needs a container engine; no image was built",
        "asks PyPI",
        "installs packages",
    ],
    "recovery.md": ["the study that the table was measured on takes minutes; it was run by hand"],
    "service.md": [
        "installs packages",
        "serves until it is stopped",
        "serves until it is stopped",
        "needs a running service; it was run by hand",
    ],
    "targets.md": ["measuring 40 shapes takes minutes"],
    "tutorial.md": ["installs packages", "takes minutes; the tests run the small one below"],
}

Walk = Callable[[list[Any]], Path]


@pytest.fixture(scope="module")
def after_tutorial(walk: Walk, pages: dict[str, list[Any]]) -> Path:
    """The folder of somebody who has gone through the tutorial, which measures latencies."""
    try:
        return walk(pages["tutorial.md"])
    except AssertionError as error:
        if BUSY in str(error):
            pytest.skip("other work takes this machine's processor, so that no latency can be measured")
        raise


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
def test_the_tutorial_ends_with_a_model_that_verifies(after_tutorial: Path) -> None:
    exported = after_tutorial / "quickstart" / "small"
    assert nas.verify_folder(exported).study == "quickstart"
    assert (exported / "architecture.svg").exists()
    assert (after_tutorial / "quickstart" / "report.html").stat().st_size > 100_000


@pytest.mark.slow
@pytest.mark.alone
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("after_tutorial")
@pytest.mark.parametrize("name", AFTER_TUTORIAL)
def test_the_commands_of_a_how_to_run_after_the_tutorial(
    name: str, walk: Walk, pages: dict[str, Any]
) -> None:
    walk(pages[name])


@pytest.fixture(scope="module")
def after_own_data(walk: Walk, pages: dict[str, list[Any]]) -> Path:
    """The folder of somebody who has searched on data of their own."""
    return walk(pages["own-data.md"])


@pytest.mark.slow
@pytest.mark.timeout(900)
def test_a_search_on_data_of_one_s_own_ends_with_a_study(after_own_data: Path) -> None:
    with nas.load_study("reviews", storage=f"sqlite:///{after_own_data / 'nas.db'}") as study:
        assert study.best_trials


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.usefixtures("after_own_data")
@pytest.mark.parametrize("name", AFTER_OWN_DATA)
def test_the_commands_of_a_how_to_run_after_the_search_on_own_data(
    name: str, walk: Walk, pages: dict[str, Any]
) -> None:
    walk(pages[name])


@pytest.mark.slow
@pytest.mark.timeout(900)
@pytest.mark.parametrize("name", ALONE)
def test_the_commands_of_a_how_to_run_as_they_stand(name: str, walk: Walk, pages: dict[str, Any]) -> None:
    folder = walk(pages[name])
    for block in pages[name]:
        assert block.file is None or (folder / block.file).exists()


def test_what_is_not_run_is_known_with_its_reason(pages: dict[str, Any]) -> None:
    found = {
        page: [block.reason_not_run for block in blocks if block.reason_not_run is not None]
        for page, blocks in pages.items()
    }
    assert {page: reasons for page, reasons in found.items() if reasons} == NOT_RUN


def test_every_walked_page_has_something_to_run(pages: dict[str, Any]) -> None:
    for page in WALKED:
        assert any(block.is_run for block in pages[page]), page


def test_the_settings_file_of_the_service_page_is_accepted(pages: dict[str, Any], tmp_path: Path) -> None:
    (text,) = [block.text for block in pages["service.md"] if block.file == "service.yaml"]
    (tmp_path / "models" / "minilm").mkdir(parents=True)
    (tmp_path / "data").mkdir()
    (tmp_path / "data" / "reviews.csv").touch()
    (tmp_path / "service.yaml").write_text(text, encoding="utf-8")
    settings = load_settings(tmp_path / "service.yaml")
    assert settings.models["minilm"].sha256 == MODEL_SHA256
    assert settings.limits.open_jobs == 5


def test_every_command_that_a_page_shows_exists_with_its_options(pages: dict[str, Any]) -> None:
    shown = [(block, words) for blocks in pages.values() for block in blocks for words in commands_in(block)]
    assert len(shown) > 40
    unknown = [
        f"docs/{block.page}, line {block.line}: {problem}"
        for block, words in shown
        for problem in problems_of(words)
    ]
    assert unknown == []


@pytest.mark.parametrize(
    ("command", "problem"),
    [
        ("nas serch ls", "no command nas serch"),
        ("nas search run a.yaml --set a=1", None),
        ("nas search run a.yaml --sett a=1", "nas search run has no --sett"),
        ("nas search list", "no command nas search list"),
    ],
)
def test_a_command_that_does_not_exist_is_found(command: str, problem: str | None) -> None:
    assert list(problems_of(command.split())) == ([] if problem is None else [problem])


def commands_in(block: Any) -> Iterator[list[str]]:
    """Calls of `nas` in a block of commands, continuation lines joined."""
    if block.language not in ("", "text", "console", "bash"):
        return
    for line in re.sub(r"\\\n\s*", "", block.text).splitlines():
        match = re.match(r"(?:\$ )?(?:\w+=\S+ )*(nas [a-z].*)", line.strip())
        if match is not None and "…" not in match[1]:
            yield shlex.split(re.split(r"\s#\s|\s[|>;&]", match[1])[0].replace("'", "").replace('"', ""))


def problems_of(words: list[str]) -> Iterator[str]:
    command = _COMMANDS
    path = ["nas"]
    rest = words[1:]
    while getattr(command, "commands", None):
        if not rest or rest[0].startswith("-") or not re.fullmatch(r"[a-z-]+", rest[0]):
            return
        path.append(rest.pop(0))
        if path[-1] not in command.commands:
            yield f"no command {' '.join(path)}"
            return
        command = command.commands[path[-1]]
    known = {name for one in command.params for name in (*one.opts, *one.secondary_opts)} | {"--help"}
    for word in rest:
        option = word.split("=")[0]
        if re.fullmatch(r"--[a-z][a-z-]+", option) and option not in known:
            yield f"{' '.join(path)} has no {option}"
