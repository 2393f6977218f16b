"""The documentation says what the records and the code say."""

import re
import runpy
from pathlib import Path
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch.utils.data import DataLoader, TensorDataset

ROOT = Path(__file__).resolve().parent.parent
PAGES = [ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md"))]
BLOCKS = [
    pytest.param(block, id=f"{page.name}-{at}")
    for page in PAGES
    for at, block in enumerate(re.findall(r"```python\n(.*?)```", page.read_text(encoding="utf-8"), re.S))
]


def test_every_table_is_what_its_record_says():
    render: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "render.py"))

    for page in PAGES:
        text = page.read_text(encoding="utf-8")
        assert render["rendered"](text) == text, f"{page.name}: run python benchmarks/render.py"


def test_rendering_replaces_what_stands_between_the_comments():
    render: dict[str, Any] = runpy.run_path(str(ROOT / "benchmarks" / "render.py"))
    asked = "a\n<!-- overhead:table -->\nold\n<!-- /overhead:table -->\nb"

    fresh = render["rendered"](asked)

    assert "old" not in fresh
    assert "| selective: candidates x t_score" in fresh
    assert fresh.startswith("a\n<!-- overhead:table -->\n")
    assert fresh.endswith("\n<!-- /overhead:table -->\nb")


def test_every_picture_and_every_link_within_the_repository_exists():
    for page in PAGES:
        for target in re.findall(r"\]\((?!https?://|#)([^)#]+)", page.read_text(encoding="utf-8")):
            assert (page.parent / target).exists(), f"{page.name} links to {target}"


@pytest.mark.filterwarnings(r"ignore:`isinstance\(treespec, LeafSpec\)` is deprecated:FutureWarning")  # Lightning's
@pytest.mark.parametrize("block", BLOCKS)
def test_every_python_block_runs(block: str):
    data = TensorDataset(torch.rand(64, 1, 28, 28), torch.randint(0, 10, (64,)))
    loader = DataLoader(data, batch_size=32, shuffle=True)
    model = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(784, 10))

    exec(compile(block, "block", "exec"), {"F": F, "loader": loader, "model": model})  # a page's own code
