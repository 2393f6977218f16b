"""Run the command line in this process."""

import sys
from pathlib import Path

import pytest

from rheostat import cli
from rheostat.cli import terminal
from tests.cli.shown import Call, Shown


@pytest.fixture
def call(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Call:
    """Run `rheostat ARGUMENTS` in this process."""

    def run(*arguments: str | Path) -> Shown:
        monkeypatch.setattr(sys, "argv", ["rheostat", *map(str, arguments)])
        monkeypatch.setenv("COLUMNS", "200")  # for the help
        terminal.out.width = terminal.err.width = 200  # whatever the terminal was when they were made
        with pytest.raises(SystemExit) as left:
            cli.main()
        shown = capsys.readouterr()
        return Shown(int(left.value.code or 0), shown.out, shown.err)

    return run
