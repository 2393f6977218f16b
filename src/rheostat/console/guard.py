"""Who may ask the console for what: the rules, and the layer around the application that keeps them.

A page that somebody else serves must not reach the console through the browser of the person who runs it, so:

- the Host header names this console, or the request is refused (a foreign name that was made to resolve to it does
  not, which is known as DNS rebinding);
- what changes something comes from the console's own page, or from no page at all;
- what is sent is small, and its length is told before: nobody fills the memory of a box with one request;
- with a token every request carries it, as ``Authorization: Bearer`` or in a cookie that only the console reads.
"""

from __future__ import annotations

import hmac
import re
import secrets
import socket
from collections.abc import Mapping
from ipaddress import ip_address
from urllib.parse import parse_qsl, urlencode, urlsplit

from rheostat.errors import MissingExtraError, SettingsError

try:
    from starlette.datastructures import Headers, MutableHeaders
    from starlette.requests import HTTPConnection
    from starlette.responses import HTMLResponse, JSONResponse, RedirectResponse, Response
    from starlette.types import ASGIApp, Message, Receive, Scope, Send
except ImportError:
    raise MissingExtraError("starlette is missing: pip install 'rheostat[console]'") from None

_LARGEST_BODY = 64 * 1024  # bytes; requests name a folder, a budget or a decision
_SHORTEST = 16  # characters of a token
_LOOPBACK = {"localhost", "127.0.0.1", "::1"}
_ASKING = {"GET", "HEAD", "OPTIONS"}
_HEADERS = {
    "content-security-policy": "default-src 'self'; base-uri 'none'; form-action 'self'; frame-ancestors 'none'; "
    "object-src 'none'",
    "cross-origin-opener-policy": "same-origin",
    "cross-origin-resource-policy": "same-origin",  # no other page shows this camera
    "referrer-policy": "no-referrer",
    "x-content-type-options": "nosniff",
    "x-frame-options": "DENY",
}
_NEEDS_TOKEN = "this console needs its token: send it as Authorization: Bearer TOKEN, or open /?token=TOKEN once"  # noqa: S105
_BEARER = {"WWW-Authenticate": "Bearer"}
_LOGIN = """<!doctype html><html lang="en"><meta charset="utf-8"><title>Rheostat</title>
<meta name="viewport" content="width=device-width, initial-scale=1">
<h1>This console needs its token</h1>
<p>Open the address that was shown when it started, or enter the token:</p>
<form method="get" action="/"><label>Token <input name="token" type="password" required autocomplete="off"></label>
<button>Open</button></form></html>"""


def is_loopback(host: str) -> bool:
    """Tell whether only this machine reaches what is bound to `host`."""
    return host == "localhost" or (_is_address(host) and ip_address(host).is_loopback)


def is_everywhere(host: str) -> bool:
    """Tell whether what is bound to `host` listens on all of the machine's addresses."""
    return _is_address(host) and ip_address(host).is_unspecified


def token_for(host: str, token: str | None) -> str | None:
    """Give the token that guards a console bound to `host`: the one asked for, or a fresh one where others reach it.

    Raises:
        SettingsError: The token is too short, or has characters that a cookie cannot hold.
    """
    if token is None:
        return None if is_loopback(host) else secrets.token_urlsafe(24)
    if not re.fullmatch(r"[A-Za-z0-9._~-]+", token) or len(token) < _SHORTEST:
        raise SettingsError(
            f"the console's token has {len(token)} characters: it must have at least {_SHORTEST}, only letters, digits "
            "and ._~-; leave it out to get one"
        )
    return token


def host_allowed(header: str, bound: str) -> bool:
    """Tell whether a Host header names a console bound to `bound`; its port does not count, a tunnel may change it.

    Bound to all addresses, any address is this machine's: only a name can be made to resolve to somewhere else.
    """
    host = _name_in(header)
    if is_everywhere(bound) and (_is_address(host) or host == socket.gethostname().lower()):
        return True
    return host in _LOOPBACK or host == bound.lower()


def changes_allowed(headers: Mapping[str, str]) -> bool:
    """Tell whether a request that changes something comes from the console's own page, or from no page at all."""
    if (origin := headers.get("origin")) is not None:
        return urlsplit(origin).netloc == headers.get("host", "")
    return headers.get("sec-fetch-site", "none") in ("same-origin", "none")


