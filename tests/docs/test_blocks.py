"""Every block of code in the documentation runs, parses or loads, or says why not.

A comment right before a block, `<!-- not run: REASON -->`, exempts it. What is shown as text is output, and no code.
"""

import json
import re
import shlex
import tomllib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset
from typer import Exit

from rheostat.settings import TrainSettings
from rheostat.share import read_plan, read_workload
from rheostat.share.base import BaseDocument
from rheostat.share.checking import read_document
from rheostat.share.clips.labels import LabelsDocument
from rheostat.share.node.settings import NodeSettings
from rheostat.share.package.document import PackageDocument
from rheostat.share.placement.document import FleetDocument
from tests.cli.shown import Call
from tests.cli.test_examples import parsed
from tests.docs.pages import ROOT, Block, blocks

LANGUAGES = {"python", "sh", "text", "json", "toml", "ini", "dockerfile", "yaml", "bibtex", "mermaid"}
TOOLS = {
    "apt-get", "cat", "cd", "chmod", "chown", "cp", "curl", "docker", "echo", "export", "git", "install", "journalctl",
    "ls", "mkdir", "podman", "ray", "rm", "rsync", "scp", "sha256sum", "ssh", "sudo", "systemctl", "tar", "useradd",
}  # fmt: skip


def of(*languages: str) -> pytest.MarkDecorator:
    found = [pytest.param(block, id=block.name) for block in blocks(*languages) if block.why is None]
    return pytest.mark.parametrize("block", found)


def test_every_block_names_its_language():
    assert [block.name for block in blocks() if block.language not in LANGUAGES] == []


def test_a_block_that_is_not_run_says_why():
    assert all(len(block.why) > 15 for block in blocks() if block.why is not None)


@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")  # Lightning's
@of("python")
def test_every_python_block_runs(block: Block, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    data = TensorDataset(torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)))
    loader = DataLoader(data, batch_size=32, shuffle=True)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))

    exec(compile(block.text, block.name, "exec"), {"F": F, "loader": loader, "model": model})  # a page's own code


def lines_of(text: str) -> Iterator[list[str]]:
    """What is typed, line by line: without comments, prompts and variables set before it."""
    for line in re.sub(r"\\\n\s*", " ", text).splitlines():
        for part in re.split(r" && | \| ", line):
            words = shlex.split(part.removeprefix("$ "), comments=True)
            while words and re.fullmatch(r"[A-Z_]+=\S*", words[0]):
                words.pop(0)
            if words:
                yield words


def must_be_typeable(words: list[str]) -> None:
    """Parse a command of ours by itself; see that what else it names is there."""
    program, *rest = words
    for marks in (["-m", "rheostat"], ["--module", "rheostat"]):
        at = next((at for at in range(len(words)) if words[at : at + 2] == marks), None)
        if at is not None:
            must_be_typeable(["rheostat", *words[at + 2 :]])
            return
    if program.rpartition("/")[2] == "rheostat":
        try:
            parsed(rest)
        except Exit:  # --help and --version end there
            assert {"--help", "--version"} & {*rest}
    elif program in ("python", "python3") and rest[:1] == ["-m"]:
        known = ROOT.joinpath(*rest[1].split("."))
        assert rest[1] in ("venv", "pip", "pytest") or known.is_dir() or known.with_suffix(".py").is_file(), words
    elif program in ("python", "python3"):
        assert rest == ["--version"] or (ROOT / rest[0]).is_file(), f"{rest[0]} does not exist"
    elif program == "make":
        assert all(re.search(rf"^{target}:", (ROOT / "Makefile").read_text(), re.M) for target in rest), words
    elif program.rpartition("/")[2] == "pip":
        extras = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["optional-dependencies"]
        for given in re.findall(r"(?:rheostat|\.|\.whl)\[([\w,]+)\]", " ".join(rest)):
            assert {*given.split(",")} <= {*extras}, words
    elif program.startswith(("scripts/", "./scripts/")):
        assert (ROOT / program).is_file()
    else:
        assert program in TOOLS, f"{program} is no tool that a page may take for granted"


@of("sh")
def test_every_command_in_a_shell_block_can_be_typed(block: Block):
    for words in lines_of(block.text):
        must_be_typeable(words)


@pytest.mark.parametrize(
    ("line", "wrong"),
    [
        ("rheostat plan", "Missing parameter"),
        ("rheostat train --polcy uniform", "No such option"),
        ("torchrun --nproc-per-node 2 -m rheostat train --nothing", "No such option"),
        ("make nothing", "nothing"),
        ("python benchmarks/nothing.py", "does not exist"),
        ("pip install -e '.[nothing]'", "nothing"),
        ("frobnicate", "no tool"),
    ],
)
def test_a_command_that_cannot_be_typed_is_found(line: str, wrong: str):
    with pytest.raises(Exception, match=wrong):
        must_be_typeable(next(lines_of(line)))


def _of_node_or_run(values: Mapping[str, Any]) -> None:
    schema = NodeSettings if {*values} <= {*NodeSettings.model_fields} else TrainSettings
    schema.checked(values)


JSON: list[tuple[set[str], Callable[[Mapping[str, Any]], object]]] = [
    ({"layer_cost"}, read_workload),
    ({"mean_f1"}, read_plan),
    ({"nodes", "cameras"}, lambda values: read_document(FleetDocument, values, "fleet")),
    ({"video", "events"}, lambda values: read_document(LabelsDocument, values, "labels", versioned=False)),
    ({"branch_points", "classes"}, lambda values: read_document(PackageDocument, values, "package")),
    ({"layers", "preprocessing"}, lambda values: read_document(BaseDocument, values, "base")),
]


@of("json")
def test_every_json_block_loads_with_its_schema(block: Block):
    values = json.loads(block.text)
    schemas = [read for keys, read in JSON if keys <= {*values}]

    assert schemas, f"{block.name} is of no form that this test knows"
    schemas[0](values)


@of("toml")
def test_every_toml_block_loads_with_its_schema(block: Block, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    (tmp_path / "apps").mkdir()  # what a page may take to be there
    monkeypatch.chdir(tmp_path)
    _of_node_or_run(tomllib.loads(block.text))


def test_the_output_shown_for_a_plan_is_that_of_the_command(call: Call, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.chdir(ROOT)
    shell, shown = [block for block in blocks("sh", "text") if block.page == ROOT / "docs" / "share.md"][:2]
    words = next(lines_of(shell.text))

    out = call(*words[1:]).out

    def lines(text: str) -> list[str]:
        return [re.sub(r"in \d+\.\d+ s", "in T s", line).rstrip() for line in text.strip().splitlines()]

    assert lines(out) == lines(shown.text)


def test_the_keys_told_of_an_epoch_are_those_of_a_run(tmp_path: Path, call: Call):
    call(
        "train", "--data", "sklearn-digits", "--image-size", "16", "--epochs", "1", "--device", "cpu",
        "--track", "none", "--augment", "flip", "--rate", "uniform", "--out", tmp_path / "run",
    )  # fmt: skip
    record = json.loads((tmp_path / "run" / "epochs.jsonl").read_text())
    page = (ROOT / "docs" / "formats.md").read_text()
    table = page.partition("A record of `epochs.jsonl`")[2].partition("\n## ")[0]
    told = {key for cell in re.findall(r"^\| (`[^|]*`) \|", table, re.M) for key in re.findall(r"`(\w+)`", cell)}

    assert told == {*record}
    assert all(f"`{name}`" in table for name in (*record["forwards"], *record["seconds"], *record["selection"]))
