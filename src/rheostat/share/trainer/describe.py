"""From what the heads said of the held-out frames to what `package.json` says of them."""

from __future__ import annotations

from collections.abc import Sequence

from rheostat.share.base import Base, stem_hash
from rheostat.share.package.document import BaseReference, EventStatistics, HeldOut, PackageDocument, Variant
from rheostat.share.package.held_out import HeldOutScores
from rheostat.share.package.statistics import count, dominated, judge, miss_correlation
from rheostat.share.plan import CorrelationTable
from rheostat.share.trainer.heads import Trained
from rheostat.share.trainer.material import Material
from rheostat.share.trainer.settings import PackageSettings


def describe(
    name: str,
    base: Base,
    material: Material,
    heads: Sequence[Trained],
    held_out: HeldOutScores,
    settings: PackageSettings,
) -> PackageDocument:
    """Sum up a package.

    Args:
        name: Of the app.
        base: That the heads are for.
        material: What it was made from.
        heads: By rising branch point.
        held_out: What they said.
        settings: Threshold, votes, what was given by hand.

    Raises:
        DataError: The held-out time shows no event, or nothing else.
    """
    label, boundaries = held_out.label, held_out.boundaries
    said = [held_out.scores[head.frozen] >= settings.threshold for head in heads]
    judgements = [judge(flags, label, boundaries) for flags in said]
    worse = dominated([head.frozen for head in heads], judgements)
    # pictures that stand for themselves are taken to come at one a second
    fps = held_out.stream_fps or 1.0
    if held_out.stream_fps is None:
        correlation = CorrelationTable(lag_seconds=(0.0,), value=(settings.correlation,))
    else:
        correlation = miss_correlation(said, label, fps, boundaries)
    document = base.document
    return PackageDocument(
        schema=1,
        name=name,
        base=BaseReference(name=document.name, hash=document.hash),
        preprocessing=document.preprocessing,
        classes=material.classes,
        positive=material.classes[material.positive],
        threshold=settings.threshold,
        stream_fps=fps,
        events=EventStatistics(
            seconds=material.occurrence.seconds,
            frequency=material.occurrence.frequency,
            count=material.occurrence.count,
            correlation=correlation,
        ),
        held_out=HeldOut(frames=len(label), events=count(label, boundaries), seconds=len(label) / fps),
        votes=settings.votes,
        min_gap_seconds=settings.min_gap_seconds,
        branch_points=tuple(
            Variant(
                frozen=head.frozen,
                file=head.file,
                sha256=head.sha256,
                stem=stem_hash(document, head.frozen),
                dominated=is_worse,
                **vars(figures),
            )
            for head, figures, is_worse in zip(heads, judgements, worse, strict=True)
        ),
        note=_note(material, held_out),
    )


def _note(material: Material, held_out: HeldOutScores) -> str:
    if held_out.stream_fps is None:
        return "judged by single pictures; length and frequency of events were given by hand"
    names = [source.name for source in material.sources if material.positive in source.label]
    others = [source.name for source in material.sources if source.name not in names]
    return f"events in {', '.join(names)}" + (f"; without any: {', '.join(others)}" if others else "")
