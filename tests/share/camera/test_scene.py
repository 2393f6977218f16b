"""The camera shows the same again for the same seed, and its labels say exactly what is in view."""

from collections.abc import Iterator
from itertools import count, islice, pairwise

import numpy as np
import pytest

from rheostat.errors import SettingsError
from rheostat.share.camera import LABELS, VISIBLE, Scene, scene
from rheostat.share.camera.clip import events_in
from rheostat.share.camera.light import DAY_SECONDS, Light
from rheostat.share.camera.things import KINDS, Look
from rheostat.share.camera.traffic import Actor, barrier_at, streams
from rheostat.share.frames import Picture

SIZE = {"width": 192, "height": 108}
GREY = np.full(3, 128, np.float32)
PLAIN = Light(np.ones(3, np.float32), 0.0, 0.0, 0.0, GREY, GREY, 0.0)  # no shadow, no lamp


def actor(kind: str, *, start: float = 0.0, speed: float = 100.0, ground: float = 168.0, left: bool = False) -> Actor:
    look = Look(kind, (250, 20, 250), (250, 20, 250), left)  # of a colour that nothing else has
    end = start + (384 + KINDS[kind].length) / speed
    return Actor(frozenset({kind}), (look,), start, end, speed, ground)


@pytest.fixture
def only(monkeypatch: pytest.MonkeyPatch) -> list[Actor]:
    """What passes in scenes that are made from here on, at noon under a grey sky; to be filled."""
    passing: list[Actor] = []
    far = (actor("car", start=1e6 + n) for n in count())

    def instead(seed: int, span: float) -> list[Iterator[Actor]]:
        alone = iter(sorted(passing, key=lambda a: a.start))
        return [far, iter([*alone, *islice(far, 1)])]

    monkeypatch.setattr(scene, "streams", instead)
    monkeypatch.setattr(scene, "light_at", lambda seconds, phases: PLAIN)
    return passing


def changed(one: Picture, other: Picture) -> int:
    """Pixels that clearly differ."""
    return int((np.abs(one.astype(int) - other).max(axis=2) > 12).sum())


def test_the_same_seed_shows_the_same_whatever_was_asked_before() -> None:
    one, other = Scene(3, **SIZE), Scene(3, **SIZE)
    list(one.frames(40, start=700))
    for number in (100, 5, 730):
        (picture, labels), (again, labels_again) = one.picture(number), other.picture(number)
        assert np.array_equal(picture, again)
        assert labels == labels_again
    assert not np.array_equal(one.picture(5)[0], Scene(4, **SIZE).picture(5)[0])


def test_frames_are_pictures_in_turn() -> None:
    camera = Scene(0, **SIZE)
    shown = list(camera.frames(3, start=7))
    assert len(shown) == 3
    for number, (picture, labels) in enumerate(shown, 7):
        assert (picture.shape, picture.dtype) == ((108, 192, 3), np.uint8)
        assert np.array_equal(picture, camera.picture(number)[0])
        assert labels == camera.picture(number)[1]


def test_the_same_happens_at_every_rate() -> None:
    slow, fast = Scene(1, fps=2, **SIZE), Scene(1, fps=10, **SIZE)
    assert [labels for _, labels in slow.frames(60)] == [fast.picture(5 * n)[1] for n in range(60)]


def test_no_global_random_state_is_moved() -> None:
    before = repr(np.random.get_state())  # noqa: NPY002 - it is what must not be used
    list(Scene(0, **SIZE).frames(3))
    assert repr(np.random.get_state()) == before  # noqa: NPY002


@pytest.mark.parametrize("left", [False, True])
@pytest.mark.parametrize("kind", ["car", "bus", "person", "cyclist", "dog", "train"])
def test_a_label_is_on_if_and_only_if_its_thing_is_seen(only: list[Actor], kind: str, left: bool) -> None:
    size = {"width": 384, "height": 216}
    ground = {"person": 209.0, "dog": 211.0, "train": 111.0}.get(kind, 168.0)
    empty = Scene(0, **size)
    empty.picture(0)
    speed = 100.0 if kind in ("person", "dog") else 250.0
    only.append(actor(kind, start=0.3, speed=speed, ground=ground, left=left))
    camera, told = Scene(0, **size), []
    for number in range(round(10 * only[0].end) + 3):
        picture, labels = camera.picture(number)
        pixels, least = changed(picture, empty.picture(number)[0]), VISIBLE * 384 * 216
        if pixels < 0.6 * least or pixels > 1.9 * least:  # between, it depends on the pixels of the edge
            assert labels == ({kind} if pixels > least else set()), f"{pixels} pixels at frame {number}"
        told.append(kind in labels)
    assert (told[0], told[-1]) == (False, False)
    assert sum(told) > 0.55 * len(told)  # some walk behind the wall, and come late


