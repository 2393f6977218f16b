"""Selective-Augment in loops of one's own."""

import copy
import json
from collections.abc import Iterator
from typing import Any

import pytest
import torch
import torch.nn.functional as F
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.augment import (
    Always,
    AutoAugment,
    Band,
    Bandit,
    BaseOnly,
    Evolution,
    HeldOutImprovement,
    Kind,
    Never,
    Normalised,
    Quarantine,
    RandAugment,
    RandomSearch,
    RankRate,
    SelectiveAugment,
    TopK,
    TrivialAugment,
    Uniform,
)
from rheostat.augment.operations import apply
from rheostat.errors import DataError, SettingsError, StateError
from rheostat.select import SelectiveBackprop, SelectiveLoader
from rheostat.signals import ExampleLog, entropy
from tests.select.toys import global_randomness_untouched, through_a_file

N, CLASSES = 96, 4
MEAN, STD = (0.5, 0.4, 0.3), (0.2, 0.25, 0.3)


def pixels(count: int = N, seed: int = 0) -> Tensor:
    return torch.randint(0, 256, (count, 3, 8, 8), dtype=torch.uint8, generator=torch.Generator().manual_seed(seed))


LABELS = torch.randint(0, CLASSES, (N,), generator=torch.Generator().manual_seed(1))
DATA = TensorDataset(pixels(), LABELS)


def a_loader(batch_size: int = 16) -> DataLoader[Any]:
    return DataLoader(DATA, batch_size, shuffle=True, generator=torch.Generator().manual_seed(2))


class OfPixels(nn.Module):
    def forward(self, images: Tensor) -> Tensor:
        return images.float().flatten(1) / 255


def a_model() -> nn.Module:
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(3)
        return nn.Sequential(OfPixels(), nn.Linear(3 * 64, CLASSES))


def seen_log(logits: Tensor | None = None, targets: Tensor = LABELS) -> ExampleLog:
    """A log in which every example has been looked at once, by default with a certainty that rises with the index."""
    if logits is None:
        logits = torch.zeros(N, CLASSES)
        logits[torch.arange(N), LABELS] = torch.linspace(0, 5, N)
    log = ExampleLog(N)
    log.observe(torch.arange(N), logits, targets, epoch=0)
    return log


def train(
    augment: SelectiveAugment, model: nn.Module, loader: DataLoader[Any], steps: int
) -> Iterator[tuple[Tensor, float]]:
    """A loop of one's own for some steps over as many epochs as that takes: the images seen, and the loss."""
    optimiser = torch.optim.SGD(model.parameters(), lr=0.01)
    while True:
        for index, (x, y) in augment.epoch(loader):
            view = augment(index, x)
            logits = model(view.images)
            loss = F.cross_entropy(logits, y)
            optimiser.zero_grad()
            loss.backward()
            optimiser.step()
            augment.observe(view, logits, y)
            yield view.images, loss.item()
            steps -= 1
            if steps == 0:
                return


# ---- which are augmented, and what becomes of the others


@pytest.mark.parametrize("dtype", [torch.uint8, torch.float32, torch.float16])
def test_rows_that_are_not_augmented_are_unchanged_bit_for_bit(dtype: torch.dtype) -> None:
    images = pixels() if dtype == torch.uint8 else torch.rand(N, 3, 8, 8).to(dtype)
    before = images.clone()
    augment = SelectiveAugment(N, TrivialAugment(("invert",)), Uniform(0.5))
    augment.begin_epoch()
    view = augment(torch.arange(N), images)
    assert view.images.dtype == dtype
    assert torch.equal(images, before)  # what was given is left alone
    assert torch.equal(view.images[~view.augmented], images[~view.augmented])
    assert view.rows.tolist() == view.augmented.nonzero().flatten().tolist()
    assert 30 < len(view.rows) < 66
    whole = images if dtype == torch.uint8 else (images.float() * 255).round().to(torch.uint8)
    inverted = (255 - whole[view.rows]).float() / (1 if dtype == torch.uint8 else 255)
    torch.testing.assert_close(view.images[view.rows].float(), inverted, atol=1e-3 if dtype == torch.float16 else 1e-6,
                               rtol=0)  # fmt: skip


