"""What no file of the package does; and that the page on security speaks of tests that there are."""

import ast
import re
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs/security.md"
NEVER = {"eval", "exec", "pickle.load", "pickle.loads", "pickle.Unpickler", "marshal.loads", "os.system", "os.popen"}
NEVER |= {"yaml.load", "yaml.unsafe_load", "joblib.load", "shelve.open", "torch.jit.load", "torch.hub.load"}


def offences(text: str) -> Iterator[str]:
    """Calls in a source file that would run what they are given."""
    for call in ast.walk(ast.parse(text)):
        if not isinstance(call, ast.Call):
            continue
        name = ast.unparse(call.func)
        given = {one.arg: getattr(one.value, "value", None) for one in call.keywords}
        if name in NEVER or given.get("shell"):
            yield f"line {call.lineno}: {name}"
        if name == "torch.load" and given.get("weights_only") is not True:
            yield f"line {call.lineno}: {name} without weights_only=True"
        if name == "np.load" and given.get("allow_pickle", False) is not False:
            yield f"line {call.lineno}: {name} with pickles"


@pytest.mark.parametrize(
    "text",
    [
        "torch.load(p)",
        "torch.load(p, weights_only=False)",
        "np.load(p, allow_pickle=True)",
        "eval('1')",
        "run('x', shell=True)",
    ],
)
def test_an_offence_is_found(text: str) -> None:
    assert list(offences(text))


def test_no_file_unpickles_evaluates_or_starts_a_shell() -> None:
    files = sorted((ROOT / "src").rglob("*.py"))
    assert len(files) > 100
    found = [f"{path.name}, {line}" for path in files for line in offences(path.read_text(encoding="utf-8"))]
    assert found == []


def test_the_page_on_security_names_tests_that_there_are() -> None:
    named = re.findall(r"`(tests/[\w/]+\.py)(?:::(\w+))?`", PAGE.read_text(encoding="utf-8"))
    assert len(named) > 30
    missing = [
        f"{path}::{test}"
        for path, test in named
        if not (ROOT / path).is_file() or f"def {test}(" not in (ROOT / path).read_text(encoding="utf-8") + "def ("
    ]
    assert missing == []
