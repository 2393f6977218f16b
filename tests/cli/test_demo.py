"""`rheostat demo`, as a newcomer meets it."""

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from pathlib import Path
from typing import Any

import pytest

from rheostat import cli, demo
from rheostat.demo import chapters, story
from rheostat.share.node.fleet import Fleet
from rheostat.share.plan import Deployment, write
from tests.cli.shown import Call
from tests.demo.small import SMALL, files_of
from tests.share.node.toys import ample, colour_fleet, video_of


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    """The first chapter alone, small."""
    run = story.run_demo
    monkeypatch.setattr(demo, "run_demo", lambda folder, **named: run(folder, scale=SMALL, **named))


def test_it_ends_in_a_page_and_text(call: Call, small: None, tmp_path: Path) -> None:
    shown = call("demo", "--out", tmp_path / "d", "--only", "select", "--jobs", "1")
    assert shown.code == 0, shown.err
    assert "matched-random" in shown.out
    assert shown.out.splitlines()[-1] == f"report: {tmp_path / 'd' / 'report.html'}"
    assert (tmp_path / "d" / "report.html").exists()


def test_for_machines_there_is_one_object(call: Call, small: None, tmp_path: Path) -> None:
    shown = call("demo", "--out", tmp_path, "--only", "select", "--jobs", "1", "--json")
    assert json.loads(shown.out) == json.loads((tmp_path / "record.json").read_text())


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--only", "selekt"], "unknown chapter 'selekt': did you mean select"),
        (["--jobs", "0"], "--jobs"),
        (["--only", "select", "--serve"], "--serve shows the plan of the chapter share"),
        (["--out", "file"], "file is a file"),
        (["--out", "full"], "full holds report.html, which no demo of this version has made"),
    ],
)
def test_a_mistake_is_told_in_one_line_and_changes_nothing(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], said: str
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "file").write_text("mine")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "report.html").write_text("mine")
    before = files_of(tmp_path)
    shown = call("demo", *arguments)
    assert (shown.code, said in shown.err, shown.err.count("\n")) == (2, True, 1), shown.err
    assert files_of(tmp_path) == before


def test_a_page_that_cannot_be_served_is_told_before_the_work(
    call: Call, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in [name for name in sys.modules if name.startswith("rheostat.console")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "uvicorn", None)
    shown = call("demo", "--out", tmp_path / "out", "--serve")
    assert (shown.code, "uvicorn is missing" in shown.err, (tmp_path / "out").exists()) == (2, True, False)


def test_ctrl_c_says_how_to_go_on(call: Call, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def interrupted(chapter: chapters.Chapter, progress: Any) -> dict[str, Any]:
        raise KeyboardInterrupt

    monkeypatch.setitem(story._RUN, "augment", interrupted)
    shown = call("demo", "--out", tmp_path, "--only", "select,augment", "--jobs", "1")
    assert (shown.code, "interrupted; go on with: the same command" in shown.err) == (130, True)
    monkeypatch.setitem(story._RUN, "select", interrupted)  # it is over, and not run again
    assert call("demo", "--out", tmp_path, "--only", "select", "--jobs", "1").code == 0


@pytest.mark.parametrize(("rank", "times"), [("0", 1), ("1", 0)])
def test_of_several_processes_the_main_one_says_that_a_command_needs_no_other(
    call: Call, rank: str, times: int, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", rank)
    shown = call("demo", "--out", tmp_path / "demo")
    assert shown.code == 2
    assert shown.err.count("WORLD_SIZE is 2 and rheostat demo runs in one process") == times
    assert not (tmp_path / "demo").exists()


_SERVING = """
import sys
from pathlib import Path
from rheostat.cli.demo import _serve
_serve(Path(sys.argv[1]), host="127.0.0.1", port=0)
"""


def test_the_live_page_shows_the_video_over_and_over_until_ctrl_c(tmp_path: Path) -> None:
    fleet = colour_fleet(tmp_path, ["red"], fps=(10,))
    _profiled(fleet)
    where = Deployment(base="base", packages={"red": "red"}, stream_fps=10.0, fps=(10.0,))
    write(tmp_path / "plan.json", ample(fleet).model_copy(update={"deployment": where, "budget": 1000.0}))
    video_of(tmp_path / "camera.mp4", ("grey", 0.5), ("red", 1))
    running = subprocess.Popen(
        [sys.executable, "-c", _SERVING, str(tmp_path)],
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "COLUMNS": "200"},
    )
    try:
        assert running.stderr is not None
        line = next(line for line in running.stderr if "live page: " in line)
        page = line.split("live page: ")[1].split()[0]
        limit = time.monotonic() + 60
        while (status := _status(page))["frames"]["analysed"] < 20:  # more than the video has
            assert time.monotonic() < limit, status
            time.sleep(0.1)
        assert status["source"]["live"]
        assert b"Rheostat" in urllib.request.urlopen(page).read()
        running.send_signal(signal.SIGINT)
        _, err = running.communicate(timeout=30)
        assert running.returncode == 0, err
        assert "Traceback" not in err
        with pytest.raises(urllib.error.URLError):
            urllib.request.urlopen(page, timeout=2)
    finally:
        running.kill()
        running.communicate()


def _status(page: str) -> dict[str, Any]:
    return json.load(urllib.request.urlopen(f"{page}api/status"))


def _profiled(fleet: Fleet) -> None:
    """What its layers cost here, made up: measuring takes its time."""
    from rheostat.share.runner import profile

    base = fleet.base
    processor, machine, runtime = profile._here()
    ones = (1.0,) * (len(base.layers) + 1)
    found = profile.Profile(
        schema=1, base=base.document.hash, processor=processor, machine=machine, onnxruntime=runtime,
        providers=profile.PROVIDERS, rounds=3, core_ms=fleet.layer_cost, before=ones, after=ones, spread=0.0,
        prepare_ms=0.1, prepare_small_ms=0.1,
    )  # fmt: skip
    profile.write_profile(base, found)


def test_serve_is_what_the_command_ends_with(
    call: Call, small: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    served: list[Path] = []
    monkeypatch.setattr(cli.demo, "_serve", lambda folder, **_: served.append(folder))
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "plan.json").write_text("{}")
    (tmp_path / chapters.MARKER).write_text("{}")
    assert call("demo", "--out", tmp_path, "--only", "select", "--jobs", "1", "--serve").code == 0
    assert served == [tmp_path / "share"]
