"""Likely label errors of a run, put before a person: suspects, exports, decisions."""

__all__: list[str] = []
