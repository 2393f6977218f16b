"""Packages: what is in them, that it is true, and that an interruption leaves no trace."""

from collections.abc import Callable
from contextlib import nullcontext
from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest
import torch
from PIL import Image

from rheostat.errors import DataError, SettingsError, StateError
from rheostat.share.base import Base, stem_hash
from rheostat.share.clips import numbers, pictures, read_labels, split_by_time
from rheostat.share.frames import prepared
from rheostat.share.package.document import Package, read_package
from rheostat.share.package.held_out import detection_at
from rheostat.share.package.statistics import judge, miss_correlation
from rheostat.share.stem import Network, write_base
from rheostat.share.trainer import Progress, heads, make_package, prepare_package
from rheostat.share.trainer.make import train_heads
from rheostat.training import prepare
from tests.share.trainer.toys import EVENTS, FPS, FRAMES, LABEL, clip, left_behind, make, network, settings

Bases = tuple[Network, Base]


def score_by_hand(base: Base, package: Package, frozen: int, picture: np.ndarray) -> float:
    """Layer by layer, one picture at a time, as a node would."""
    found = prepared(picture, base.document.preprocessing)
    for content in [*(base.content(layer) for layer in range(frozen)), package.content(frozen)]:
        found = onnxruntime.InferenceSession(content).run(None, {"x": found})[0]
    logits = torch.from_numpy(found)[0].double()
    return float(logits.softmax(0)[package.positive])


# --- what is in a package


def test_a_package_can_be_read_and_fits_its_base(package: Package, base: Bases) -> None:
    network, exported_base = base
    document = read_package(package.folder).document
    assert document == package.document
    package.must_fit(exported_base)
    assert (document.name, document.classes, document.positive) == ("lamp-1", ("other", LABEL), LABEL)
    assert document.stream_fps == FPS
    assert [variant.frozen for variant in document.branch_points] == list(range(len(network.layers)))
    for variant in document.branch_points:
        assert variant.stem == stem_hash(exported_base.document, variant.frozen)
        package.content(variant.frozen)
    assert sorted(path.name for path in package.folder.iterdir()) == [
        *(f"head-{at:02}.onnx" for at in range(5)),
        "held-out.json",
        "package.json",
    ]


def test_the_heads_have_learnt_it(package: Package) -> None:
    for variant in package.document.branch_points:
        assert variant.hit > 0.8, "chance is 0.5 at most"
        assert variant.false_positive < 0.2


def test_the_statistics_of_events_are_those_of_all_labels(package: Package) -> None:
    lengths = [(end - start) / FPS for start, end in EVENTS]
    found = package.document.events
    assert found.count == len(EVENTS)
    assert found.seconds == pytest.approx(np.mean(lengths))
    assert found.frequency == pytest.approx(sum(lengths) / (FRAMES / FPS + 40 / 5))


def test_every_head_is_judged_by_what_it_will_serve_on_held_out_frames_alone(
    package: Package, base: Bases, clips: list[Path]
) -> None:
    held_out = package.held_out()
    first = 0
    for path, (name, frames) in zip(clips, held_out.clips, strict=True):
        labels = read_labels(path.with_suffix(".labels.json"))
        judged = numbers(split_by_time(labels, LABEL).held_out)
        shown = dict(pictures(path))
        # the clip of half the rate shows each picture twice
        stream = [int(judged[int(at * labels.fps / FPS)]) for at in range(int(len(judged) * FPS / labels.fps))]
        assert (name, frames) == (path.name, len(stream))
        seen = labels.presence(LABEL)
        assert held_out.label[first : first + frames].tolist() == [bool(seen[number]) for number in stream]
        for at in range(0, frames, 7):
            for frozen, scores in held_out.scores.items():
                expected = score_by_hand(base[1], package, frozen, shown[stream[at]])
                assert scores[first + at] == pytest.approx(expected, abs=2e-4)
        first += frames
    assert first == package.document.held_out.frames


