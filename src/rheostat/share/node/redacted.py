"""Addresses as pages, logs and records show them: without what may be secret in them."""

from __future__ import annotations

import re

_SCHEME = r"^([A-Za-z][A-Za-z0-9+.-]*://)"
_USER = r"(?:[^/]*@|[^/:@]*:(?!\d+(?:[/?#]|$)).*@)"  # also with a slash in the password; a port is none


def without_secrets(address: str) -> str:
    """An address without user and password, and with `***` for what its query says; what is no address stays.

    Cameras take passwords in the query, too: ``http://camera/video?user=x&pwd=y``.
    """
    if re.match(_SCHEME, address) is None:
        return address
    place, question, query = re.sub(_SCHEME + _USER, r"\1", address).partition("?")
    said = "&".join(
        f"{name}=***" if equals else "***" for name, equals, _ in (p.partition("=") for p in query.split("&"))
    )
    return f"{place}?{said}" if question else place


def scheme_and_host(address: str) -> str:
    """The same without the path either, which is the secret of many webhooks; `...` stands for the rest."""
    found = re.match(_SCHEME + r"(?:.*@)?([^/?#@]*)(.*)$", address, re.DOTALL)
    return address if found is None else f"{found[1]}{found[2]}{'/...' if found[3] else ''}"
