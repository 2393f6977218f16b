"""From the name of a sink, as the command line takes it, to the sink."""

from __future__ import annotations

import re
from pathlib import Path
from urllib.parse import unquote, urlsplit

from rheostat.errors import MissingExtraError, SettingsError
from rheostat.share.node.redacted import scheme_and_host
from rheostat.share.node.sinks.jsonl import JsonlSink
from rheostat.share.node.sinks.worker import Sink

_FORMS = "mqtt://[user:password@]host[:port][/prefix], mqtts://..., http://..., https://..., or a file FILE.jsonl"


def open_sink(name: str) -> Sink:
    """Open the sink of a name.

    Args:
        name: `mqtt://[user:password@]host[:port][/prefix]`, `mqtts://...` (encrypted), `http://...` or `https://...` (a
            webhook), or the path of a file `FILE.jsonl`.

    Raises:
        SettingsError: The name is none of these.
        MissingExtraError: What the sink needs is not installed.
    """
    if name.endswith(".jsonl") and "://" not in name:
        return JsonlSink(Path(name))
    try:
        parts = urlsplit(name)
        port = parts.port
    except ValueError as error:
        raise SettingsError(f"sink {scheme_and_host(name)!r}: {error}; give {_FORMS}") from None
    if parts.hostname is None or parts.scheme not in ("mqtt", "mqtts", "http", "https"):
        raise SettingsError(f"sink {scheme_and_host(name)!r} is not known: give {_FORMS}")
    try:
        if parts.scheme in ("http", "https"):
            from rheostat.share.node.sinks.webhook import WebhookSink

            return WebhookSink(name)
        from rheostat.share.node.sinks.mqtt import Broker, MqttSink
    except ModuleNotFoundError as error:
        raise MissingExtraError(
            f"sink {parts.scheme}://{parts.hostname} needs {error.name}: pip install 'rheostat[edge]'"
        ) from None
    prefix = unquote(parts.path).strip("/") or "rheostat"
    if re.search(r"[+#\x00]", prefix):
        raise SettingsError(
            f"sink {scheme_and_host(name)!r}: its prefix must hold none of +, # and the null character, which are for "
            "who subscribes: leave them out"
        )
    tls = parts.scheme == "mqtts"
    return MqttSink(
        Broker(
            host=parts.hostname,
            port=port or (8883 if tls else 1883),
            prefix=prefix,
            username=None if parts.username is None else unquote(parts.username),
            password=None if parts.password is None else unquote(parts.password),
            tls=tls,
        )
    )
