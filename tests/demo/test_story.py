"""What the demo leaves behind, and what it does not do twice."""

import json
import shutil
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path
from types import SimpleNamespace
from typing import Any
from xml.etree import ElementTree

import numpy as np
import pytest

from rheostat.demo import CHAPTERS, augment, film, found_augment, found_select, found_share, lines_of, run_demo, share
from rheostat.demo import story as story_module
from rheostat.errors import SettingsError
from tests.demo.small import SMALL, files_of

Done = tuple[Path, dict[str, Any], list[tuple[float, str]]]


@pytest.fixture
def undrawn(monkeypatch: pytest.MonkeyPatch) -> None:
    """Without figures: they take a second each."""
    monkeypatch.setattr(story_module, "figures_of", lambda record: [])


class Page(HTMLParser):
    """What a page asks for, and what it says of its pictures."""

    def __init__(self) -> None:
        super().__init__()
        self.asked: list[str] = []
        self.unsaid: list[str] = []
        self.text = ""

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        given = dict(attrs)
        self.asked += [given[name] or "" for name in ("src", "href", "xlink:href") if name in given and tag != "use"]
        unnamed = given.get("role") == "img" and not given.get("aria-label") and tag != "svg"
        if unnamed or (tag == "img" and not given.get("alt")):
            self.unsaid.append(tag)

    def handle_data(self, data: str) -> None:
        self.text += data


def test_the_page_asks_for_nothing_and_says_what_its_pictures_show(done: Done) -> None:
    folder, record, _ = done
    content = (folder / "report.html").read_text()
    read = Page()
    read.feed(content)
    assert read.asked
    assert [link for link in read.asked if not link.startswith(("#", "data:image/"))] == []
    assert read.unsaid == []
    assert content.count('<svg xmlns="http://www.w3.org/2000/svg" role="img"') == content.count("<title>Plan of") == 1
    assert "@import" not in content
    assert "url(http" not in content
    for chapter in record["chapters"].values():
        assert " ".join(chapter["headline"].split()) in " ".join(read.text.split())
        assert all(finding in read.text for finding in chapter["findings"])


def test_the_record_has_all_chapters_and_is_json_of_numbers_that_are_numbers(done: Done) -> None:
    folder, record, _ = done

    def refused(name: str) -> None:
        raise AssertionError(f"{name} is no JSON")

    read = json.loads((folder / "record.json").read_text(), parse_constant=refused)
    assert read == json.loads(json.dumps(record))
    assert tuple(read["chapters"]) == CHAPTERS
    assert read["cpu_seconds"] == pytest.approx(sum(one["cpu_seconds"] for one in read["chapters"].values()))
    assert all(one["cpu_seconds"] > 0 for one in read["chapters"].values())


def test_every_figure_is_beside_the_page_as_svg(done: Done) -> None:
    folder, _, _ = done
    there = {path.stem for path in (folder / "figures").iterdir()}
    assert there == {
        "select-error-against-backwards",
        "select-error-against-seconds",
        "augment-suspects",
        "augment-labels",
        "share-f1-against-budget",
        "share-tree",
        "share-timeline",
    }
    for path in (folder / "figures").iterdir():
        assert ElementTree.parse(path).getroot().tag == "{http://www.w3.org/2000/svg}svg"


def test_the_terminal_gets_the_same_in_eighty_columns(done: Done) -> None:
    _, record, _ = done
    lines = list(lines_of(record, 80))
    assert max(map(len, lines)) <= 80
    text = " ".join(" ".join(lines).replace("- ", "").split())
    for chapter in record["chapters"].values():
        assert all(finding.replace("- ", "") in text for finding in chapter["findings"])


def test_progress_only_rises_and_ends_at_one(done: Done) -> None:
    shares = [share for share, _ in done[2]]
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)
    assert {line.partition(":")[0] for _, line in done[2]} == {*CHAPTERS, "done"}