def test_a_thing_counts_with_the_pixels_that_it_shows(only: list[Actor]) -> None:
    camera = Scene(0)
    stage = camera._stage
    bus, car = actor("bus", ground=168), actor("car", ground=160)  # the car is behind the bus
    shot = stage.shot([bus, car], 0.0, PLAIN, 2.0, 0)
    alone = stage.shot([bus], 0.0, PLAIN, 2.0, 0)
    assert shot.shares[0] == alone.shares[0]
    assert shot.shares[1] < VISIBLE < stage.shot([car], 0.0, PLAIN, 2.0, 0).shares[0]
    box = KINDS["bus"].length * KINDS["bus"].height / (384 * 216)
    assert 0.85 * box < alone.shares[0] <= box
    assert changed(shot.picture, alone.picture) < 20


def test_a_shadow_and_a_lamp_do_not_count() -> None:
    stage = Scene(0)._stage
    sunny = Light(PLAIN.gain, 1.0, 0.9, 0.0, PLAIN.zenith, PLAIN.horizon, 0.0)
    night = Light(PLAIN.gain * np.float32(0.4), 0.0, 0.0, 1.0, PLAIN.zenith, PLAIN.horizon, 0.0)
    shares = [stage.shot([actor("car")], 0.0, light, 2.0, 0).shares for light in (PLAIN, sunny, night)]
    assert shares[0] == shares[1] == shares[2]
    with_sun, without = (stage.shot([actor("car")], 0.0, light, 2.0, 0).picture for light in (sunny, PLAIN))
    assert changed(with_sun, without) > 100


def test_two_of_a_kind_are_one_label(only: list[Actor]) -> None:
    only += [actor("car", start=0, speed=80), actor("car", start=1, speed=80), actor("bus", start=1, ground=150)]
    assert Scene(0).picture(25)[1] == {"car", "bus"}


def test_the_barrier_is_down_while_a_train_passes() -> None:
    train = actor("train", start=20.0, ground=111)
    assert barrier_at([train], 17.0) <= 0
    assert 0 < barrier_at([train], 18.0) < 1
    assert all(barrier_at([train], t) == 1 for t in (train.start, (train.start + train.end) / 2, train.end))
    assert barrier_at([train], train.end + 3) <= 0
    assert barrier_at([], 5.0) == 0


def test_the_barrier_is_labelled_while_it_is_down() -> None:
    camera = Scene(0, fps=5, **SIZE)
    seen = [labels for _, labels in camera.frames(300)]
    assert sum({"train", "barrier down"} <= labels for labels in seen) > 20
    assert sum("barrier down" in labels and "train" not in labels for labels in seen) > 5  # before and after
    stage = Scene(0)._stage
    up, half, down = (stage.shot([], position, PLAIN, 0.0, 0).picture for position in (0.0, 0.5, 1.0))
    assert min(changed(up, half), changed(half, down), changed(up, down)) > 100


def test_every_label_has_events_neither_rare_nor_everywhere() -> None:
    seen = [labels for _, labels in Scene(0, width=128, height=72, fps=1).frames(600)]  # ten minutes
    for label in LABELS:
        frequency = sum(label in labels for labels in seen) / len(seen)
        assert 0.02 < frequency < 0.35, label
        assert sum(event.label == label for event in events_in(seen)) >= 4, label
    assert sum(len(labels) >= 3 for labels in seen) > 25  # several at once
    assert sum(not labels for labels in seen) > 25
    assert all("train" in labels for labels in seen if "freight train" in labels)


def test_no_vehicle_drives_through_the_one_before_it() -> None:
    for lane in streams(5, 384.0)[1:3]:
        passing = list(islice(lane, 150))
        assert all(one.start <= other.start for one, other in pairwise(passing))
        for one, other in pairwise(passing):
            for seconds in np.linspace(other.start, one.end, 20) if other.start < one.end else ():
                left, ahead = sorted((one, other), key=lambda a: a.left_at(seconds, 384.0))
                assert left.left_at(seconds, 384.0) + left.length < ahead.left_at(seconds, 384.0)


def test_a_day_has_light_and_dark() -> None:
    camera = Scene(0, fps=1, **SIZE)
    brightness = [camera.picture(n)[0].mean() for n in range(0, round(DAY_SECONDS), 5)]
    assert max(brightness) > 2 * min(brightness)


@pytest.mark.parametrize(
    "wrong", [{"seed": -1}, {"width": 60}, {"height": 10}, {"fps": 0}, {"fps": float("nan")}, {"fps": float("inf")}]
)
def test_what_cannot_be_shown_is_refused(wrong: dict[str, float]) -> None:
    with pytest.raises(SettingsError, match=r"must be seed >= 0, width and height >= 64 pixels, and fps > 0"):
        Scene(**wrong)  # type: ignore[arg-type]
