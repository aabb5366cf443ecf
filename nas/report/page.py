"""A report as one HTML file that needs no network and lets nothing in it reach one."""

from __future__ import annotations

import base64
import hashlib
import os
from collections.abc import Sequence
from importlib.resources import files
from pathlib import Path
from typing import Final

from nas.report.blocks import BlockWriter
from nas.report.document import Chart, Document
from nas.report.markup import Markup, element, text
from nas.report.plots import drawing_library

_PAGE: Final = """<!DOCTYPE html>
<html lang="en">
<head>
<meta charset="utf-8">
<meta http-equiv="Content-Security-Policy" content="{policy}">
<meta name="viewport" content="width=device-width, initial-scale=1">
<meta name="color-scheme" content="light dark">
<meta name="referrer" content="no-referrer">
<title>{title}</title>
<style>
{style}</style>
</head>
<body>
{body}
{scripts}
</body>
</html>
"""


def write_page(path: str | Path, document: Document) -> Path:
    """Write a document, in place of the file if there is one.

    Raises:
        ConfigError: it has charts, but Altair or vl-convert is not installed.
        OSError: the file can not be written.
    """
    target = Path(path)
    page = page_of(document)
    target.parent.mkdir(parents=True, exist_ok=True)
    unfinished = target.with_name(f".{target.name}.{os.getpid()}")
    try:
        unfinished.write_text(page, encoding="utf-8", newline="\n")
        unfinished.replace(target)
    finally:
        unfinished.unlink(missing_ok=True)
    return target


def page_of(document: Document) -> str:
    """The HTML of a document.

    Raises:
        ConfigError: it has charts, but Altair or vl-convert is not installed.
    """
    writer = BlockWriter()
    sections = [writer.section(section) for section in document.sections]
    has_charts = any(isinstance(block, Chart) for one in document.sections for block in one.blocks)
    scripts = [_as_script_text(drawing_library()), _asset("charts.js")] if has_charts else []
    body = [_header(document), element("main", sections)]
    return _PAGE.format(
        policy=_policy(scripts),
        title=text(document.title),
        style=_asset("report.css"),
        body="\n".join(body),
        scripts="\n".join(f"<script>{script}</script>" for script in scripts),
    )


def _header(document: Document) -> Markup:
    links = [
        element("li", element("a", section.title, href=f"#{section.anchor}")) for section in document.sections
    ]
    lead = [element("p", document.lead)] if document.lead else []
    contents = element("nav", element("ul", links), aria_label="Contents")
    return element("header", [element("h1", document.title), *lead, contents])


def _policy(scripts: Sequence[str]) -> str:
    """Only these very scripts may run; nothing may be loaded but pictures that the page itself holds."""
    hashes = " ".join(f"'sha256-{_sha256(script)}'" for script in scripts) or "'none'"
    return (
        f"default-src 'none'; script-src {hashes}; style-src 'unsafe-inline'; img-src data: blob:; "
        "base-uri 'none'; form-action 'none'"
    )


def _sha256(script: str) -> str:
    return base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()


def _as_script_text(source: str) -> str:
    """Source that ends no script element, and that the HTML parser leaves as it is."""
    return source.replace("\r\n", "\n").replace("\r", "\n").replace("</script", "<\\/script")


def _asset(name: str) -> str:
    return (files("nas.report") / "assets" / name).read_text(encoding="utf-8")