def test_each_example_is_augmented_with_its_own_probability() -> None:
    augment = SelectiveAugment(N, BaseOnly(), RankRate(mean=0.4, gamma=1.0), log=seen_log())
    augment.begin_epoch()
    p = augment.probabilities
    assert float(p.mean()) == pytest.approx(0.4, abs=1e-4)
    assert (p.diff() < 0).all()  # the lower indices are harder
    counts = torch.zeros(N)
    for _ in range(400):
        counts += augment(torch.arange(N), pixels()).augmented
    torch.testing.assert_close(counts / 400, p, atol=0.11, rtol=0)  # 4.4 standard errors of 1/2


def test_never_and_always() -> None:
    for rate, share in ((Never(), 0.0), (Always(), 1.0)):
        augment = SelectiveAugment(N, TrivialAugment(), rate)
        augment.begin_epoch()
        images = pixels()
        view = augment(torch.arange(N), images)
        assert view.augmented.float().mean() == share
        if not share:
            assert view.images is images


def test_the_operations_of_a_choice_are_applied_one_after_another() -> None:
    augment = SelectiveAugment(N, RandAugment(2, 0.7, ("posterize", "invert", "solarize")), Always())
    augment.begin_epoch()
    view = augment(torch.arange(N), pixels())
    expected, any_generator = pixels(), torch.Generator()
    for operation, magnitude in zip(view.choice.operation.T, view.choice.magnitude.T, strict=True):
        expected = apply(expected, operation, magnitude, any_generator)
    assert torch.equal(view.images, expected)


def test_base_transforms_come_first_and_on_augmented_rows_only() -> None:
    def brighter(images: Tensor, generator: torch.Generator) -> Tensor:
        assert images.dtype == torch.uint8
        assert isinstance(generator, torch.Generator)
        return images.clamp(max=200) + 55

    augment = SelectiveAugment(N, TrivialAugment(("invert",)), Uniform(0.5), base=[brighter])
    augment.begin_epoch()
    images = pixels()
    view = augment(torch.arange(N), images)
    assert torch.equal(view.images[~view.augmented], images[~view.augmented])
    assert torch.equal(view.images[view.rows], 255 - (images[view.rows].clamp(max=200) + 55))


def test_normalised_images_go_through_pixels_and_back() -> None:
    mean, std = (torch.tensor(numbers)[:, None, None] for numbers in (MEAN, STD))
    images = (pixels().float() / 255 - mean) / std
    augment = SelectiveAugment(N, TrivialAugment(("invert",)), Uniform(0.5), pixels=Normalised(MEAN, STD))
    augment.begin_epoch()
    view = augment(torch.arange(N), images)
    inverted = ((255 - pixels()[view.rows]).float() / 255 - mean) / std
    torch.testing.assert_close(view.images[view.rows], inverted)
    assert torch.equal(view.images[~view.augmented], images[~view.augmented])


def test_one_channel_and_an_empty_batch() -> None:
    augment = SelectiveAugment(N, AutoAugment(), Always())
    augment.begin_epoch()
    assert augment(torch.arange(4), pixels(4)[:, :1]).images.shape == (4, 1, 8, 8)
    view = augment(torch.empty(0, dtype=torch.long), pixels(0))
    augment.observe(view, torch.zeros(0, CLASSES), torch.empty(0, dtype=torch.long))
    assert len(view.choice) == len(view.rows) == 0


# ---- what is learned from


