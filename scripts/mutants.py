"""Break the ten rules that the library stands on, one at a time, and see a test fail.

Each is broken in a copy of the source, so nothing of the checkout is touched:

    python scripts/mutants.py            all, some minutes on one core; exit code 1 if a broken rule passes its tests
    python scripts/mutants.py governor   those whose rule names the word
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import NamedTuple

ROOT = Path(__file__).resolve().parent.parent


class Mutant(NamedTuple):
    """A rule, and how it is broken.

    Attributes:
        rule: What should hold.
        file: Below src/rheostat.
        right, wrong: Text that stands there once, and what stands there instead.
        tests: Below tests; one of them must fail.
    """

    rule: str
    file: str
    right: str
    wrong: str
    tests: str


MUTANTS = (
    Mutant(
        "Selective-Backprop keeps with the loss as the probability, but at least the floor",
        "select/policies/biggest_losers.py",
        "score.clamp(min=floor, max=1)",
        "score.clamp(max=1)",
        "select/policies/test_biggest_losers.py",
    ),
    Mutant(
        "the score is the squared distance between the softmax and the target",
        "signals/scores.py",
        "- 2 * _of_class(probabilities, targets) + 1",
        "- _of_class(probabilities, targets) + 1",
        "signals/test_scores.py",
    ),
    Mutant(
        "the governor's break-even takes the price of the scoring forward",
        "select/costs.py",
        "left = costs.step - _or_zero(costs.pick) - _forwards(costs, mode)",
        "left = costs.step - _or_zero(costs.pick)",
        "select/test_costs.py",
    ),
    Mutant(
        "what pruning keeps of the easy examples weighs 1 / (1 - drop)",
        "select/policies/prune_and_rescale.py",
        "easy, 1 / (1 - drop), torch.ones_like(score)",
        "easy, 1 / (1 + drop), torch.ones_like(score)",
        "select/policies/test_prune_and_rescale.py",
    ),
    Mutant(
        "the rate of augmentation keeps the mean that was asked for",
        "augment/rates.py",
        "(weight + log_c).clamp(max=0.0).exp().clamp(p_min, p_max)",
        "weight.clamp(max=0.0).exp().clamp(p_min, p_max)",
        "augment/test_rates.py",
    ),
    Mutant(
        "the more the margin speaks against a label, the more suspect it is",
        "augment/scores.py",
        '"aum": lambda log, _: -aum(log.margin)',
        '"aum": lambda log, _: aum(log.margin)',
        "augment/test_scores.py",
    ),
    Mutant(
        "samples of an event that follow a miss miss more often by their correlation",
        "share/events/model.py",
        "return (1 - p) + np.asarray(correlation) * p",
        "return (1 - p) + 0 * np.asarray(correlation) * p",
        "share/events",
    ),
    Mutant(
        "a shared layer runs at the highest rate of those that need it",
        "share/scheduler/stems.py",
        "return needed.max(axis=1)[None].astype(np.int16)",
        "return needed.min(axis=1)[None].astype(np.int16)",
        "share/scheduler",
    ),
    Mutant(
        "a slower app looks at frames that the faster ones look at too",
        "share/runner/sampling.py",
        "mine, slots = tee(_nearest(slots, stream / rate))",
        "mine, _ = tee(_nearest(slots, stream / rate))",
        "share/runner/test_sampling.py",
    ),
    Mutant(
        "a package of another base is refused",
        "share/package/document.py",
        "if theirs.hash != ours.hash:",
        "if False and theirs.hash != ours.hash:",
        "share/package",
    ),
)


def main(words: list[str]) -> int:
    """Break and test; return the exit code."""
    survived = 0
    with tempfile.TemporaryDirectory() as folder:
        copy = Path(folder)
        for part in ("src", "tests", "reproductions", "benchmarks", "examples", "pyproject.toml"):
            source = ROOT / part
            if source.is_dir():
                shutil.copytree(source, copy / part, ignore=shutil.ignore_patterns("__pycache__", "results"))
            else:
                shutil.copy(source, copy / part)
        for mutant in MUTANTS:
            if all(word in mutant.rule for word in words):
                survived += not _is_noticed(mutant, copy)
    return int(survived > 0)


def _is_noticed(mutant: Mutant, copy: Path) -> bool:
    path = copy / "src" / "rheostat" / mutant.file
    text = path.read_text(encoding="utf-8")
    if (times := text.count(mutant.right)) != 1:
        sys.exit(f"{mutant.file} holds {mutant.right!r} {times} times: bring scripts/mutants.py up to date")
    path.write_text(text.replace(mutant.right, mutant.wrong), encoding="utf-8")
    command = [sys.executable, "-m", "pytest", "-q", "-x", "--tb=no", "-p", "no:cacheprovider", f"tests/{mutant.tests}"]
    variables = {**os.environ, "PYTHONPATH": os.pathsep.join((str(copy / "src"), str(copy))), "OMP_NUM_THREADS": "1"}
    ended = subprocess.run(command, cwd=copy, env=variables, capture_output=True, text=True, check=False)
    path.write_text(text, encoding="utf-8")
    failed = next((line for line in ended.stdout.splitlines() if line.startswith(("FAILED", "ERROR"))), None)
    if ended.returncode != 1 or failed is None:  # 1 = tests failed; anything else says nothing of the rule
        print(f"NOT NOTICED: {mutant.rule} ({mutant.file}); pytest ended with {ended.returncode}", flush=True)
        print(ended.stdout[-2000:] + ended.stderr[-1000:] if ended.returncode not in (0, 1) else "", flush=True)
        return False
    print(f"noticed: {mutant.rule}\n         {failed.removeprefix('FAILED ').partition(' - ')[0]}", flush=True)
    return True


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
