"""`rheostat plan`, as an operator meets it."""

import json
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest
from rich.console import Console

from rheostat.cli import plan as planning
from rheostat.share import read_plan, read_workload
from rheostat.share.scheduler import plan
from rheostat.share.tree import cost_shares
from tests.cli.shown import Call

EXAMPLE = Path(__file__).resolve().parents[2] / "examples" / "six_detectors.json"
NAMES = ("bus stops", "car parks", "red car", "train", "pedestrian", "scramble")

Changed = Callable[..., Path]


@pytest.fixture
def changed(tmp_path: Path) -> Changed:
    """Write the example with some keys changed."""

    def write(**keys: Any) -> Path:
        path = tmp_path / "workload.json"
        path.write_text(json.dumps(json.loads(EXAMPLE.read_text(encoding="utf-8")) | keys), encoding="utf-8")
        return path

    return write


def test_the_table_says_what_every_app_gets_and_the_totals(call: Call):
    best = plan(EXAMPLE)

    shown = call("plan", EXAMPLE)

    assert (shown.code, shown.err) == (0, "")
    lines = shown.out.splitlines()
    columns = re.split(r"  +", lines[0].strip())
    assert columns == ["app", "branch point", "fps", "votes", "F1", "recall", "precision", "cost share"]
    shares = cost_shares(read_workload(EXAMPLE).layer_cost, [a.frozen for a in best.apps], [a.fps for a in best.apps])
    for line, app, share in zip(lines[1:], best.apps, shares, strict=False):
        cells = re.split(r"  +", line.strip())
        assert cells == [
            app.name,
            str(app.frozen),
            f"{app.fps:g}",
            str(app.votes or "-"),
            f"{app.f1:.3f}",
            f"{app.recall:.3f}",
            f"{app.precision:.3f}",
            f"{share:.2f} ({share / best.cost:.0%})",
        ]
    assert f"mean F1 {best.mean_f1:.4f}, lowest {best.min_f1:.4f}; no plan is better (proven)" in shown.out
    assert f"cost {best.cost:.2f} of 30 per second" in shown.out


def test_json_is_the_plan_alone_and_out_writes_it(call: Call, tmp_path: Path):
    shown = call("plan", EXAMPLE, "--json", "--out", tmp_path / "plan.json", "--budget", "40")

    told = read_plan(json.loads(shown.out))
    assert told == read_plan(tmp_path / "plan.json")
    assert told.model_copy(update={"seconds": 0.0}) == plan(EXAMPLE, budget=40).model_copy(update={"seconds": 0.0})


def test_options_reach_the_scheduler(call: Call, tmp_path: Path):
    def told(*options: str | Path) -> Any:
        return json.loads(call("plan", EXAMPLE, "--json", *options).out)

    assert told("--objective", "min")["min_f1"] > told()["min_f1"]
    assert told("--sharing", "none")["sharing"] == "none"
    assert {app["frozen"] for app in told("--sharing", "head")["apps"]} == {81}
    assert told("--solver", "legacy-greedy")["optimal"] is False
    assert told("--gap", "1")["bound"] > told()["bound"]
    before = tmp_path / "before.json"
    call("plan", EXAMPLE, "--out", before)
    assert told("--previous", before)["mean_f1"] == told()["mean_f1"]


def test_baselines_are_planned_beside_and_one_that_does_not_fit_says_so(call: Call):
    shown = call("plan", EXAMPLE, "--budget", "20", "--baselines")

    head = plan(EXAMPLE, budget=20, sharing="head")
    assert f"(--sharing head): mean F1 {head.mean_f1:.4f}" in shown.out
    assert "nothing shared (--sharing none): does not fit: the cheapest such plan costs 24.98" in shown.out
    with_them = json.loads(call("plan", EXAMPLE, "--budget", "20", "--baselines", "--json").out)
    assert set(with_them["baselines"]) == {"head", "max", "none"}
    assert with_them["baselines"]["none"] is None
    assert with_them["baselines"]["head"]["mean_f1"] == head.mean_f1


def test_several_budgets_give_the_curve(call: Call, tmp_path: Path):
    picture = tmp_path / "curve.svg"

    shown = call("plan", EXAMPLE, "--budget", "30:50:10", "--budget", "4,100", "--baselines", "--svg", picture)

    rows = [line.split() for line in shown.out.splitlines()[1:6]]
    assert [row[0] for row in rows] == ["4", "30", "40", "50", "100"]
    assert rows[0][1:5] == ["-"] * 4, "nothing fits 4"
    assert [row[2] for row in rows[1:]] == [f"{plan(EXAMPLE, budget=b).mean_f1:.4f}" for b in (30, 40, 50, 100)]
    text = "".join(ElementTree.fromstring(picture.read_text(encoding="utf-8")).itertext())
    assert "nothing shared" in text
    assert "mean F1" in text
    told = json.loads(call("plan", EXAMPLE, "--budget", "4,20,30", "--json", "--baselines").out)
    assert [one and one["budget"] for one in told["plans"]] == [None, 20, 30], "what does not fit keeps its place"
    assert [one and one["budget"] for one in told["baselines"]["none"]] == [None, None, 30]