def test_plain_views_feed_the_log_and_augmented_ones_do_not() -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5))
    augment.begin_epoch()
    logits = torch.randn(N, CLASSES, generator=torch.Generator().manual_seed(0))
    order = torch.randperm(N, generator=torch.Generator().manual_seed(4))
    view = augment(order, pixels()[order])
    augment.observe(view, logits[order], LABELS[order])
    plain = torch.zeros(N, dtype=torch.bool).index_fill(0, order[~view.augmented], value=True)
    assert torch.equal(augment.log.seen, plain)
    torch.testing.assert_close(augment.log.entropy[plain], entropy(logits)[plain])


def test_looks_that_the_scoring_has_made_are_not_made_again() -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5))
    augment.begin_epoch()
    view = augment(torch.arange(N), pixels())
    fresh = torch.arange(N) % 2 == 0
    augment.observe(view, torch.randn(N, CLASSES), LABELS, looks=fresh)
    assert torch.equal(augment.log.seen, fresh & ~view.augmented)


def rewards_of(augment: SelectiveAugment, logits: Tensor, targets: Tensor = LABELS) -> dict[int, float]:
    """The rewards by index that the bandit of an `augment` gets for a batch of all."""
    assert isinstance(augment.kind, Bandit)
    view, got, learn = augment(torch.arange(N), pixels()), [], augment.kind.reward
    augment.kind.reward = lambda choice, difficulty, reward: got.append((choice, difficulty, reward))  # type: ignore[method-assign]
    augment.observe(view, logits, targets)
    augment.kind.reward = learn  # type: ignore[method-assign]
    ((choice, difficulty, reward),) = got
    assert choice is view.choice
    assert len(difficulty) == len(reward) == len(view.rows)
    return dict(zip(view.index[view.rows].tolist(), reward.tolist(), strict=True))


@pytest.mark.parametrize("soft", [False, True])
def test_augmented_views_are_rewarded_by_the_last_plain_look(soft: bool) -> None:
    generator = torch.Generator().manual_seed(5)
    plain, now = 2 * torch.randn(2, N, CLASSES, generator=generator)
    now = plain + 0.3 * now
    looked_at = torch.arange(0, N, 2)
    log = ExampleLog(N)
    log.observe(looked_at, 9 * plain[looked_at].flip(1), LABELS[looked_at], epoch=0)  # an older look counts no more
    log.observe(looked_at, plain[looked_at], LABELS[looked_at], epoch=1)
    augment = SelectiveAugment(N, Bandit(), Uniform(0.7), log=log, reward=Band(0.05, 0.8))
    augment.begin_epoch(2)
    rewards = rewards_of(augment, now, 0.9 * F.one_hot(LABELS, CLASSES) + 0.1 / CLASSES if soft else LABELS)
    assert len(rewards) > 40
    for index, reward in rewards.items():
        label = int(LABELS[index])
        recognised = int(plain[index].argmax()) == label
        if index % 2 or not recognised:
            assert reward != reward, index
            continue
        harder = F.cross_entropy(now[index], LABELS[index]) - F.cross_entropy(plain[index], LABELS[index])
        assert reward == (0.05 <= harder <= 0.8 and int(now[index].argmax()) == label), index
    assert {reward for reward in rewards.values() if reward == reward} == {0.0, 1.0}


def test_a_bandit_learns_in_a_loop_which_operation_pays() -> None:
    """A model whose logits fall to uncertainty on dark pictures: only a mild darkening stays within the band."""
    images = torch.full((N, 3, 8, 8), 200, dtype=torch.uint8)
    kind = Bandit(contexts=1, bins=1, operations=("identity", "invert", "solarize"), memory=1_000)
    augment = SelectiveAugment(N, kind, Uniform(0.6), reward=Band(0.1, 1.0))
    for _ in range(60):
        augment.begin_epoch()
        view = augment(torch.arange(N), images)
        level = view.images.float().mean(dim=(1, 2, 3)) / 255
        certainty = 4 * F.one_hot(LABELS, CLASSES) * level[:, None]
        augment.observe(view, certainty, LABELS)
    by_hand = {"identity": 0.0}
    plain = F.cross_entropy(4 * F.one_hot(LABELS[:1], CLASSES) * (200 / 255), LABELS[:1])
    dark = F.cross_entropy(4 * F.one_hot(LABELS[:1], CLASSES) * (55 / 255), LABELS[:1])
    by_hand["invert"] = float(0.1 <= dark - plain <= 1.0)
    worth = dict(zip(kind.arms.names, kind.worth[0].tolist(), strict=True))
    assert by_hand["invert"] == 1.0
    assert worth["invert"] > 0.95
    assert worth["identity"] < 0.3
    assert augment.record()["operations"]["invert"]["count"] > 0.7 * augment.record()["augmented"]


