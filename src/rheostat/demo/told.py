"""What a chapter says, whatever it is shown with: its idea, what was fixed, what moves it, what came out."""

from __future__ import annotations

from dataclasses import dataclass
from types import ModuleType
from typing import Any

from rheostat.demo import found_augment, found_select, found_share

IDEA = "Run-time information moves what used to be fixed."


@dataclass(frozen=True)
class Words:
    """What there is to say before anything is measured.

    Attributes:
        title: Of the chapter.
        fixed: What is usually fixed before a run.
        moves: What moves it.
        setting: What is shown here, and with what.
        command: What a user types to do the same with own data.
    """

    title: str
    fixed: str
    moves: str
    setting: str
    command: str


WORDS = {
    "select": Words(
        "Which examples get a backward pass",
        "every example is trained on in every epoch.",
        "the example's own loss, now: what the network knows already is passed over.",
        "LeNet on the 1,797 handwritten digits that scikit-learn ships, half of them for training. All arms but plain "
        "may spend {share:.0%} of its backward passes.",
        "rheostat train --data FOLDER --model resnet18 --govern",
    ),
    "augment": Words(
        "Which labels are wrong",
        "every label is believed, and every example is varied as often as any other.",
        "what the run saw of each example: by how much it prefers another label, and how unsure it is.",
        "The same digits and network. The labels of {noise:.0%} of the training examples are replaced by wrong "
        "ones; the truth, which is known, plays the reviewer and looks at {budget:.0%} of the examples.",
        "rheostat train --data FOLDER --model resnet18 --policy uniform \\\n    --out runs/first\n"
        "rheostat suspects runs/first --budget 0.05\n"
        "rheostat review runs/first\n"
        "rheostat train --data FOLDER --model resnet18 --policy uniform \\\n    --labels runs/first/decisions.db",
    ),
    "share": Words(
        "How much of one network is shared",
        "every detector has a network of its own, at one frame rate.",
        "what each detector loses by sharing, and what the box can spend: layers, rate and votes are planned together.",
        "{apps} detectors on one camera, which is drawn here ({seconds:.0f} s), from EfficientNet-Lite0 with its "
        "ImageNet weights; trained on the time before, run on the {held_out:.0f} s after.",
        "rheostat package --data gate.mp4 --name vehicle --out apps/vehicle\n"
        "rheostat plan apps --budget 60 --out plan.json\n"
        "rheostat run plan.json --source rtsp://camera/stream --console",
    ),
}
_FOUND: dict[str, ModuleType] = {"select": found_select, "augment": found_augment, "share": found_share}


@dataclass(frozen=True)
class Told:
    """All that is shown of a chapter, but for its figures.

    Attributes:
        name: Of the chapter.
        words: What there is to say before.
        setting: What is shown here, with its figures.
        headline: One measured sentence.
        findings: More of them, wins and losses alike.
        header, cells: A table.
        seconds: Of the processor, that the chapter took.
    """

    name: str
    words: Words
    setting: str
    headline: str
    findings: list[str]
    header: list[str]
    cells: list[list[str]]
    seconds: float


def told(record: dict[str, Any]) -> Told:
    """What there is to say of a chapter's record."""
    name = record["chapter"]
    words, found = WORDS[name], _FOUND[name]
    header, cells = found.table(record)
    return Told(
        name=name,
        words=words,
        setting=words.setting.format(**_figures(record)),
        headline=found.headline(record),
        findings=found.sentences(record),
        header=header,
        cells=cells,
        seconds=record["cpu_seconds"],
    )


def _figures(record: dict[str, Any]) -> dict[str, Any]:
    """What the settings are described by."""
    if record["chapter"] != "share":
        return record["settings"]
    video = record["video"]
    number = len(record["events"])
    return {
        "apps": _NUMBERS.get(number, str(number)),
        "seconds": video["seconds"],
        "held_out": video["held_out_seconds"],
    }


_NUMBERS = {1: "One", 2: "Two", 3: "Three", 4: "Four", 5: "Five", 6: "Six"}