def test_pictures_of_one_plan(call: Call, tmp_path: Path):
    picture = tmp_path / "tree.svg"

    shown = call("plan", EXAMPLE, "--tree", "--svg", picture)

    assert "stem of 6 apps" in shown.out
    assert f"written: {picture}" in shown.out
    text = "".join(ElementTree.fromstring(picture.read_text(encoding="utf-8")).itertext())
    assert all(name in text for name in NAMES)


def test_numbers_are_whole_however_long_a_name_is(call: Call, changed: Changed, monkeypatch: pytest.MonkeyPatch):
    apps = json.loads(EXAMPLE.read_text(encoding="utf-8"))["apps"]
    apps[0]["name"] = "front door, north-west corner of the second building, lower camera"
    monkeypatch.setattr("rheostat.cli.plan.out", Console(width=80, soft_wrap=True))

    line = call("plan", changed(apps=apps)).out.splitlines()[1]

    assert len(line) <= 80
    assert "front do" in line
    assert re.search(r"\u2026 +21 +0\.5 +- +0\.812 +0\.959 +0\.704 +4\.32 \(14%\)", line)


def test_a_target_that_cannot_be_written_is_told_before_the_work(
    call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(planning, "curve", None)  # it is not even called
    for option in ("--out", "--svg"):
        shown = call("plan", EXAMPLE, option, tmp_path)
        assert shown.code == 2
        assert f"{tmp_path} cannot be written: name a file" in shown.err


def test_a_plan_above_its_budget_is_called_one(call: Call):
    shown = call("plan", EXAMPLE, "--budget", "3", "--solver", "legacy-greedy")

    assert shown.code == 0
    assert "ABOVE the budget" in shown.out


@pytest.mark.parametrize(
    ("keys", "said"),
    [
        ({"schema": 2}, "schema is 2: this version reads schema 1"),
        ({"apps": []}, "apps is empty: must have at least one entry"),
        ({"budget": None}, "budget is missing: the workload has none, so give --budget"),
        ({"fps": [1, 20]}, "fps has 20: must be at most stream_fps, which is 10"),
        ({"budgett": 3}, "unknown key 'budgett': did you mean 'budget'?"),
    ],
)
def test_a_mistake_in_the_file_is_one_line(call: Call, changed: Changed, keys: dict[str, Any], said: str):
    shown = call("plan", changed(**keys))

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("point", "said"),
    [
        (
            {"frozen": 3, "hit": 1.2, "false_positive": 0.1},
            "app 'bus stops': branch point 2: hit is 1.2: must be at most 1",
        ),
        ({"frozen": 0, "hit": 0.9, "false_positive": 0.1}, "app 'bus stops': branch points out of order"),
    ],
)
def test_a_mistake_in_a_branch_point_names_app_and_point(
    call: Call, changed: Changed, point: dict[str, Any], said: str
):
    apps = json.loads(EXAMPLE.read_text(encoding="utf-8"))["apps"]
    apps[0]["branch_points"] = [{"frozen": 0, "hit": 0.9, "false_positive": 0.1}, point]

    shown = call("plan", changed(apps=apps))

    assert shown.code == 2
    assert said in shown.err
    assert shown.err.count("\n") == 1


@pytest.mark.parametrize(
    ("options", "said"),
    [
        (["--budget", "3"], "budget is 3: must be at least 4.1737"),
        (["--budget", "ten"], "budget is 'ten': must be numbers above 0"),
        (["--budget", "10:1:1"], "budget is '10:1:1'"),
        (["--budget", "0"], "budget is 0"),
        (["--budget", "nan"], "budget is nan"),
        (["--budget", "1:9:0"], "budget is '1:9:0'"),
        (["--budget", "1,2", "--out", "x.json"], "--out takes one plan"),
        (["--sharing", "all"], "unknown sharing 'all'"),
        (["--objective", "mode"], "unknown objective 'mode'"),
        (["--solver", "greedy"], "unknown solver 'greedy': did you mean legacy-greedy?"),
        (["--time-limit", "0"], "time_limit is 0"),
        (["--gap", "2"], "gap is 2"),
        (["--previous", "nowhere.json"], "plan file nowhere.json does not exist"),
    ],
)
def test_a_wrong_option_is_one_line(call: Call, options: list[str], said: str):
    shown = call("plan", EXAMPLE, *options)

    assert (shown.code, shown.out) == (2, "")
    assert said in shown.err
    assert shown.err.count("\n") == 1


def test_ctrl_c_says_how_to_get_a_plan_all_the_same(call: Call, monkeypatch: pytest.MonkeyPatch):
    def interrupted(*_: object, **__: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(planning, "curve", interrupted)

    shown = call("plan", EXAMPLE)

    assert shown.code == 130
    assert "--time-limit" in shown.err


def test_planning_needs_no_torch():
    code = (
        "import sys; sys.argv = ['rheostat', 'plan', sys.argv[1], '--json']\n"
        "from rheostat.cli import main\n"
        "try: main()\n"
        "except SystemExit as end: assert not end.code\n"
        "assert not {'torch', 'matplotlib', 'scipy'} & set(sys.modules), sorted(sys.modules)"
    )
    ended = subprocess.run([sys.executable, "-c", code, str(EXAMPLE)], capture_output=True, text=True, check=False)
    assert ended.returncode == 0, ended.stderr
