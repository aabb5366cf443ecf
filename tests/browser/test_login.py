"""Getting in by a token and out again."""

from __future__ import annotations

import re
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.alone]


def test_the_link_signs_in_and_takes_the_token_out_of_the_address(signed_in: Any, served: Any) -> None:
    assert signed_in.url == f"{served.url}/"
    assert [cookie["httpOnly"] for cookie in signed_in.context.cookies()] == [True]


def test_a_wrong_token_is_refused_in_words(stranger: Any, served: Any) -> None:
    stranger.goto(served.url)
    stranger.get_by_label("Token").fill("nas_0123456789abcdef_wrong")
    stranger.get_by_role("button", name="Log in").click()
    assert "not valid" in stranger.get_by_role("alert").inner_text()


def test_logging_out_ends_the_session(signed_in: Any, served: Any) -> None:
    signed_in.get_by_role("button", name="Log out").click()
    signed_in.get_by_role("heading", name="Log in").wait_for()
    signed_in.goto(f"{served.url}/studies/tiny")
    assert signed_in.get_by_role("heading", name="Log in").is_visible()


def test_every_page_has_its_landmarks_and_one_heading(signed_in: Any, served: Any) -> None:
    for path in ("/", "/studies/tiny", "/studies/tiny/trials/0", "/jobs", "/exports", "/targets"):
        signed_in.goto(served.url + path)
        assert signed_in.locator("h1").count() == 1, path
        assert signed_in.get_by_role("main").count() == 1, path
        assert signed_in.get_by_role("navigation", name="Main").count() == 1, path


def test_what_is_not_there_is_a_page_too(signed_in: Any, served: Any, console: Any) -> None:
    console.allowed.append("status of 404")
    signed_in.goto(f"{served.url}/studies/nobody")
    assert re.search("Not found", signed_in.locator("h1").inner_text())
