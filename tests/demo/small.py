"""The demo, small: few runs of few epochs, a toy base, a short film."""

from pathlib import Path

from rheostat.demo.scale import AugmentScale, Scale, SelectScale, ShareScale

TRAINING = {
    "data": "sklearn-digits",
    "model": "lenet",
    "image_size": 16,
    "batch_size": 64,
    "lr": 0.05,
    "device": "cpu",
    "track": "none",
    "epochs": 1,
}
SMALL = Scale(
    select=SelectScale(training=TRAINING, share=0.5, seeds=1),
    augment=AugmentScale(training=TRAINING | {"policy": "uniform"}, budget=0.05, seeds=1),
    share=ShareScale(
        apps=("red car", "truck"),
        seconds=60.0,
        fps=2.0,
        size=24,
        points=2,
        per_class=8,
        recipe_epochs=1,
        budgets=(1.0, 6.0),
    ),
)


def files_of(folder: Path) -> dict[str, bytes]:
    """All files below a folder."""
    return {str(path.relative_to(folder)): path.read_bytes() for path in folder.rglob("*") if path.is_file()}
