"""The runs of the reproduction: which there are, what their settings say, and one of them from end to end."""

from pathlib import Path
from typing import Any

import pytest
import torch

from reproductions.selective_backprop import __main__ as command
from reproductions.selective_backprop import plan, runs, workloads
from reproductions.selective_backprop.plan import SCALES, TARGETS, cells_of, figure_of
from reproductions.selective_backprop.published import CLAIMS
from reproductions.selective_backprop.workloads import ARMS, DECAYED, IN_EPOCHS, PLAIN, SELECTIVE, THESIS
from rheostat.records import read_json, write_json
from rheostat.select import build_policy, option_names


def cell(arm: str, **given: Any) -> dict[str, Any]:
    return {"data": "digits", "arm": arm, "course": DECAYED, "share": 0.5, "noise": 0.0, "seed": 0, **given}


def test_every_cell_of_every_scale_has_settings_that_agree_and_a_policy() -> None:
    for scale in SCALES.values():
        for target in TARGETS:
            for one in cells_of(target, scale, 1):
                settings = workloads.settings_of(one)
                options = settings.policy_options
                assert set(options) <= set(option_names(settings.policy))
                if settings.policy != "reducible-loss":  # whose file is written by the run
                    build_policy(settings.policy, epochs=settings.end_epoch, **options)


def test_all_arms_of_a_share_have_equal_backwards_and_a_rate_that_falls_to_zero() -> None:
    limits = set()
    for arm in ARMS:
        settings = workloads.settings_of(cell(arm, data="mnist"))
        assert settings.schedule == "linear"
        if arm not in IN_EPOCHS:
            limits.add(settings.max_backwards)
            assert settings.schedule_by == "backwards"
    assert limits == {1406 * 128}  # half of 6 x 60,000, in whole batches
    assert workloads.settings_of(cell(PLAIN, data="mnist", course=THESIS)).schedule == "constant"
    full = workloads.settings_of(cell(PLAIN, data="cifar10", course=THESIS, share=1.0))
    assert (full.schedule, full.milestones, full.epochs) == ("step", (60.0, 120.0, 160.0), 200)


def test_each_target_asks_for_no_more_than_it_needs_and_all_together_for_all() -> None:
    scale = SCALES["small"]
    everything = cells_of("claims", scale, 2)
    for target in TARGETS:
        assert all(one in everything for one in cells_of(target, scale, 2)), target
    assert {one["arm"] for one in cells_of("fig5", scale, 1)} == {PLAIN, *plan.MAIN}
    assert {one["noise"] for one in cells_of("noise", scale, 1)} == {0.0, 0.01, 0.1, 0.2}
    assert {one["arm"] for one in cells_of("noise", scale, 1)} == set(ARMS)
    assert not any(one["noise"] for one in cells_of("table2", scale, 1))


def test_what_another_target_has_run_stays_in_the_record(tmp_path: Path) -> None:
    scale = SCALES["quick"]
    there = [{"cell": one, "test_error": [0.5]} for one in cells_of("fig5", scale, 1)]
    write_json(tmp_path / "quick.json", {"rows": there})

    cells = figure_of(["rivals"], scale, tmp_path).cells(1)

    assert all(row["cell"] in cells for row in there)
    assert all(one in cells for one in cells_of("rivals", scale, 1))
    assert len({str(one) for one in cells}) == len(cells)
    assert figure_of(["rivals"], scale, tmp_path, fresh=True).cells(1) == cells_of("rivals", scale, 1)


def test_the_share_of_wrong_labels_is_that_of_what_was_trained_on() -> None:
    row = runs.row(cell(PLAIN, noise=0.25))  # two passes: every example twice
    assert row["corrupted"] == pytest.approx(0.25, abs=1e-9)
    assert row["scoring_forwards"][-1] == 0
    assert row["kept_share"] == [1.0, 1.0]

    strict = runs.row(cell("top-k", noise=0.25, share=1.0))
    assert strict["corrupted"] > 0.3  # wrong labels have high losses
    assert strict["scoring_forwards"][-1] == strict["candidates"][-1]


def test_a_run_is_repeatable() -> None:
    first, again = (runs.row(cell(SELECTIVE)) for _ in range(2))
    for name in ("backwards", "scoring_forwards", "kept_share", "test_error"):
        assert first[name] == again[name]


def test_holdout_losses_come_from_the_model_of_the_other_half(monkeypatch: pytest.MonkeyPatch) -> None:
    trained: list[torch.Tensor] = []
    inner = runs.train

    def noted(planned: Any) -> Any:
        trained.append(planned.data.in_use("train"))
        return inner(planned)

    monkeypatch.setattr(runs, "train", noted)
    losses, seconds = runs.losses_of_halves.__wrapped__("digits", 0.0, 0)

    assert len(losses) == 256
    assert bool(losses.isfinite().all())
    assert sorted(torch.cat(trained).tolist()) == list(range(256))  # two halves that share nothing
    assert seconds > 0


def test_the_command_makes_a_record_and_a_page(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert command.main(["rivals", "report", "--quick", "--out", str(tmp_path)]) == 0

    record = read_json(tmp_path / "quick.json")
    assert record["complete"]
    assert {row["cell"]["arm"] for row in record["rows"]} == set(ARMS)
    page = (tmp_path / "report-quick.md").read_text(encoding="utf-8")
    judged = {name for name, claim in CLAIMS.items() if claim.text in page}
    assert judged == {"stale", "self-pacing", "probabilistic", "no reweighting"}  # the others' runs are not there
    assert {picture.name for picture in tmp_path.glob("*.svg")} == {"quick-fig8.svg", "quick-rivals.svg"}
    assert "](quick-rivals.svg)" in page

    number = len(record["rows"])
    assert command.main(["rivals", "--quick", "--out", str(tmp_path)]) == 0
    assert f"{number} cells, {number} of them there already" in capsys.readouterr().err
    assert read_json(tmp_path / "quick.json") == record
