"""The console's server: in a thread of its own, beside what it shows."""

from __future__ import annotations

import asyncio
import socket
import threading
from functools import partial
from types import TracebackType
from typing import TYPE_CHECKING, Protocol, Self

from rheostat.console.app import make_app
from rheostat.console.guard import is_everywhere, token_for
from rheostat.console.view import LiveNode
from rheostat.errors import MissingExtraError, SettingsError

try:
    import uvicorn
except ImportError:
    raise MissingExtraError("uvicorn is missing: pip install 'rheostat[console]'") from None

if TYPE_CHECKING:
    from fastapi import FastAPI

_LAST_PORT = 65535
_PATIENCE_S = 2  # for answers on their way when the server stops; then their connections are cut


class MakeApp(Protocol):
    """Makes the application that is served, guarded by `token` and bound to `host` (see `guarded_app`)."""

    def __call__(self, *, token: str | None, host: str) -> FastAPI:
        """Make it."""
        ...


class Server:
    """A console that is being served; leave it as a context manager, or `close` it.

    Attributes:
        host, port: Where it is bound; the port is the one that was found where 0 was asked for.
        token: What every request must carry; None = nothing.
        address: ``http://host:port``, without a slash at its end.
    """

    def __init__(self, make: MakeApp, bound: socket.socket, *, host: str, token: str | None) -> None:
        self.host, self.port, self.token = host, int(bound.getsockname()[1]), token
        shown = socket.gethostname() if is_everywhere(host) else host
        self.address = f"http://{f'[{shown}]' if ':' in shown else shown}:{self.port}"
        self._app = make(token=token, host=host)
        config = uvicorn.Config(
            self._app,
            http="h11",
            ws="none",
            lifespan="off",
            log_config=None,
            access_log=False,
            server_header=False,
            timeout_graceful_shutdown=_PATIENCE_S,
        )
        self._server = uvicorn.Server(config)
        self._thread = threading.Thread(target=asyncio.run, args=(self._serve(bound),), name="console", daemon=True)
        self._thread.start()

    async def _serve(self, bound: socket.socket) -> None:
        await self._server.serve(sockets=[bound])
        for connection in list(self._server.server_state.connections):  # those that have outlasted the patience
            connection.transport.abort()
        await asyncio.sleep(0)  # they are closed by the loop, which ends with this

    @property
    def url(self) -> str:
        """The address to open in a browser, with the token if there is one."""
        return f"{self.address}/" if self.token is None else f"{self.address}/?token={self.token}"

    def close(self) -> None:
        """Stop serving, and wait until it has stopped. May be called more than once."""
        self._app.state.closing.set()  # streams end by themselves
        self._server.should_exit = True
        self._thread.join()

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()


def serve(node: LiveNode, host: str = "127.0.0.1", port: int = 8400, token: str | None = None) -> Server:
    """Serve a node's console from a thread.

    Args:
        node: What is shown.
        host: Where to listen; on anything but loopback a token guards the console, made if none is given.
        port: Where to listen; 0 = any that is free.
        token: What every request must carry.

    Raises:
        SettingsError: The host or port cannot be bound, or the token is too weak.
    """
    return listen(partial(make_app, node), host, port, token)


def listen(make: MakeApp, host: str, port: int, token: str | None) -> Server:
    """Serve an application from a thread; the arguments after it, and the errors, are those of `serve`."""
    token = token_for(host, token)
    if not 0 <= port <= _LAST_PORT:
        raise SettingsError(f"the console's port is {port}: must be 0 to {_LAST_PORT}, 0 for any that is free")
    try:
        [(family, _, _, _, address), *_] = socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)
        bound = socket.create_server((address[0], port), family=family)
    except (OSError, UnicodeError) as error:  # a name that cannot be one of a host
        told = getattr(error, "strerror", None) or error
        raise SettingsError(
            f"the console cannot listen on {host} port {port}: {told}; choose another host or port, 0 for any that is "
            "free"
        ) from None
    try:
        return Server(make, bound, host=host, token=token)
    except BaseException:
        bound.close()
        raise
