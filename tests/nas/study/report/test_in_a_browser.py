"""A report as headless Chromium shows it, from a file and without a network."""

from __future__ import annotations

import re
import shutil
import subprocess
import threading
from dataclasses import dataclass
from html.parser import HTMLParser
from http.server import BaseHTTPRequestHandler, HTTPServer

import pytest

BROWSER = shutil.which("chromium")
EVIL = "<script>document.title='taken'</script><img src=x onerror=\"document.title='taken'\">"

pytestmark = [
    pytest.mark.slow,
    pytest.mark.alone,
    pytest.mark.skipif(BROWSER is None, reason="needs chromium, which is not installed"),
]


@dataclass(frozen=True, kw_only=True)
class Shown:
    """What became of a page: its elements after all scripts have run, and what the console said."""

    page: str
    console: list[str]

    @property
    def title(self) -> str:
        return re.search(r"<title>(.*?)</title>", self.page, flags=re.DOTALL)[1]


class Elements(HTMLParser):
    """Tags with their attributes, and the text of headings of the first order."""

    def __init__(self, page):
        super().__init__()
        self.found, self.heading, self._is_inside = [], "", False
        self.feed(page)

    def handle_starttag(self, tag, attrs):
        self.found.append((tag, dict(attrs)))
        self._is_inside = tag == "h1"

    def handle_endtag(self, tag):
        self._is_inside = self._is_inside and tag != "h1"

    def handle_data(self, data):
        self.heading += data if self._is_inside else ""


@pytest.fixture
def show(tmp_path):
    """Opens a page in a browser of its own."""

    def opened(path) -> Shown:
        options = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr"]
        options += ["--virtual-time-budget=10000", f"--user-data-dir={tmp_path / 'browser'}", "--dump-dom"]
        done = subprocess.run(
            [BROWSER, *options, path.as_uri()], capture_output=True, text=True, timeout=120, check=True
        )
        return Shown(
            page=done.stdout, console=[line for line in done.stderr.splitlines() if "CONSOLE" in line]
        )

    return opened


@pytest.fixture
def report(write, tmp_path):
    """A study whose name and whose trials' origins are markup."""
    study = write(EVIL)
    study.evaluated_with()
    study.full(accuracy=0.9, evaluated_examples=100.0)
    study.add({"accuracy": 0.5, "evaluated_examples": 100.0}, origin=f"baseline:{EVIL}")
    study.add({"accuracy": 0.6, "evaluated_examples": 100.0}, origin=EVIL)
    return study.study.report(tmp_path / "report.html")


@pytest.fixture
def server():
    """Counts requests on this machine."""
    asked = []

    class Handler(BaseHTTPRequestHandler):
        def do_GET(self):
            asked.append(self.path)
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_):
            pass

    with HTTPServer(("127.0.0.1", 0), Handler) as listening:
        thread = threading.Thread(target=listening.serve_forever)
        thread.start()
        yield listening.server_port, asked
        listening.shutdown()
        thread.join()


def test_every_chart_is_drawn_and_the_console_stays_silent(report, show):
    shown = show(report)
    places = [a for _, a in Elements(shown.page).found if "chart" in a.get("class", "").split()]
    assert [place.get("data-drawn") for place in places] == ["yes"] * 3  # front, progress over both
    assert shown.console == []


def test_a_name_that_is_markup_is_shown_as_text(report, show):
    shown = show(report)
    assert Elements(shown.page).heading == f"Study {EVIL}"
    assert shown.title != "taken"


def test_texts_of_points_make_no_element(report, show):
    shown = show(report)
    images = [attributes for tag, attributes in Elements(shown.page).found if tag == "img"]
    assert images
    assert [image for image in images if "onerror" in image] == []


def test_even_an_injected_element_runs_nothing_and_asks_nobody(report, show, server):
    port, asked = server
    address = f"http://127.0.0.1:{port}/"
    injected = (
        f"<script>document.title='taken'</script><img src='{address}i'><script src='{address}s'></script>"
    )
    injected += f"<iframe src='{address}f'></iframe><link rel=stylesheet href='{address}c'>"
    page = report.read_text(encoding="utf-8")
    report.write_text(page.replace("<main>", f"<main>{injected}"), encoding="utf-8")
    shown = show(report)
    assert shown.title != "taken"
    assert asked == []
    assert len(shown.console) >= 5
    assert all("Content Security Policy" in line for line in shown.console)


def test_without_the_policy_the_same_element_would_ask(report, show, server):
    port, asked = server
    page = report.read_text(encoding="utf-8").replace("Content-Security-Policy", "x-none")
    report.write_text(
        page.replace("<main>", f"<main><img src='http://127.0.0.1:{port}/i'>"), encoding="utf-8"
    )
    show(report)
    assert asked == ["/i"]