def test_a_held_out_loss_rewards_all_that_was_chosen_since_the_last_one() -> None:
    kind = Bandit(contexts=1, bins=1, memory=1e6)
    augment = SelectiveAugment(N, kind, Always(), reward=HeldOutImprovement())
    augment.begin_epoch()
    logits = torch.zeros(N, CLASSES)

    def step() -> Tensor:
        view = augment(torch.arange(N), pixels())
        augment.observe(view, logits, LABELS)
        return view.choice.arm.flatten()

    step()
    augment.held_out(2.0)  # nothing to compare with
    assert (kind.worth == 0.5).all()
    augment.held_out(1.9)
    assert (kind.worth == 0.5).all()  # what was chosen before the first loss is not rewarded later
    arms = step()
    augment.held_out(1.0)  # more than usual
    expected = torch.zeros(len(kind.arms)).index_add(0, arms, torch.ones(N))
    reward = 1 / (1 + torch.tensor(-1.0).exp())  # the first spread is the distance itself
    torch.testing.assert_close(kind.worth[0], (1 + reward * expected) / (2 + expected), rtol=1e-3, atol=0)
    assert augment.record()["operations"]["rotate"]["reward"] == pytest.approx(float(reward))


def test_choices_do_not_wait_for_a_held_out_loss_without_end() -> None:
    augment = SelectiveAugment(N, Bandit(), Always(), reward=HeldOutImprovement())
    augment.begin_epoch()
    for _ in range(5):
        augment.observe(augment(torch.arange(40), pixels(40)), torch.zeros(40, CLASSES), LABELS[:40])
    waiting = augment.state_dict()["credit"]["waiting"]
    assert sum(len(entry["difficulty"]) for entry in waiting) == 80  # of at most N


def test_a_held_out_loss_without_its_reward_is_refused() -> None:
    with pytest.raises(SettingsError, match=r"Band\(low=0.1, high=1.0\): a held-out loss needs"):
        SelectiveAugment(N, Bandit(), Always()).held_out(1.0)


# ---- quarantine


def test_suspects_are_in_quarantine_from_an_epoch_on_and_never_augmented() -> None:
    logits = torch.zeros(N, CLASSES)
    logits[torch.arange(N), (LABELS + 1) % CLASSES] = torch.linspace(5, -5, N)  # the lower the index, the more suspect
    augment = SelectiveAugment(
        N, TrivialAugment(), Uniform(0.5), log=seen_log(logits), reviewed=[1, 4],
        quarantine=Quarantine(share=0.1, from_epoch=3, weight=0.25),
    )  # fmt: skip
    augment.begin_epoch(2)
    assert not augment.quarantined.any()
    assert (augment.weights(torch.arange(N)) == 1).all()
    augment.begin_epoch(3)
    inside = [0, 2, 3, 5, 6, 7, 8, 9]  # round(0.1 x 96) = 10 suspects, two of which are reviewed
    assert augment.quarantined.nonzero().flatten().tolist() == inside
    assert augment.record()["quarantined"] == 8
    assert augment.weights(torch.tensor([9, 10, 4])).tolist() == [0.25, 1.0, 1.0]
    assert float(augment.probabilities.mean()) == pytest.approx(0.5)
    for _ in range(20):
        assert not augment(torch.arange(N), pixels()).augmented[inside].any()


