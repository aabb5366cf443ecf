"""The site builds without a warning, and what it says is what the code says."""

from __future__ import annotations

import importlib
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import typer

import nas
from nas.cli.app import app
from nas.config import SearchConfig

ROOT = Path(__file__).resolve().parents[2]
DOCS = ROOT / "docs"
SOURCES = [*sorted(DOCS.rglob("*.md")), *sorted(ROOT.glob("*.md"))]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    command = [
        sys.executable,
        "-m",
        "sphinx",
        "-W",
        "--keep-going",
        "-q",
        "-b",
        "html",
        str(DOCS),
        str(folder),
    ]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr[-6000:]
    return folder


@pytest.fixture(scope="module")
def generated() -> Any:
    """The parts that the build writes from the code, by name."""
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(str(DOCS / "_ext"))
        yield importlib.import_module("generated_pages").PARTS


def links_of(page: Path) -> list[str]:
    """Targets of links and images to files, without their anchors."""
    text = re.sub(r"^```.*?^```$|`[^`\n]*`", "", page.read_text(encoding="utf-8"), flags=re.M | re.S)
    found = re.findall(r"\]\(([^)\s]+)\)", text)
    return [target.split("#")[0] for target in found if not re.match(r"https?:|mailto:|#", target)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_site_builds_without_a_warning_and_documents_every_public_name(site: Path) -> None:
    page = (site / "reference" / "python.html").read_text(encoding="utf-8")
    missing = [name for name in nas.__all__ if name != "__version__" and f'id="nas.{name}"' not in page]
    assert missing == []


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_pages_of_the_site_load_nothing_from_elsewhere(site: Path) -> None:
    pages = list(site.rglob("*.html"))
    assert len(pages) > 40
    address = r"=\"(?:https?:)?//[^\"]*"
    loaded = rf"<(?:script|img|iframe)[^>]*src{address}|<link(?![^>]*rel=\"canonical)[^>]*href{address}"
    found = {page.name: re.findall(loaded, page.read_text(encoding="utf-8")) for page in pages}
    assert {name: links for name, links in found.items() if links} == {}


@pytest.mark.parametrize("source", SOURCES, ids=lambda path: path.relative_to(ROOT).as_posix())
def test_every_link_and_picture_of_a_page_leads_to_a_file(source: Path) -> None:
    missing = [target for target in links_of(source) if not (source.parent / target).exists()]
    assert missing == []


def test_every_page_is_in_one_table_of_contents() -> None:
    listed = sorted(page for source in DOCS.rglob("*.md") for page in contents_of(source))
    pages = {path.relative_to(DOCS).with_suffix("").as_posix() for path in DOCS.rglob("*.md")}
    assert listed == sorted(pages - {"index"})


def contents_of(source: Path) -> list[str]:
    """Pages that a page lists, from the folder of the site."""
    blocks = re.findall(r"^```\{toctree\}\n(.*?)^```", source.read_text(encoding="utf-8"), flags=re.M | re.S)
    lines = [line for block in blocks for line in block.splitlines() if line and not line.startswith(":")]
    return [(source.parent / line).resolve().relative_to(DOCS).as_posix() for line in lines]


def test_the_reference_of_the_command_line_has_every_command_and_option(generated: Any) -> None:
    page = generated["cli"]()
    group: Any = typer.main.get_command(app)
    for name, command in group.commands.items():
        assert f"`nas {name}`" in page
        for inner in getattr(command, "commands", {}):
            assert f"### `nas {name} {inner}`" in page
    assert "`--max-shard-size` `SIZE`" in page
    assert r"`ray\|serial`" in page


def test_the_reference_of_the_config_has_every_key(generated: Any) -> None:
    page = generated["config"]()
    for name, field in SearchConfig.model_fields.items():
        assert f"| `{name}` |" in page
        inner = getattr(field.annotation, "model_fields", {})
        assert all(f"| `{one.alias or key}` |" in page for key, one in inner.items())
    assert "## `supernet.train.lora`" in page
    assert "`recovery.lora`" in page


def test_the_reference_of_exit_codes_has_every_error(generated: Any) -> None:
    page = generated["exit-codes"]()
    for name in nas.__all__:
        kind = getattr(nas, name)
        if isinstance(kind, type) and issubclass(kind, nas.NasError):
            assert f"| {kind.exit_code} | `{name}` |" in page


def test_the_python_reference_keeps_what_no_group_lists(
    generated: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("nas.Newcomer", type("Newcomer", (), {}), raising=False)
    monkeypatch.setattr("nas.__all__", [*nas.__all__, "Newcomer"])
    assert "## More" in generated["python"]()
    assert ".. autoclass:: nas.Newcomer" in generated["python"]()


def test_problem_types_are_found_where_they_are_raised(generated: Any) -> None:
    page = generated["problems"]()
    for name, status in (("not-found", 404), ("infeasible", 409), ("unauthenticated", 401)):
        assert f"| `/problems/{name}` | {status} |" in page