def test_what_is_over_is_not_run_again(done: Done, monkeypatch: pytest.MonkeyPatch) -> None:
    folder, record, _ = done
    before = files_of(folder)
    monkeypatch.setattr(story_module, "_RUN", dict.fromkeys(CHAPTERS, _must_not_run))
    again = run_demo(folder, jobs=1, scale=SMALL)
    assert again["chapters"] == json.loads(json.dumps(record["chapters"]))
    after = files_of(folder)
    assert {name for name in before if before[name] != after.get(name)} <= {"record.json"}  # when it was written
    assert set(before) == set(after)


def test_runs_that_a_kill_left_behind_go_with_the_next_call(
    done: Done, undrawn: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    folder, kept = tmp_path / "out", done[1]["chapters"]["augment"]["run"]
    shutil.copytree(done[0], folder)
    (folder / "augment" / "runs" / "another").mkdir()
    (folder / "select" / "runs").mkdir()
    monkeypatch.setattr(story_module, "_RUN", dict.fromkeys(CHAPTERS, _must_not_run))
    run_demo(folder, only=["select", "augment"], jobs=1, scale=SMALL)
    assert not (folder / "select" / "runs").exists()
    assert [run.name for run in (folder / "augment" / "runs").iterdir()] == [kept]


def test_a_chapter_that_ends_keeps_its_record_before_its_runs_go(
    undrawn: None, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    def killed(chapter: Any, record: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setitem(story_module._RUN, "augment", lambda chapter, progress: {"run": "x"})
    monkeypatch.setitem(story_module._TIDY, "augment", killed)
    with pytest.raises(KeyboardInterrupt):
        run_demo(tmp_path / "out", only=["augment"], jobs=1, scale=SMALL)
    assert json.loads((tmp_path / "out" / "augment" / "chapter.json").read_text())["run"] == "x"


def test_a_chapter_with_other_settings_is_run_anew_and_the_others_are_not(
    done: Done, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    ran: list[str] = []

    def run(chapter: Any, progress: Any) -> dict[str, Any]:
        ran.append(chapter.name)
        assert not (chapter.folder / "old").exists()
        raise KeyboardInterrupt

    for name in CHAPTERS:
        monkeypatch.setitem(story_module._RUN, name, run)
    other = replace(SMALL, augment=replace(SMALL.augment, noise=0.3))
    folder = tmp_path / "out"
    for name, content in files_of(done[0]).items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    (folder / "augment" / "old").write_text("of the run before")
    with pytest.raises(KeyboardInterrupt):
        run_demo(folder, jobs=1, scale=other)
    assert ran == ["augment"]


def test_an_interrupted_chapter_goes_on_where_it_stopped(
    done: Done, toy_base: None, undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = tmp_path / "out"
    shutil.copytree(done[0], folder)
    shutil.rmtree(folder / "share" / "apps" / "truck")
    next((folder / "share" / "ran").iterdir()).unlink()
    (folder / "share" / "chapter.json").unlink()
    kept = files_of(folder / "share")
    asked: list[str] = []
    package = share.make_package

    def interrupted(*given: Any, **named: Any) -> Any:
        asked.append(named["name"])
        if len(asked) == 1:
            raise KeyboardInterrupt
        return package(*given, **named)

    monkeypatch.setattr(share, "make_package", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run_demo(folder, only=["share"], jobs=1, scale=SMALL)
    record = run_demo(folder, only=["share"], jobs=1, scale=SMALL)["chapters"]["share"]
    assert asked == ["truck", "truck"]  # the recipes are tried already, and the first app is there
    before = done[1]["chapters"]["share"]
    assert [row["predicted"]["apps"] for row in record["rows"]] == [row["predicted"]["apps"] for row in before["rows"]]
    assert record["cpu_seconds"] > before["cpu_seconds"]
    now = files_of(folder / "share")
    assert {name for name in kept if now[name] != kept[name]} <= {"spent.json", "plan.json"}


def test_a_folder_with_something_else_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "share").mkdir()
    (tmp_path / "share" / "mine.txt").write_text("mine")
    with pytest.raises(SettingsError, match="holds share, which no demo of this version has made"):
        run_demo(tmp_path, jobs=1, scale=SMALL)
    assert files_of(tmp_path) == {"share/mine.txt": b"mine"}


def test_what_lies_beside_it_stays(done: Done, undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "mine.txt").write_text("mine")
    for name in CHAPTERS:
        monkeypatch.setitem(story_module._RUN, name, lambda chapter, progress: _known(done, chapter.name))
    run_demo(tmp_path, jobs=1, scale=SMALL)
    assert (tmp_path / "mine.txt").read_text() == "mine"
    assert (tmp_path / "report.html").exists()


def test_chapters_that_were_told_before_are_shown_beside_those_asked_for(
    done: Done, undrawn: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in CHAPTERS:
        monkeypatch.setitem(story_module._RUN, name, lambda chapter, progress: _known(done, chapter.name))
    assert list(run_demo(tmp_path, only=["augment"], jobs=1, scale=SMALL)["chapters"]) == ["augment"]
    assert list(run_demo(tmp_path, only=["select"], jobs=1, scale=SMALL)["chapters"]) == ["select", "augment"]


def test_an_unknown_chapter_is_named(tmp_path: Path) -> None:
    with pytest.raises(SettingsError, match="unknown chapter 'selekt': did you mean select"):
        run_demo(tmp_path / "out", only=["selekt"], scale=SMALL)
    assert not (tmp_path / "out").exists()


def test_as_many_labels_are_planted_as_were_asked_for_and_none_is_right() -> None:
    labels = np.random.default_rng(1).integers(0, 4, 1000)
    spoilt = augment.planted(labels, 0.3, 4, np.random.default_rng(0))
    assert (spoilt != labels).sum() == 300
    assert set(np.unique(spoilt)) == {0, 1, 2, 3}
    wrong = np.bincount((spoilt - labels)[spoilt != labels] % 4, minlength=4)
    assert wrong[0] == 0
    assert wrong[1:].min() > 70  # of 100 expected each, with a deviation of 8


def test_the_truth_relabels_what_is_wrong_and_keeps_what_is_right(done: Done) -> None:
    _, record, _ = done
    found = record["chapters"]["augment"]
    assert found["planted"] == round(0.2 * found["examples"])
    from rheostat.review import open_run
    from rheostat.training import load_data

    seen = open_run(done[0] / "augment" / "runs" / found["run"])
    truth = load_data("sklearn-digits", image_size=16).train.labels
    decided = seen.decided()
    assert len(decided) == found["suspects"]["listed"]
    for index, one in decided.items():
        right = int(truth[index])
        assert (one.decision, one.label) == (("keep", None) if one.given == right else ("relabel", right))
    assert sum(one.decision == "relabel" for one in decided.values()) == found["suspects"]["found"]


def test_the_precision_curve_is_that_of_the_truth(done: Done) -> None:
    found = done[1]["chapters"]["augment"]["suspects"]
    curve, wrong, size = found["curve"], found["wrong"], done[1]["chapters"]["augment"]["examples"]
    for share_, precision, recall in zip(curve["reviewed"], curve["precision"], curve["recall"], strict=True):
        assert precision * share_ * size == pytest.approx(recall * wrong)


def test_measured_figures_are_those_of_the_events(done: Done) -> None:
    found = done[1]["chapters"]["share"]
    assert {row["sharing"] for row in found["rows"]} == {"any", "head", "max", "none"}
    ran = [row for row in found["rows"] if "measured" in row]
    assert ran
    for row in ran:
        for name, app in row["measured"]["apps"].items():
            assert app["events"] == len(found["events"][name])
            assert app["detected"] <= app["events"]
            assert app["recall"] == (app["detected"] / app["events"] if app["events"] else 1.0)
            assert app["fps"] == pytest.approx(row["predicted"]["apps"][name]["fps"], rel=0.25)
    for row in found["rows"]:
        if "least" in row:
            assert row["least"] > row["budget"]


def test_plans_are_run_on_time_that_no_head_has_learnt(done: Done) -> None:
    from rheostat.share.clips import find_labels, read_labels, split_by_time

    labels = read_labels(find_labels(done[0] / "share" / film.CAMERA))
    held_out = read_labels(find_labels(done[0] / "share" / film.HELD_OUT))
    for app in SMALL.share.apps:
        split = split_by_time(labels, app)
        assert labels.frames - held_out.frames >= max(part.end for part in (*split.train, *split.validation))
        assert [event.length for event in held_out.events_of(app)][1:] == [
            event.length for event in labels.events_of(app) if event.end > labels.frames - held_out.frames
        ][1:]


def of_three_seeds(**arms: tuple[list[float], list[float]]) -> dict[str, Any]:
    """A comparison: of each arm (underscores for hyphens) the errors after 100 and 200 backwards, alike in all seeds
    but for the last one of each, which is given by seed."""

    def run(seed: int, first: float, last: float, name: str) -> dict[str, Any]:
        step = 200 if name == "plain" else 100
        seconds = {f"{kind}_cpu_seconds": [0.0, 0.0] for kind in ("data", "scoring")}
        return {
            "seed": seed, "candidates": [200, 400], "backwards": [step, 2 * step], "test_error": [first, last],
            "training_cpu_seconds": [step / 100, 2 * step / 100], **seconds,
        }  # fmt: skip

    told = {}
    for name, (first, last) in arms.items():
        arm = name.replace("_", "-")
        told[arm] = {"runs": [run(seed, first[0], end, arm) for seed, end in enumerate(last)]}
    return {"arms": told, "seeds": [0, 1, 2], "data": {"train": 200}}


def select_record(chosen: list[float], control: list[float], **modes: float) -> dict[str, Any]:
    comparison = of_three_seeds(
        plain=([0.5], [0.1, 0.1, 0.1]),
        selective_backprop=([0.6], chosen),
        governed=([0.6], chosen),
        matched_random=([0.6], control),
        plain_decayed=([0.6], [0.3, 0.3, 0.3]),
    )
    return {"comparison": comparison, "modes": modes or {"off": 1.0}}


@pytest.mark.parametrize(
    ("chosen", "control", "said"),
    [
        ([0.2, 0.2, 0.2], [0.3, 0.3, 0.3], "lower in 3 of 3 seeds: choosing by loss is what helps"),
        ([0.3, 0.3, 0.3], [0.2, 0.2, 0.2], "lower in 0 of 3 seeds: choosing by loss does not help here"),
        ([0.2, 0.3, 0.3], [0.4, 0.3, 0.3], "lower in 1 of 3 seeds: too close to tell"),
        ([0.1, 0.4, 0.4], [0.2, 0.2, 0.3], "lower in 1 of 3 seeds: choosing by loss does not help here"),
        ([0.2, 0.2, 0.2], [0.2, 0.2, 0.2], "lower in 0 of 3 seeds: too close to tell"),
    ],
)
def test_selection_is_held_against_as_many_backwards_by_seeds(
    chosen: list[float], control: list[float], said: str
) -> None:
    told = found_select.sentences(select_record(chosen, control))[1]
    assert said in told
    assert "plain stands at 50.00%" in told  # after 200 of its 400
    assert "it ends at 30.00%" in told


def test_the_end_is_told_as_it_is() -> None:
    never = found_select.sentences(select_record([0.2, 0.2, 0.0], [0.3] * 3))
    assert "does not get there. It is lower than plain in 1 of 3 seeds." in never[0]
    assert never[2] == "For 0.50 of the backward passes it took 0.50 of plain's processor time."
    there = found_select.sentences(select_record([0.05, 0.1, 0.0], [0.3] * 3))
    assert "needs 0.50 of the backward passes" in there[0]
    assert "lower than plain in 2 of 3 seeds" in there[0]
    assert there[2].endswith("0.50 of plain's processor time: it saves time too.")


def test_the_governor_is_told_of_honestly() -> None:
    assert "left selection off throughout" in found_select.sentences(select_record([0.2] * 3, [0.3] * 3))[3]
    on = found_select.sentences(select_record([0.2] * 3, [0.3] * 3, off=0.25, training=0.75))[3]
    assert "75% of the candidates" in on
    assert "left selection off for 25%" in on
    assert "does not reach plain's error; after as much time plain stands at 50.00%" in on
    there = found_select.sentences(select_record([0.1] * 3, [0.3] * 3, training=1.0))[3]
    assert "reaches plain's error after 2.0 s, 0.50 of plain's time" in there
    assert "off" not in there.partition(". It ends")[0]


def test_what_wrong_labels_cost_is_told_as_it_is(done: Done) -> None:
    record = done[1]["chapters"]["augment"]

    def said(**errors: float) -> str:
        arms = record["arms"] | {name: {"error": [error]} for name, error in errors.items()}
        return found_augment.sentences(record | {"arms": arms})[-3]

    won = said(right=0.1, wrong=0.2, reviewed=0.15)
    assert (
        won == "Wrong labels cost 10.0 points of error; the review won 5.0 points, with a lower error in 1 of 1 seeds."
    )
    assert said(right=0.2, wrong=0.1, reviewed=0.15) == (
        "Wrong labels cost nothing here; the review won nothing back (15.00%)."
    )


def test_a_baseline_that_does_not_fit_is_no_win(done: Done) -> None:
    record = done[1]["chapters"]["share"]
    app = {"mean_f1": 0.5, "cost": 2.0}
    rows = [{"budget": 1.0, "sharing": name, "measured": app, "predicted": app} for name in ("any", "head", "max")]
    rows.append({"budget": 1.0, "sharing": "none", "least": 4.0})
    told = found_share.sentences(record | {"rows": rows})[0]
    assert "in 2 of 2 comparisons" in told
    assert told.endswith("these do not fit the budget: none at 1.")
    assert "on a budget of 1 core-ms per second (they used 2.0)" in found_share.headline(record | {"rows": rows})


def test_a_recipe_takes_what_its_epochs_take_and_nothing_else(
    toy_base: None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """What a process does but once, as loading what exports networks, is no matter of the recipe that comes first."""
    epoch = {"cpu_seconds": {"data": 1.0, "scoring": 2.0, "training": 4.0, "evaluation": 8.0}}

    def train(job: Any) -> None:
        (tmp_path / "run").mkdir()
        (tmp_path / "run" / "summary.json").write_text(json.dumps({"epochs": [epoch, epoch]}))

    def make(network: Any, base: Any, data: Any, out: Path, **asked: Any) -> None:
        out.mkdir()
        (out / share.PACKAGE_FILE).touch()

    job = SimpleNamespace(network=SimpleNamespace(head_start=3), run_folder=lambda frozen: tmp_path / "run")
    monkeypatch.setattr(share, "read_base", lambda folder: None)
    monkeypatch.setattr(share, "prepare_package", lambda *_, **asked: job)
    monkeypatch.setattr(share, "train_heads", train)
    monkeypatch.setattr(share, "make_package", make)
    for _ in range(2):  # the second time it is there
        found = share._package(tmp_path, SMALL.share, "selection", {}, [], tmp_path / "selection", None, 1)
        assert found == {"folder": str(tmp_path / "selection"), "cpu_seconds": 14.0}


def _must_not_run(chapter: Any, progress: Any) -> dict[str, Any]:
    raise AssertionError(f"{chapter.name} is over")


def _known(done: Done, name: str) -> dict[str, Any]:
    record = done[1]["chapters"][name]
    return {key: value for key, value in record.items() if key not in ("chapter", "settings", "environment", "jobs")}