@pytest.mark.parametrize(
    ("option", "outside", "allowed"),
    [("share", 1.1, "[0, 1]"), ("from_epoch", -1, "from 0"), ("weight", -0.5, "0 or more")],
)
def test_a_quarantine_out_of_range_is_refused(option: str, outside: float, allowed: str) -> None:
    with pytest.raises(SettingsError) as refusal:
        Quarantine(**{option: outside})
    assert f"{option} is {outside}: " in str(refusal.value)
    assert allowed in str(refusal.value)


# ---- epochs


def test_an_epoch_yields_each_example_once_with_its_index() -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5))
    for number in range(3):
        seen = []
        for index, (x, y) in augment.epoch(a_loader()):
            assert augment.current_epoch == number
            assert torch.equal(x, pixels()[index])
            assert torch.equal(y, LABELS[index])
            seen += index.tolist()
        assert sorted(seen) == list(range(N))


def test_probabilities_follow_the_log_from_epoch_to_epoch_and_not_within() -> None:
    log = ExampleLog(N)
    augment = SelectiveAugment(N, TrivialAugment(), RankRate(mean=0.5, gamma=2.0), log=log)
    augment.begin_epoch()
    assert (augment.probabilities == 0.5).all()  # nothing is known
    log.observe(torch.arange(N), torch.linspace(0, 3, N)[:, None] * torch.eye(CLASSES)[0], LABELS, epoch=0)
    assert (augment.probabilities == 0.5).all()
    augment.begin_epoch(0)  # the epoch that runs
    assert (augment.probabilities == 0.5).all()
    augment.begin_epoch()
    assert augment.current_epoch == 1
    assert (augment.probabilities.diff() <= 0).all()
    assert augment.probabilities[0] > 0.9
    augment.begin_epoch(7)
    assert augment.current_epoch == 7
    with pytest.raises(SettingsError, match="epoch is 6 and the last one was 7: epochs count upward"):
        augment.begin_epoch(6)


def test_it_composes_with_selection_whose_scoring_feeds_the_log() -> None:
    model, loader = a_model(), a_loader()
    augment = SelectiveAugment(N, Bandit(), RankRate(mean=0.5, gamma=1.0))
    batches = SelectiveLoader(loader, model, SelectiveBackprop(0.5), batch_size=8, log=augment.log)
    trained = 0
    for _ in range(2):
        augment.begin_epoch()
        for (x, y), kept in batches.with_kept():
            assert torch.equal(x, pixels()[kept.index])
            view = augment(kept.index, x)
            augment.observe(view, model(view.images), y)
            trained += len(y)
    assert 0 < trained < 2 * N
    assert augment.record()["examples"] < N
    assert (augment.log.scored == 2).all()


# ---- what is recorded


def test_the_record_of_an_epoch_counts_what_was_done() -> None:
    augment = SelectiveAugment(N, RandAugment(2, 0.25, ("rotate", "invert", "color")), Uniform(0.5), log=seen_log())
    augment.begin_epoch(4)
    first = augment(torch.arange(48), pixels(48))
    second = augment(torch.arange(48, N), pixels(48))
    augment.observe(first, torch.randn(48, CLASSES), LABELS[:48])
    record = json.loads(json.dumps(augment.record()))
    operations = torch.cat([first.choice.operation, second.choice.operation])
    assert record["epoch"] == 4
    assert record["examples"] == N
    assert record["augmented"] == len(operations)
    assert record["share"] == pytest.approx(len(operations) / N)
    assert record["quarantined"] == 0
    for name, number in (("rotate", 5), ("invert", 14), ("color", 10)):
        entry = record["operations"][name]
        assert entry["count"] == int((operations == number).sum())
        assert entry["level"] == (None if name == "invert" else pytest.approx(0.25))
    assert len(record["operations"]) == 3
    contexts = record["contexts"]
    assert {name: entry["examples"] for name, entry in contexts.items()} == {
        "easy": 32, "middle": 32, "hard": 32, "unseen": 0
    }  # fmt: skip
    assert contexts["hard"]["augmented"] == int(first.augmented[:32].sum())  # the lower indices are harder
    assert sum(contexts["easy"]["operations"].values()) == 2 * int(second.augmented[16:].sum())
    augment.begin_epoch()
    assert augment.record()["examples"] == 0


