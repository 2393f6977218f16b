"""The list of suspects: from what a run saw, without a pass over the data."""

import math
from dataclasses import replace

import numpy as np
import pytest
import torch

from rheostat.augment.decision import DataIdentity
from rheostat.augment.decisions import Decisions
from rheostat.augment.suspicion import suspects
from rheostat.errors import SettingsError, StateError
from rheostat.review import SeenRun, make_suspects, read_suspects
from rheostat.review.listing import FOLDER, _top_share, _why
from tests.review.toys import EPOCHS


def decide(run: SeenRun, **decisions: str) -> None:
    """`decide(run, _7="keep")`: what was decided about example 7."""
    with run.open_store() as store:
        for name, decision in decisions.items():
            index = int(name[1:])
            given = int(run.data.train.labels[index])
            label = (given + 1) % len(run.data.classes) if decision == "relabel" else None
            store.decide(index, decision, given=given, label=label, by="me", expected=None)


def test_the_list_is_what_the_rule_chooses_out_of_the_log(digits: SeenRun):
    listed = make_suspects(digits, 0.2, rounds=3, audits=0.2, seed=5)

    found = suspects(-digits.log.margin, 0.2, rounds=3, audits=0.2, seed=5)
    assert [suspect.index for suspect in listed.suspects] == found.index.tolist()
    assert [suspect.position for suspect in listed.suspects] == list(range(len(found)))
    for name in ("index", "score", "round", "audit", "ranked", "reviewed", "size", "budget"):
        np.testing.assert_allclose(getattr(listed.chosen, name), getattr(found, name), rtol=1e-3, err_msg=name)
    assert listed.size == len(digits.data.train.labels)
    assert listed.seen == listed.size - 1  # example 3 was never looked at


def test_no_image_is_asked_for(digits: SeenRun, monkeypatch: pytest.MonkeyPatch):
    assert digits.identity.size  # the fingerprint is of images
    monkeypatch.setattr(type(digits.data.train), "batches", lambda *_: pytest.fail("an image was asked for"))

    assert make_suspects(digits).suspects


def test_a_suspect_tells_what_was_seen_of_it(digits: SeenRun):
    listed = make_suspects(digits, 0.3, audits=0.5)
    labels = digits.data.train.labels.tolist()
    wrong, right = (
        next(s for s in listed.suspects if (s.index % 7 == 0) == is_wrong and s.index % 2) for is_wrong in (True, False)
    )

    assert (wrong.given, wrong.predicted) == (labels[wrong.index], (labels[wrong.index] + 1) % 10)
    assert (right.given, right.predicted) == (labels[right.index], labels[right.index])
    assert wrong.p_given is not None
    assert wrong.p_predicted is not None
    assert wrong.p_given < 0.1 < wrong.p_predicted
    assert right.p_given == right.p_predicted
    assert wrong.looks == EPOCHS - 1  # of odd index: not looked at in the third epoch
    assert [loss is None for loss in wrong.losses] == [False, False, True, False]
    assert wrong.losses[0] == pytest.approx(float(digits.log.history[0, wrong.index]), rel=1e-3)
    assert wrong.score == pytest.approx(-float(digits.log.margin[wrong.index]), rel=1e-3)
    assert "at odds with" in wrong.why
    assert "never at odds" in right.why


def test_an_audit_may_be_an_example_that_was_never_looked_at(digits: SeenRun):
    listed = make_suspects(digits, 1.0, audits=0.9)
    unseen = next(suspect for suspect in listed.suspects if suspect.index == 3)

    assert (unseen.predicted, unseen.p_given, unseen.p_predicted, unseen.score) == (None, None, None, None)
    assert unseen.audit
    assert unseen.losses == (None,) * EPOCHS
    assert "never looked at" in unseen.why
    assert read_suspects(digits.folder) == listed


@pytest.mark.parametrize(
    ("predicted", "looks", "correct", "margin", "top", "said"),
    [
        ("dog", 12, 0, -4.12, 0.003, "at odds with cat in all 12 looks, last taken for dog (margin -4.1, top 0.3 %)"),
        ("dog", 1, 0, -1.0, 0.5, "at odds with cat in its only look, last taken for dog (margin -1.0, top 50 %)"),
        ("dog", 8, 3, -0.5, 0.099, "at odds with cat in 5 of 8 looks, last taken for dog (margin -0.5, top 9.9 %)"),
        ("cat", 8, 3, 0.5, 0.12345, "at odds with cat in 5 of 8 looks, not in the last one (margin 0.5, top 12 %)"),
        ("cat", 8, 8, 3.0, 1.0, "never at odds with cat in 8 looks (margin 3.0, top 100 %)"),
        ("cat", 1, 1, 3.0, 0.00001, "never at odds with cat in its only look (margin 3.0, top 0.1 %)"),
        (None, 0, 0, math.nan, math.nan, "given cat, and never looked at"),
    ],
)
def test_why_is_one_plain_line(predicted: str | None, looks: int, correct: int, margin: float, top: float, said: str):
    assert _why("cat", predicted, looks, correct, margin, top) == said.replace("top", "in the top")


def test_the_share_that_is_as_suspect_or_more():
    score = torch.tensor([0.5, math.nan, -1.0, 0.5, 2.0])

    # of the four scored ones
    assert _top_share(score).tolist() == pytest.approx([3 / 4, math.nan, 1.0, 3 / 4, 1 / 4], nan_ok=True)


