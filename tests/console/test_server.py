"""Serving from a thread: it starts, tells where it is, and stops."""

from __future__ import annotations

import re
import socket
import subprocess
import sys
import threading

import httpx
import pytest
from fastapi import FastAPI

from rheostat.console import serve
from rheostat.console.server import listen
from rheostat.errors import SettingsError, StateError
from tests.console.fakes import FakeNode


def test_it_tells_the_port_that_it_found(node: FakeNode):
    with serve(node, port=0) as server:
        assert server.port > 0
        assert server.address == f"http://127.0.0.1:{server.port}"
        assert server.url == f"{server.address}/"
        assert httpx.get(server.url).status_code == 200


def test_it_is_reached_from_elsewhere_only_with_a_token(node: FakeNode):
    with serve(node, host="0.0.0.0", port=0) as server:
        assert server.token is not None
        assert server.url == f"http://{socket.gethostname()}:{server.port}/?token={server.token}"
        here = f"http://127.0.0.1:{server.port}/api/status"
        assert httpx.get(here).status_code == 401
        assert httpx.get(here, headers={"authorization": f"Bearer {server.token}"}).status_code == 200


def test_closing_ends_the_streams_and_the_thread_and_frees_the_port(node: FakeNode):
    server = serve(node, port=0)
    with httpx.stream("GET", f"{server.address}/api/stream") as answer:
        lines = answer.iter_lines()
        assert next(lines).startswith("data: ")
        server.close()
        assert not [line for line in lines if line and not line.startswith("data: ")]  # ended, not cut off
    server.close()  # again: nothing to do
    assert "console" not in {thread.name for thread in threading.enumerate()}
    with serve(node, port=server.port) as again:
        assert again.port == server.port


def test_a_port_that_is_taken_is_refused_in_one_line(node: FakeNode):
    with (
        serve(node, port=0) as server,
        pytest.raises(SettingsError, match=f"cannot listen on 127.0.0.1 port {server.port}"),
    ):
        serve(node, port=server.port)


@pytest.mark.parametrize("package", ["starlette", "fastapi", "uvicorn"])
def test_a_package_that_is_missing_is_told_with_the_command_that_brings_it(package: str):
    code = f"""import sys; sys.modules[{package!r}] = None
from rheostat.errors import MissingExtraError
try: import rheostat.console
except MissingExtraError as error: print(error)"""
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told == f"{package} is missing: pip install 'rheostat[console]'\n"


@pytest.mark.parametrize("port", [70000, -1])
def test_a_port_that_is_none_is_refused_in_one_line(node: FakeNode, port: int):
    with pytest.raises(SettingsError, match=f"port is {port}: must be 0 to 65535"):
        serve(node, port=port)


@pytest.mark.parametrize("host", ["192.0.2.1", "a..b"])
def test_a_host_that_is_not_this_machine_is_refused_in_one_line(node: FakeNode, host: str):
    with pytest.raises(SettingsError, match=rf"cannot listen on {re.escape(host)} port 0: .*; choose another"):
        serve(node, host=host, port=0)


def test_what_cannot_be_made_leaves_its_port_free(node: FakeNode):
    with serve(node, port=0) as server:
        port = server.port

    def broken(**_: object) -> FastAPI:
        raise StateError("no")

    for _ in range(2):
        with pytest.raises(StateError, match="no"):
            listen(broken, "127.0.0.1", port, None)