class Guard:
    """The console's application, asked only what the rules above let through; its answers carry the safe headers.

    Args:
        app: The application.
        token: What every request must carry; None = nothing.
        host: Where the server is bound.
    """

    def __init__(self, app: ASGIApp, *, token: str | None, host: str) -> None:
        self._app, self._token, self._host = app, token, host

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        """Answer one request, as every ASGI application does."""
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_guarded(message: Message) -> None:
            if message["type"] == "http.response.start":
                headers = MutableHeaders(scope=message)
                for name, value in _HEADERS.items():
                    headers.setdefault(name, value)
                headers.setdefault("cache-control", "no-store")
            await send(message)

        answer = self._refusal(HTTPConnection(scope), scope["method"])
        await (answer or self._app)(scope, receive, send_guarded)

    def _refusal(self, request: HTTPConnection, method: str) -> Response | None:
        """The answer that the application is not asked for; None if it is."""
        host = request.headers.get("host", "")
        if not host_allowed(host, self._host):
            bound = f"{socket.gethostname()} or an address of this machine" if is_everywhere(self._host) else self._host
            return _error(421, f"host {host[:80]!r} is not this console: ask for localhost or {bound}")
        if self._token is not None and not self._carries_token(request.headers, request.cookies.get(_cookie(request))):
            return self._enter(request) if method == "GET" else _error(401, _NEEDS_TOKEN, _BEARER)
        if self._token is not None and method == "GET" and self._token_in(request):
            return self._enter(request)  # it must not stay in the address
        if method not in _ASKING and not changes_allowed(request.headers):
            return _error(403, "another site asked for this change: make it on the console's own page")
        return _too_large(request.headers)

    def _carries_token(self, headers: Headers, cookie: str | None) -> bool:
        kind, _, value = headers.get("authorization", "").partition(" ")
        return self._is_token(value.strip() if kind.lower() == "bearer" else cookie or "")

    def _enter(self, request: HTTPConnection) -> Response:
        """Take the token from the address into a cookie, and leave it out of the address."""
        if not self._token_in(request):
            is_page = "text/html" in request.headers.get("accept", "")
            return HTMLResponse(_LOGIN, 401, _BEARER) if is_page else _error(401, _NEEDS_TOKEN, _BEARER)
        given = parse_qsl(request.url.query, keep_blank_values=True)
        rest = urlencode([(name, value) for name, value in given if name != "token"])
        path = "/" + request.url.path.lstrip("/")  # "//elsewhere" would be another host
        answer = RedirectResponse(f"{path}?{rest}" if rest else path, 303)
        answer.set_cookie(_cookie(request), self._token or "", httponly=True, samesite="strict")
        return answer

    def _token_in(self, request: HTTPConnection) -> bool:
        given = parse_qsl(request.url.query)
        return any(name == "token" and self._is_token(value) for name, value in given)

    def _is_token(self, given: str) -> bool:
        return hmac.compare_digest(given.encode(), (self._token or "").encode())


def _too_large(headers: Headers) -> Response | None:
    """The answer to a request whose body is too large, or may be; the server holds a request to the length it told."""
    if "transfer-encoding" in headers:
        return _error(411, "the request's body has no length: send it as a whole, with Content-Length")
    length = headers.get("content-length", "0")
    if not re.fullmatch(r"[0-9]{1,20}", length) or int(length) > _LARGEST_BODY:
        return _error(413, f"the request's body has {length[:20]} bytes: must be at most {_LARGEST_BODY}")
    return None


def _error(status: int, line: str, headers: Mapping[str, str] | None = None) -> JSONResponse:
    return JSONResponse({"error": line}, status, headers)


def _cookie(request: HTTPConnection) -> str:
    """The cookie's name: browsers share cookies between ports, and two nodes on one machine must not fight over it."""
    server = request.scope.get("server")
    return f"rheostat-{server[1] if server else 0}"


def _name_in(header: str) -> str:
    """The host of a Host header, without port and brackets; empty if it is none."""
    found = re.fullmatch(r"(?:\[([0-9a-fA-F:.]+)\]|([^:\[\]/@\s]+))(?::\d+)?", header)
    return (found[1] or found[2]).lower() if found else ""


def _is_address(host: str) -> bool:
    try:
        ip_address(host)
    except ValueError:
        return False
    return True