# ---- resuming

COMBINATIONS = {
    "bandit": lambda: SelectiveAugment(N, Bandit(memory=500), RankRate(0.5, 1.0), quarantine=Quarantine(0.1), seed=7),
    "evolution": lambda: SelectiveAugment(N, Evolution(generation=40, contexts=2), TopK(0.4, settle=1), seed=7),
    "random-search": lambda: SelectiveAugment(
        N, RandomSearch(trials=3, examples=20), Uniform(0.5), reward=Band(-1.0, 3.0)
    ),
    "held-out": lambda: SelectiveAugment(N, Bandit(), Uniform(0.5), reward=HeldOutImprovement()),
    "autoaugment": lambda: SelectiveAugment(N, AutoAugment(), RankRate(0.5, -1.0)),
}


def loss_by_loss(augment: SelectiveAugment, model: nn.Module, start: int, stop: int) -> Iterator[tuple[Tensor, float]]:
    """Steps `start` to `stop` of a training; every fourth is followed by a held-out loss, if one is wanted."""
    for number, (images, loss) in enumerate(train(augment, model, a_loader(), stop - start), start=start + 1):
        if isinstance(augment.reward, HeldOutImprovement) and number % 4 == 0:
            augment.held_out(loss)
        yield images, loss


@pytest.mark.parametrize("name", COMBINATIONS)
@pytest.mark.parametrize("steps", [15, 18], ids=["third epoch", "last batch of an epoch"])
def test_an_interrupted_training_goes_on_as_the_uninterrupted_one(name: str, steps: int) -> None:
    build = COMBINATIONS[name]
    one, model, expected, state = build(), a_model(), [], {}
    for images, loss in loss_by_loss(one, model, 0, 27):
        expected.append((images, loss))
        if len(expected) == steps:
            state = through_a_file({"augment": one.state_dict(), "model": model.state_dict()})

    two, other_model = build(), a_model()
    two.load_state_dict(state["augment"])
    assert str(two.state_dict()) == str(state["augment"])
    other_model.load_state_dict(state["model"])
    got = list(loss_by_loss(two, other_model, steps, 27))
    for (images, loss), (images_expected, loss_expected) in zip(got, expected[steps:], strict=True):
        assert torch.equal(images, images_expected)
        assert loss == loss_expected
    assert str(two.state_dict()) == str(one.state_dict())
    assert two.record() == one.record()


def test_a_state_saved_between_epochs_begins_the_next_one() -> None:
    one, loader = COMBINATIONS["bandit"](), a_loader()
    orders: list[list[int]] = []
    state: dict[str, Any] = {}
    for _ in range(3):
        orders.append([i for index, _ in one.epoch(loader) for i in index.tolist()])
        state = state or through_a_file(one.state_dict())
    two, other_loader = COMBINATIONS["bandit"](), a_loader()
    two.load_state_dict(state)
    for order in orders[1:]:
        assert [i for index, _ in two.epoch(other_loader) for i in index.tolist()] == order
    assert two.current_epoch == 2


def test_a_state_that_was_saved_does_not_change() -> None:
    augment, model, loader = COMBINATIONS["bandit"](), a_model(), a_loader()
    for _ in train(augment, model, loader, 13):
        pass
    state = augment.state_dict()
    before = copy.deepcopy(state)
    for _ in train(augment, model, loader, 13):
        pass
    assert str(state) == str(before)


