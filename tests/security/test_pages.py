"""T10: text of users and workers is text on every page, never a script."""

from __future__ import annotations

import csv
import re
from collections.abc import Callable
from html.parser import HTMLParser
from typing import Any
from urllib.parse import quote

import pytest

_KNOWN_SCRIPT = re.compile(r"/assets/[a-z0-9._-]+\.js\?v=[0-9a-f]{12}")


class Nodes(HTMLParser):
    """Collects what could run."""

    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []
        self.text: list[str] = []
        self._raw = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        values = {name: value or "" for name, value in attrs}
        kind = values.get("type", "")
        is_ours = kind == "application/json" or _KNOWN_SCRIPT.fullmatch(values.get("src", ""))
        if tag == "script" and not is_ours:
            self.found.append(f"<script {values}>")
        if tag in ("iframe", "object", "embed", "base", "applet", "frame"):
            self.found.append(f"<{tag} {values}>")
        for name, value in values.items():
            is_link = name in ("href", "src", "action", "formaction", "xlink:href")
            if name.startswith("on") or name == "style" or (is_link and _is_foreign(value)):
                self.found.append(f"<{tag} {name}={value!r}>")

    def handle_data(self, data: str) -> None:
        self.text.append(data)


def _is_foreign(value: str) -> bool:
    scheme = value.strip().partition(":")[0].lower()
    return value.startswith("//") or scheme in ("javascript", "data", "vbscript", "http", "https")


def _nodes(text: str) -> Nodes:
    parser = Nodes()
    parser.feed(text)
    parser.close()
    return parser


PAGES = (
    "/studies",
    "/cards",
    "/studies/alice.tiny",
    "/studies/alice.tiny/view",
    "/studies/alice.tiny/trials/0",
    "/compare?study=alice.tiny&trial=0&trial=1",
    "/jobs",
    "/jobs/list",
    "/jobs/1",
    "/jobs/1/standing",
    "/exports",
    "/exports/list",
    "/targets",
)


@pytest.mark.parametrize("path", PAGES)
def test_nothing_on_a_page_runs_but_the_services_own_scripts(path: str, admin_api: Any) -> None:
    answer = admin_api.get(path, headers={"accept": "text/html"})
    assert answer.status_code == 200
    assert answer.headers["content-type"].startswith("text/html")
    assert _nodes(answer.text).found == []


def test_a_text_of_users_is_shown_as_it_is(admin_api: Any, payloads: tuple[str, ...]) -> None:
    text = " ".join(_nodes(admin_api.get("/jobs/1").text).text)
    assert [payload for payload in payloads if payload not in text] == []


def test_a_study_whose_name_is_a_script_is_shown_by_that_name(admin_api: Any, evil_name: str) -> None:
    nodes = _nodes(admin_api.get("/studies").text)
    assert nodes.found == []
    assert evil_name in " ".join(nodes.text)
    own = admin_api.get(f"/studies/{quote(evil_name, safe='')}")
    assert own.status_code == 200
    assert _nodes(own.text).found == []


def test_an_error_page_repeats_nothing_that_runs(admin_api: Any, addresses: list[Any]) -> None:
    payload = quote("<script>alert(1)</script>", safe="")
    for address in addresses:
        if address.method == "GET" and not address.template.startswith("/api"):
            path = re.sub(r"\{\w+\}", payload, address.template)
            query = "&".join(f"{name}={payload}" for name in address.query)
            answer = admin_api.get(f"{path}?{query}", headers={"accept": "text/html"})
            assert _nodes(answer.text).found == [], address


def test_answers_to_scripts_are_never_taken_for_pages(admin_api: Any, addresses: list[Any]) -> None:
    for address in addresses:
        if address.method == "GET" and address.template.startswith("/api") and "events" not in address.path:
            kind = admin_api.get(address.path).headers["content-type"]
            assert not kind.startswith("text/html"), address


def test_downloads_are_attachments_that_no_browser_opens(api: Callable[..., Any]) -> None:
    for path in ("files/config.json", "archive"):
        answer = api("alice").get(f"/api/v1/exports/2/{path}")
        assert answer.status_code == 200
        assert answer.headers["content-disposition"].startswith("attachment")
        assert answer.headers["x-content-type-options"] == "nosniff"


def test_a_table_for_spreadsheets_has_no_formulas(api: Callable[..., Any]) -> None:
    rows = csv.reader(api("alice").get("/api/v1/studies/alice.tiny/trials.csv").text.splitlines())
    cells = [cell for row in rows for cell in row]
    assert cells
    assert not [cell for cell in cells if re.match(r"[=+@\t\r]|-(?![0-9.])", cell)]


def test_the_parser_of_these_tests_finds_what_would_run(payloads: tuple[str, ...]) -> None:
    harmless = ("{{7*7}}${7*7}<%= 7*7 %>", "<!--<script>-->", "&lt;script&gt;alert(1)&lt;/script&gt;")
    for text in (*payloads, "<a onclick=x>", "<p style=color:red>", "<base href=//evil.example>"):
        assert bool(_nodes(text).found) == (text not in harmless), text