def test_the_figures_are_those_of_the_held_out_scores(package: Package) -> None:
    document, held_out = package.document, package.held_out()
    hits = [held_out.scores[v.frozen] >= document.threshold for v in document.branch_points]
    for variant, said in zip(document.branch_points, hits, strict=True):
        figures = judge(said, held_out.label, held_out.boundaries)
        assert vars(figures) == {name: getattr(variant, name) for name in vars(figures)}
        replayed = detection_at(held_out, variant.frozen, fps=[FPS])
        assert replayed.recall[0] >= variant.hit
    assert document.events.correlation == miss_correlation(hits, held_out.label, FPS, held_out.boundaries)
    assert document.held_out.events == 2
    assert document.held_out.seconds == document.held_out.frames / FPS


def test_the_base_is_left_as_it_was(package: Package, base: Bases) -> None:
    assert package.name
    fresh = network()
    for frozen in range(len(fresh.layers) + 1):
        assert base[0].stem_fingerprint(frozen) == fresh.stem_fingerprint(frozen)


# --- interruptions


def interrupted(where: Callable[[int, str], bool], told: list[str]) -> Progress:
    """Progress that presses Ctrl-C at the first step of which number and line satisfy `where`; lines go to `told`."""

    def step(share: float, line: str) -> None:
        told.append(line)
        if where(len(told), line):
            raise KeyboardInterrupt

    return step


SHORT: dict[str, Any] = {
    "branch_points": [2, 4],
    "settings": settings({"epochs": 2, "checkpoint_minutes": 0.0}, passes=2.0, per_class=30),
}


def test_work_that_is_interrupted_again_and_again_ends_in_the_same_package(
    base: Bases, clips: list[Path], tmp_path: Path
) -> None:
    steps: list[str] = []
    make(base, clips, tmp_path / "whole", **SHORT, progress=interrupted(lambda *_: False, steps))
    moments: list[str] = []
    while not (tmp_path / "broken" / "package.json").exists():
        told: list[str] = []
        # far enough to get over what is there already, and not to the end
        press = interrupted(lambda number, _: number == 6, told)
        try:
            make(base, clips, tmp_path / "broken", **SHORT, progress=press if len(moments) < 20 else None)
        except KeyboardInterrupt:
            moments.append(told[-1].partition(":")[0])
    assert {"branch point 4", "branch point 2", "judging"} <= set(moments), "it was interrupted in all parts"
    assert left_behind(tmp_path / "broken") == left_behind(tmp_path / "whole")


