from __future__ import annotations

import pytest

from nas.client.address import find_address
from nas.errors import ConfigError

TOKEN = "nas_one_secret"


def test_the_environment_names_the_service_and_its_token():
    found = find_address(environ={"NAS_SERVER": "https://nas.example/", "NAS_TOKEN": TOKEN})
    assert (found.url, found.token, found.is_local) == ("https://nas.example", TOKEN, False)


def test_an_argument_goes_before_the_environment():
    found = find_address("http://[::1]:9", "other", environ={"NAS_SERVER": "x", "NAS_TOKEN": TOKEN})
    assert (found.url, found.token, found.is_local) == ("http://[::1]:9", "other", True)


def test_without_any_word_it_is_the_default_of_nas_serve():
    assert find_address(environ={}).url == "http://127.0.0.1:8000"


def test_a_token_is_read_from_a_file(tmp_path):
    path = tmp_path / "token"
    path.write_text(f"{TOKEN}\n")
    assert find_address(environ={"NAS_TOKEN_FILE": str(path)}).token == TOKEN


def test_a_token_file_that_is_not_there_is_named(tmp_path):
    with pytest.raises(ConfigError, match=r"NAS_TOKEN_FILE .*No such file"):
        find_address(environ={"NAS_TOKEN_FILE": str(tmp_path / "no")})


def test_a_token_does_not_travel_unencrypted_to_another_machine():
    with pytest.raises(ConfigError, match="not encrypted"):
        find_address("http://nas.example:8000", TOKEN, environ={})


@pytest.mark.parametrize(
    "options", [{"allow_http": True, "environ": {}}, {"environ": {"NAS_ALLOW_HTTP": "1"}}]
)
def test_unencrypted_travel_can_be_allowed(options):
    assert find_address("http://nas.example", TOKEN, **options).token == TOKEN


@pytest.mark.parametrize("host", ["127.0.0.1.evil.example", "localhost.evil.example", "[::ffff:8.8.8.8]"])
def test_a_name_that_only_looks_like_this_machine_is_not(host):
    with pytest.raises(ConfigError, match="not encrypted"):
        find_address(f"http://{host}:8000", TOKEN, environ={})


@pytest.mark.parametrize(
    "url",
    [
        "nas.example",
        "ftp://x",
        "https://user:secret@x",
        "https://x?token=secret",
        "http://x:port",
        "https://",
    ],
)
def test_what_is_no_address_is_refused_without_repeating_a_secret(url):
    with pytest.raises(ConfigError, match="write http") as caught:
        find_address(url, environ={})
    assert "token=secret" not in str(caught.value)


def test_a_token_with_a_line_break_is_refused_without_repeating_it():
    with pytest.raises(ConfigError, match="other characters") as caught:
        find_address(token="nas_x_secret\r\nx: y", environ={})
    assert "secret" not in str(caught.value)


def test_a_token_is_not_shown_with_its_address():
    assert TOKEN not in repr(find_address(token=TOKEN, environ={}))