def test_the_global_random_state_is_left_alone_and_the_seed_decides() -> None:
    def images_with(seed: int) -> Tensor:
        augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5), seed=seed)
        augment.begin_epoch()
        view = augment(torch.arange(N), images)
        augment.observe(view, logits, LABELS)
        return view.images

    images, logits = pixels(), torch.randn(N, CLASSES)
    with global_randomness_untouched():
        one, same, other = images_with(1), images_with(1), images_with(2)
    assert torch.equal(one, same)
    assert not torch.equal(one, other)


def test_a_state_of_another_device_kind_or_size_is_refused() -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5))
    state = augment.state_dict()
    with pytest.raises(StateError, match="saved while drawing on cuda and this object draws on cpu"):
        augment.load_state_dict(state | {"generator": {"device": "cuda", "state": None}})
    with pytest.raises(StateError, match="saved augmentation is TrivialAugment and this one Bandit"):
        SelectiveAugment(N, Bandit(), Uniform(0.5)).load_state_dict(state)
    with pytest.raises(StateError, match="saved log is of 96 examples"):
        SelectiveAugment(N + 1, TrivialAugment(), Uniform(0.5)).load_state_dict(state)


# ---- what is refused


def test_a_batch_before_the_first_epoch_is_refused() -> None:
    with pytest.raises(
        StateError, match=r"no epoch has begun: iterate over augment.epoch\(loader\), or call begin_epo"
    ):
        SelectiveAugment(N, TrivialAugment(), Uniform(0.5))(torch.arange(N), pixels())


@pytest.mark.parametrize(
    ("images", "message"),
    [
        (torch.zeros(4, 8, 8, dtype=torch.uint8), r"shape \[4, 8, 8\]: they must be \[B, C, H, W\]"),
        (torch.zeros(4, 2, 8, 8, dtype=torch.uint8), "C = 1 or 3"),
        (torch.zeros(4, 3, 8, 8, dtype=torch.int64), "torch.int64: they must be uint8 pixels, or floating point"),
        (torch.full((4, 3, 8, 8), -1.5), r"lie in \[-1.5, -1.5\].*give pixels=Normalised\(mean, std\)"),
        (torch.full((4, 3, 8, 8), torch.nan), r"must lie in \[0, 1\]"),
        (torch.zeros(4, 3, 8, 8, device="meta"), "on meta and the augmentation draws on cpu"),
    ],
)
@pytest.mark.usefixtures("annotations_not_enforced")
def test_images_that_cannot_be_augmented_are_refused(images: Tensor, message: str) -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5))
    augment.begin_epoch()
    with pytest.raises(DataError, match=message):
        augment(torch.arange(4), images)


def test_normalised_needs_a_number_per_channel() -> None:
    augment = SelectiveAugment(N, TrivialAugment(), Uniform(0.5), pixels=Normalised(MEAN, STD))
    augment.begin_epoch()
    with pytest.raises(DataError, match="images have 1 channels and the mean 3 numbers"):
        augment(torch.arange(4), torch.zeros(4, 1, 8, 8))
    with pytest.raises(SettingsError, match="mean has 2 numbers and std 1"):
        Normalised((0.1, 0.2), (1.0,))
    with pytest.raises(SettingsError, match=r"std is \(0.0,\)"):
        Normalised((0.1,), (0.0,))


@pytest.mark.usefixtures("annotations_not_enforced")
def test_what_is_no_kind_no_rate_or_another_log_is_refused() -> None:
    anything: Any = TrivialAugment
    number: Any = 0.5
    with pytest.raises(SettingsError, match=r"kind is <class .*must be an object such as TrivialAugment\(\)"):
        SelectiveAugment(N, anything, Uniform(0.5))
    with pytest.raises(SettingsError, match=r"rate is 0\.5: it must be an object such as RankRate"):
        SelectiveAugment(N, TrivialAugment(), number)
    with pytest.raises(SettingsError, match="size is 96 and the log is of 7 examples"):
        SelectiveAugment(N, TrivialAugment(), Uniform(0.5), log=ExampleLog(7))
    assert isinstance(BaseOnly(), Kind)
