"""What is released: wheel and sdist are built here, and hold what they must and nothing else.

`scripts/release` does the rest, which takes an index and many minutes: it installs each extra and uses it.
"""

import re
import runpy
import stat
import subprocess
import sys
import tarfile
import tomllib
import zipfile
from email.message import Message
from email.parser import Parser
from pathlib import Path

import pytest

from rheostat import __version__

ROOT = Path(__file__).resolve().parent.parent
SOURCE = ROOT / "src"
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
MACHINE_PATHS = re.compile(rb"/(?:root|home/\w+|work|Users/\w+|tmp/\w+)/")
MEGABYTE = 1_000_000


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("dist")
    done = subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-d", str(folder)], cwd=ROOT, capture_output=True
    )
    assert done.returncode == 0, done.stderr.decode()
    return folder


@pytest.fixture(scope="module")
def wheel(built: Path) -> dict[str, bytes]:
    (path,) = built.glob("*.whl")
    assert path.name == f"rheostat-{__version__}-py3-none-any.whl"
    with zipfile.ZipFile(path) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


@pytest.fixture(scope="module")
def sdist(built: Path) -> dict[str, bytes]:
    (path,) = built.glob("*.tar.gz")
    assert path.name == f"rheostat-{__version__}.tar.gz"
    with tarfile.open(path) as archive:
        assert all(one.isfile() for one in archive.getmembers())  # no link leads out of it
        assert all(one.name.startswith(f"rheostat-{__version__}/") for one in archive.getmembers())
        files = {one.name.split("/", 1)[1]: archive.extractfile(one) for one in archive.getmembers()}
        return {name: file.read() for name, file in files.items() if file is not None}


@pytest.fixture(scope="module")
def metadata(wheel: dict[str, bytes]) -> Message:
    return Parser().parsestr(wheel[f"rheostat-{__version__}.dist-info/METADATA"].decode())


def _sources() -> set[str]:
    return {
        path.relative_to(SOURCE).as_posix()
        for path in (SOURCE / "rheostat").rglob("*")
        if path.is_file() and "__pycache__" not in path.parts
    }


def test_the_wheel_is_the_package_with_its_pages_templates_and_types(wheel: dict[str, bytes]) -> None:
    inside = {name for name in wheel if ".dist-info/" not in name}
    assert inside == _sources()
    assert {
        "rheostat/py.typed",
        "rheostat/bench/report.html.j2",
        "rheostat/review/sheet.html.j2",
        "rheostat/console/static/index.html",
        "rheostat/console/review/static/index.html",
    } <= inside


def test_the_wheel_has_its_licence_its_command_and_its_version(wheel: dict[str, bytes], metadata: Message) -> None:
    info = f"rheostat-{__version__}.dist-info"
    assert wheel[f"{info}/licenses/LICENSE"] == (ROOT / "LICENSE").read_bytes()
    assert b"rheostat = rheostat.cli:main" in wheel[f"{info}/entry_points.txt"]
    assert (metadata["Name"], metadata["Version"]) == ("rheostat", __version__)
    assert (metadata["License-Expression"], metadata["Requires-Python"]) == ("Apache-2.0", PROJECT["requires-python"])
    assert metadata.get_payload() == (ROOT / "README.md").read_text()


def test_the_wheel_offers_the_extras_and_a_light_core(metadata: Message) -> None:
    assert set(metadata.get_all("Provides-Extra", [])) == set(PROJECT["optional-dependencies"])
    needed = metadata.get_all("Requires-Dist", [])
    core = {re.split(r"[<>=\[; ]", line)[0] for line in needed if "extra ==" not in line}
    assert core == {"numpy", "pydantic", "rich", "typer"}
    edge = {re.split(r"[<>=\[; ]", line)[0] for line in needed if re.search(r"extra == '(edge|console)'", line)}
    assert not {"torch", "torchvision", "timm", "datasets"} & edge


def test_the_changelog_tells_of_this_version(sdist: dict[str, bytes]) -> None:
    assert re.search(rf"^## {re.escape(__version__)}\b", sdist["CHANGELOG.md"].decode(), re.M)
    assert PROJECT["version"] == __version__


def test_the_sdist_makes_the_wheel_and_carries_no_tests_and_no_records(
    sdist: dict[str, bytes], wheel: dict[str, bytes]
) -> None:
    assert {name.split("/")[0] for name in sdist} <= {
        "src", "examples", "deploy", "CHANGELOG.md", "LICENSE", "README.md", "constraints.txt", "pyproject.toml",
        "PKG-INFO", ".gitignore",
    }  # fmt: skip
    assert {name.removeprefix("src/") for name in sdist if name.startswith("src/")} == {
        name for name in wheel if ".dist-info/" not in name
    }
    assert {"examples/six_detectors.json", "deploy/Dockerfile", "deploy/rheostat-node.service"} <= sdist.keys()


def test_nothing_tells_where_it_was_built_and_nothing_is_large(
    sdist: dict[str, bytes], wheel: dict[str, bytes]
) -> None:
    for files in (sdist, wheel):
        assert [name for name, content in files.items() if MACHINE_PATHS.search(content)] == []
        assert [name for name in files if "__pycache__" in name or name.endswith((".pyc", ".pt", ".db", ".mp4"))] == []
        assert sum(map(len, files.values())) < 4 * MEGABYTE
    assert max(map(len, wheel.values())) < MEGABYTE


def test_building_twice_gives_the_same_wheel(built: Path, tmp_path: Path) -> None:
    subprocess.run(
        [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)],
        cwd=ROOT,
        check=True,
        capture_output=True,
    )
    (first,), (second,) = built.glob("*.whl"), tmp_path.glob("*.whl")
    assert first.read_bytes() == second.read_bytes()


def test_the_release_tries_every_extra(metadata: Message, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CLONE", "TOOLS", "KEPT"):
        monkeypatch.setenv(f"RHEOSTAT_{name}", "/nowhere")
    proofs = runpy.run_path(str(ROOT / "scripts/proofs.py"))["PROOFS"]
    assert {"core", "edge,console", *metadata.get_all("Provides-Extra", [])} - {"dev"} <= set(proofs)
    assert (ROOT / "scripts/release").stat().st_mode & stat.S_IXUSR