def test_heads_can_be_trained_one_call_at_a_time(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    make(base, clips, tmp_path / "whole", **SHORT)
    out = tmp_path / "parts"
    told: list[str] = []
    for before, heads_there in ((4, []), (2, [4]), (None, [4, 2])):
        job = prepare_package(*base, clips, out, name="lamp-1", positive=LABEL, **SHORT)
        trained = train_heads(job, before=before, progress=lambda _, line: told.append(line.partition(":")[0]))
        assert [head.frozen for head in trained] == heads_there
        assert sorted(path.name for path in (out / ".work").glob("head-*.onnx")) == [
            f"head-{at:02}.onnx" for at in sorted(heads_there)
        ]
        assert not (out / "package.json").exists()
        assert f"branch point {before}" not in told
    make(base, clips, out, **SHORT)
    assert left_behind(out) == left_behind(tmp_path / "whole")


@pytest.mark.parametrize("part", ["features", "branch point 2", "judging"])
def test_what_is_finished_is_not_done_again(
    base: Bases, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch, part: str
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(base, clips, tmp_path / "p", **SHORT, progress=interrupted(lambda _, line: line.startswith(part), []))
    told: list[str] = []
    begun: list[Any] = []
    monkeypatch.setattr(heads, "prepare", lambda *given: begun.append(given) or prepare(*given))
    make(base, clips, tmp_path / "p", **SHORT, progress=interrupted(lambda *_: False, told))
    order = ["features of the stem", "branch point 4", "branch point 2", "judging"]
    left = order[next(at for at, line in enumerate(order) if line.startswith(part)) :]
    assert list(dict.fromkeys(line.partition(":")[0] for line in told)) == ["decoding", *left]
    assert len(begun) == sum(line.startswith("branch") for line in left)


def test_a_kill_while_the_file_for_the_scores_is_made_leaves_none(
    base: Bases, clips: list[Path], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    make(base, clips, tmp_path / "whole", **SHORT)

    def killed(file: Any, found: np.ndarray) -> None:
        del found
        with nullcontext(file) if hasattr(file, "write") else Path(file).open("wb") as opened:
            opened.write(b"\x93NUMPY")
        raise KeyboardInterrupt

    with monkeypatch.context() as patched:
        patched.setattr(np, "save", killed)
        with pytest.raises(KeyboardInterrupt):
            make(base, clips, tmp_path / "p", **SHORT)
    make(base, clips, tmp_path / "p", **SHORT)
    assert left_behind(tmp_path / "p") == left_behind(tmp_path / "whole")


def test_unfinished_work_is_not_gone_on_with_for_another_package(
    base: Bases, clips: list[Path], tmp_path: Path
) -> None:
    with pytest.raises(KeyboardInterrupt):
        make(base, clips, tmp_path / "p", progress=interrupted(lambda *_: True, []))
    before = left_behind(tmp_path / "p")
    for values, told in [
        ({"name": "lamp-2"}, "another name"),
        ({"settings": settings(per_class=9)}, "another frames"),
        ({"settings": settings({"lr": 0.2})}, "another settings"),
        ({"branch_points": [1, 2]}, "another points"),
    ]:
        with pytest.raises(StateError) as caught:
            make(base, clips, tmp_path / "p", **values)
        assert f"holds unfinished work on a package with {told}" in str(caught.value)
    assert left_behind(tmp_path / "p") == before


def test_progress_rises_to_the_end(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    shares: list[float] = []
    make(base, clips, tmp_path / "p", **SHORT, progress=lambda share, _: shares.append(share))
    assert shares == sorted(shares)
    assert (shares[0], shares[-1]) == (0.0, 1.0)


# --- ways to make one


def test_without_a_cache_the_stem_runs_in_every_step_and_stays_the_bases(
    package: Package, base: Bases, clips: list[Path], tmp_path: Path
) -> None:
    uncached = make(base, clips, tmp_path / "p", branch_points=[4], settings=settings(cache_gb=0.0))
    assert uncached.content(4) != package.content(4)
    # features of 16 bits are nearly the same
    assert np.abs(uncached.held_out().scores[4] - package.held_out().scores[4]).max() < 0.02
    assert base[0].stem_fingerprint(4) == network().stem_fingerprint(4)


def test_pixels_can_be_augmented_and_examples_selected(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    training = {"augment": "flip", "policy": "selective-backprop", "floor": 0.3}
    made = make(base, clips, tmp_path / "p", branch_points=[2, 4], settings=settings(training))
    assert [variant.frozen for variant in made.document.branch_points] == [2, 4]
    assert made.document.branch_points[1].hit > 0.5


def test_the_seed_decides(package: Package, base: Bases, clips: list[Path], tmp_path: Path) -> None:
    made = make(base, clips, tmp_path / "p", branch_points=[4], settings=settings({"seed": 1}))
    assert made.content(4) != package.content(4)
    again = make(base, clips, tmp_path / "q", branch_points=[4])
    assert again.content(4) == package.content(4)


def test_the_classifier_comes_first_even_where_no_head_is_wanted_there(
    base: Bases, clips: list[Path], tmp_path: Path
) -> None:
    told: list[str] = []
    values: dict[str, Any] = {"settings": SHORT["settings"], "progress": interrupted(lambda *_: False, told)}
    made = make(base, clips, tmp_path / "p", branch_points=[3], **values)
    parts = list(dict.fromkeys(line.partition(":")[0] for line in told))
    assert parts[2:4] == ["branch point 4", "branch point 3"]
    assert sorted(path.name for path in made.folder.glob("*.onnx")) == ["head-03.onnx"]


def test_a_folder_of_pictures_per_class_makes_a_package(base: Bases, tmp_path: Path) -> None:
    generator = np.random.default_rng(0)
    for name, colour in [("blue", (30, 30, 220)), ("green", (30, 220, 30)), ("red", (220, 30, 30))]:
        for at in range(20):
            picture = generator.integers(0, 60, (30, 30, 3), dtype=np.uint8)
            picture[5:25, 5:25] = colour
            (tmp_path / "data" / name).mkdir(parents=True, exist_ok=True)
            Image.fromarray(picture).save(tmp_path / "data" / name / f"{at}.png")
    given: dict[str, Any] = {"event_seconds": 3.0, "event_frequency": 0.25, "correlation": 0.5}
    asked: dict[str, Any] = {"positive": "red", "branch_points": [4], "settings": settings(**given)}
    made = make(base, [tmp_path / "data"], tmp_path / "p", **asked)
    document = made.document
    assert (document.classes, document.positive, made.positive) == (("blue", "green", "red"), "red", 2)
    assert (document.events.seconds, document.events.frequency, document.events.count) == (3.0, 0.25, 0)
    assert document.events.correlation.value == (0.5,)
    assert (document.held_out.frames, document.held_out.events) == (21, 7), "each picture stands for itself"
    assert document.branch_points[-1].hit > 0.8
    with pytest.raises(DataError, match="judged by single pictures"):
        detection_at(made.held_out(), 4, fps=[1])
    with pytest.raises(SettingsError, match="give event_seconds and event_frequency"):
        make(base, [tmp_path / "data"], tmp_path / "q", positive="red")
    with pytest.raises(SettingsError, match="unknown class 'rad': did you mean red"):
        make(base, [tmp_path / "data"], tmp_path / "q", **asked | {"positive": "rad"})


def test_what_events_are_like_can_be_given_by_hand(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    job = prepare_package(
        *base, clips, tmp_path, name="x", positive=LABEL, settings=settings(event_seconds=9.0, event_frequency=0.01)
    )
    assert (job.material.occurrence.seconds, job.material.occurrence.frequency) == (9.0, 0.01)


# --- refusals, before anything is written


@pytest.mark.parametrize(
    ("values", "error", "told"),
    [
        ({"name": " "}, SettingsError, "name is ' '"),
        ({"positive": "lump"}, SettingsError, "unknown label 'lump': did you mean lamp"),
        ({"branch_points": [5]}, SettingsError, "branch points are 5: give each once, in [0, 4]"),
        ({"branch_points": []}, SettingsError, "branch points are none"),
        ({"branch_points": [1, 1]}, SettingsError, "branch points are 1, 1"),
    ],
)
def test_a_wrong_argument_is_told(
    base: Bases, clips: list[Path], tmp_path: Path, values: dict[str, Any], error: type[Exception], told: str
) -> None:
    with pytest.raises(error) as caught:
        make(base, clips, tmp_path / "p", **values)
    assert told in str(caught.value)
    assert not (tmp_path / "p").exists()


def test_wrong_data_are_told(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    lonely = clip(tmp_path, "lonely", events=((10, 20),), frames=40)
    for data, told in [
        ([], "data are none"),
        ([clips[0], clips[0]], "give each clip once"),
        ([clips[0], tmp_path], "give one folder, or clips alone"),
        ([lonely], "has 1 event of 'lamp': it takes at least 2"),
        ([tmp_path / "none.mp4"], "none.mp4 does not exist"),
    ]:
        with pytest.raises(DataError) as caught:
            make(base, data, tmp_path / "p")
        assert told in str(caught.value)


def test_a_finished_package_is_not_made_over(package: Package, base: Bases, clips: list[Path]) -> None:
    before = left_behind(package.folder)
    with pytest.raises(StateError, match="holds a package already: name another folder"):
        make(base, clips, package.folder)
    assert left_behind(package.folder) == before


def test_the_base_must_be_the_networks_own_export(base: Bases, clips: list[Path], tmp_path: Path) -> None:
    other = write_base(network(seed=1), tmp_path / "other")
    with pytest.raises(StateError, match="is not the export of the network 'toy': export it anew"):
        make_package(base[0], other, clips, tmp_path / "p", name="x", positive=LABEL)
