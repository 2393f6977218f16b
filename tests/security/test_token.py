"""The token of a page, kept off the command line, which is shown to everybody on the machine."""

import pytest

from tests.test_deploy import parsed

TOKEN = "a-token-of-the-environment"


@pytest.mark.parametrize("command", [["run", "plan.json"], ["review", "runs/first"]])
def test_the_token_may_come_from_the_environment(command: list[str], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("RHEOSTAT_TOKEN", raising=False)
    assert parsed(command)[1]["token"] is None
    monkeypatch.setenv("RHEOSTAT_TOKEN", TOKEN)
    assert parsed(command)[1]["token"] == TOKEN
    assert parsed([*command, "--token", "another-token-here"])[1]["token"] == "another-token-here"