def test_pairs_are_counted_without_those_that_agree(digits: SeenRun):
    listed = make_suspects(digits, 0.2)

    by_hand: dict[tuple[int, int], int] = {}
    for suspect in listed.suspects:
        if suspect.predicted is not None and suspect.predicted != suspect.given:
            pair = (suspect.given, suspect.predicted)
            by_hand[pair] = by_hand.get(pair, 0) + 1
    pairs = listed.pairs()
    assert {(given, predicted): number for given, predicted, number in pairs} == by_hand
    assert [number for *_, number in pairs] == sorted(by_hand.values(), reverse=True)
    assert any(suspect.predicted == suspect.given for suspect in listed.suspects)


def test_medians_are_those_of_the_given_class(digits: SeenRun):
    listed = make_suspects(digits)
    history, labels = digits.log.history.float().numpy(), digits.data.train.labels.numpy()

    for label, medians in enumerate(listed.medians):
        own = np.sort(history[:, labels == label], axis=1)  # NaN comes last
        for losses, median in zip(own, medians, strict=True):
            known = losses[~np.isnan(losses)]
            assert median == pytest.approx(known[(len(known) - 1) // 2], rel=1e-3)


def test_reading_gives_what_was_written(digits: SeenRun):
    listed = make_suspects(digits, 0.1)

    assert read_suspects(digits.folder) == listed
    assert read_suspects(digits.folder / "elsewhere") is None
    assert [path.name for path in (digits.folder / FOLDER).iterdir()] == ["list.json"]


@pytest.mark.parametrize("content", ["", "{}", '{"schema": 1}', "no json"])
def test_a_damaged_list_is_told(digits: SeenRun, content: str):
    make_suspects(digits)
    (digits.folder / FOLDER / "list.json").write_text(content)

    with pytest.raises(StateError, match=r"list\.json cannot be read .*make it again with `rheostat suspects"):
        read_suspects(digits.folder)


def test_a_list_of_another_version_is_told(digits: SeenRun):
    replace(make_suspects(digits), schema=9).write(digits.folder)

    with pytest.raises(StateError, match="schema 9 and this version reads 1"):
        read_suspects(digits.folder)


def test_a_list_of_other_data_is_refused(digits: SeenRun):
    other = DataIdentity("other", digits.identity.size, digits.identity.classes)
    replace(make_suspects(digits), data=other).write(digits.folder)

    with pytest.raises(StateError, match="is about data other"):
        make_suspects(digits)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({"budget": 0}, "budget is 0"),
        ({"budget": 1.5}, "budget is 1.5"),
        ({"rounds": 0}, "rounds is 0"),
        ({"audits": 1.0}, "audits is 1.0"),
        ({"score": "disagrement"}, "did you mean disagreement"),
    ],
)
def test_a_setting_outside_its_range_is_told_and_nothing_is_written(digits: SeenRun, options: dict, said: str):
    with pytest.raises(SettingsError, match=said):
        make_suspects(digits, **options)
    assert not (digits.folder / FOLDER).exists()


def test_another_score_ranks_and_is_named(digits: SeenRun):
    listed = make_suspects(digits, score="energy", audits=0)

    hardest = digits.log.energy.nan_to_num(-1e9).argsort(descending=True)[: len(listed.suspects)].tolist()
    assert sorted(suspect.index for suspect in listed.suspects) == sorted(hardest)
    assert all(suspect.why.endswith(", by energy") for suspect in listed.suspects)


def test_the_list_stays_while_it_is_reviewed(digits: SeenRun):
    listed = make_suspects(digits, 0.1)
    decide(digits, _7="keep", _14="relabel")

    assert make_suspects(digits, 0.1) == listed


def test_what_was_decided_stays_on_a_new_list_and_is_spent_from_the_budget(digits: SeenRun):
    first = make_suspects(digits, 0.1)
    settled = [suspect.index for suspect in first.suspects[:5]]
    decide(digits, **{f"_{index}": "keep" for index in settled})

    second = make_suspects(digits, 0.2)

    assert [suspect.index for suspect in second.suspects[:5]] == settled
    assert [suspect.audit for suspect in second.suspects[:5]] == [suspect.audit for suspect in first.suspects[:5]]
    assert [suspect.position for suspect in second.suspects] == list(range(len(second.suspects)))
    assert second.reviewed == tuple(sorted(settled))
    assert len(second.suspects) == round(0.2 * second.size)
    assert len({suspect.index for suspect in second.suspects}) == len(second.suspects)
    assert not set(second.chosen.index.tolist()) & set(settled)
    decide(digits, **{f"_{second.suspects[7].index}": "skip"})
    assert make_suspects(digits, 0.2) == second  # and the new one stays as the first did


def test_decisions_about_other_data_are_refused(digits: SeenRun):
    other = DataIdentity("other", digits.identity.size, digits.identity.classes)
    with Decisions(digits.store, data=other) as store:
        store.decide(1, "keep", given=0, by="me", expected=None)

    with pytest.raises(StateError, match="is about data other"):
        make_suspects(digits)


def test_the_estimate_is_that_of_the_decisions(digits: SeenRun):
    listed = make_suspects(digits, 0.1)
    wrong = {suspect.index for suspect in listed.suspects if suspect.index % 7 == 0}
    decide(digits, **{f"_{s.index}": "relabel" if s.index in wrong else "keep" for s in listed.suspects})

    found = listed.estimate(digits.decided())

    assert (found.reviewed, found.wrong) == (len(listed.suspects), len(wrong))
    low, high = found.noise_interval
    assert 0 < low <= 1 / 7 <= high < 0.5
    assert found.precision == pytest.approx(1.0)  # the audits left out, all suspects are wrong
