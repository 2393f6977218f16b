"""The rules of who may ask the console for what."""

from __future__ import annotations

import socket

import pytest

from rheostat.console.guard import changes_allowed, host_allowed, is_everywhere, is_loopback, token_for
from rheostat.errors import SettingsError


@pytest.mark.parametrize(
    ("host", "loopback"),
    [
        *[("127.0.0.1", True), ("127.8.8.8", True), ("::1", True), ("localhost", True)],
        *[
            ("0.0.0.0", False),
            ("::", False),
            ("192.168.1.5", False),
            ("camera.local", False),
            ("localhost.evil", False),
        ],
    ],
)
def test_loopback_is_what_no_other_machine_reaches(host: str, loopback: bool):
    assert is_loopback(host) is loopback


def test_a_token_is_made_only_where_others_reach_the_console_and_none_is_given():
    assert token_for("127.0.0.1", None) is None
    made = {token_for("0.0.0.0", None), token_for("0.0.0.0", None)}
    assert len(made) == 2
    assert all(token is not None and len(token) >= 32 for token in made)
    assert token_for("0.0.0.0", "a-token-of-my-own") == "a-token-of-my-own"


@pytest.mark.parametrize(
    "token", ["", "short", "fifteen-letters", "a token with spaces in it", "semicolon;in-a-cookie"]
)
def test_a_weak_token_is_refused_in_one_line(token: str):
    with pytest.raises(SettingsError, match=rf"has {len(token)} characters: it must have at least 16, only letters"):
        token_for("127.0.0.1", token)


@pytest.mark.parametrize(
    ("header", "bound", "allowed"),
    [
        *[("localhost:8400", "127.0.0.1", True), ("LOCALHOST", "127.0.0.1", True), ("127.0.0.1:1", "127.0.0.1", True)],
        *[("[::1]:8400", "::1", True), ("[::1]", "127.0.0.1", True), ("camera.lan:8400", "camera.lan", True)],
        *[("192.168.1.5:8400", "192.168.1.5", True), ("192.168.1.5:8400", "0.0.0.0", True)],
        *[("[fe80::1]:8400", "::", True), (f"{socket.gethostname()}:8400", "0.0.0.0", True)],
        *[("evil.example", "127.0.0.1", False), ("evil.example:8400", "0.0.0.0", False)],
        *[("localhost.evil.example", "127.0.0.1", False), ("127.0.0.1.evil.example", "0.0.0.0", False)],
        *[("192.168.1.5", "127.0.0.1", False), ("evil@localhost", "127.0.0.1", False), ("", "127.0.0.1", False)],
        *[("[::1", "127.0.0.1", False), ("localhost:8400:1", "127.0.0.1", False), ("localhost/x", "127.0.0.1", False)],
    ],
)
def test_a_host_header_names_the_node_or_is_refused(header: str, bound: str, allowed: bool):
    assert host_allowed(header, bound) is allowed


@pytest.mark.parametrize(
    ("headers", "allowed"),
    [
        ({}, True),
        ({"origin": "http://localhost:8400"}, True),
        ({"origin": "http://localhost:3000"}, False),
        ({"origin": "http://evil.example"}, False),
        ({"origin": "http://localhost:8400.evil.example"}, False),
        ({"origin": "null"}, False),
        ({"origin": ""}, False),
        ({"sec-fetch-site": "same-origin"}, True),
        ({"sec-fetch-site": "cross-site"}, False),
        ({"sec-fetch-site": "same-site"}, False),
    ],
)
def test_a_change_comes_from_the_consoles_own_page_or_from_none(headers: dict[str, str], allowed: bool):
    assert changes_allowed({"host": "localhost:8400", **headers}) is allowed


def test_everywhere_is_all_addresses_of_the_machine():
    assert [is_everywhere(host) for host in ("0.0.0.0", "::", "127.0.0.1", "camera.lan")] == [True, True, False, False]
