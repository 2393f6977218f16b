"""A sink that is an HTTP endpoint: every message is posted to it as JSON."""

from __future__ import annotations

import hashlib
import logging
from urllib.parse import urlsplit

import httpx

from rheostat.share.node.outbox import Message
from rheostat.share.node.sinks.worker import Later, Refused, Told

TIMEOUT_SECONDS = 10.0
_HTTPX = logging.getLogger("httpx")
_AGAIN = (408, 429)  # of the answers that blame the request, those that time heals


class WebhookSink:
    """Posts every message; the header `Idempotency-Key` is the same when one comes twice.

    An answer 2xx counts as told. After 408, 429, 5xx, or no answer, it is tried again; any other is a refusal.

    Args:
        url: `http://` or `https://`; it may hold a token, which is in no log and no name.
        timeout: Seconds that connecting, sending and the answer may take, each.
    """

    def __init__(self, url: str, *, timeout: float = TIMEOUT_SECONDS) -> None:
        digest = hashlib.sha256(url.encode()).hexdigest()[:8]
        self.name = f"webhook:{urlsplit(url).hostname}#{digest}"
        self._url = url
        self._client = httpx.Client(timeout=timeout, follow_redirects=False)
        self._unsaid = _Unsaid(httpx.URL(url))
        _HTTPX.addFilter(self._unsaid)

    def tell(self, message: Message) -> Told | Later | Refused:
        """Post it."""
        headers = {"Content-Type": "application/json", "Idempotency-Key": message.key}
        try:
            answer = self._client.post(self._url, content=message.content, headers=headers)
        except httpx.HTTPError as error:
            return Later(f"{type(error).__name__}: {error}")
        if answer.is_success:
            return Told()
        # the phrase of the standard: a server's own may repeat the address, and this is logged
        said = f"HTTP {answer.status_code} {httpx.codes.get_reason_phrase(answer.status_code)}".strip()
        return Later(said) if answer.status_code in _AGAIN or answer.is_server_error else Refused(said)

    def close(self) -> None:
        """Close the connections."""
        self._client.close()
        _HTTPX.removeFilter(self._unsaid)


class _Unsaid(logging.Filter):
    """Drops what httpx logs of requests to one address: it writes the address out."""

    def __init__(self, url: httpx.URL) -> None:
        super().__init__()
        self._url = url

    def filter(self, record: logging.LogRecord) -> bool:
        """Whether a record may be written."""
        return not isinstance(record.args, tuple) or self._url not in record.args
