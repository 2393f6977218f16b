"""Selection in Lightning: a callback more, and the module and its loader stay as they are.

Run it: python examples/lightning_loop.py
"""

import warnings

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.integrations.lightning import SelectiveCallback
from rheostat.select import SelectiveBackprop

# ruff: isort: split
from lightning.pytorch import LightningModule, Trainer, seed_everything  # after rheostat, which repairs its torchvision


class Digits(LightningModule):
    """A small network; its learning rate falls to zero with the steps."""

    def __init__(self) -> None:
        super().__init__()
        self.net = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))

    def forward(self, x: Tensor) -> Tensor:
        """Logits: what selection scores by."""
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor]) -> Tensor:
        """Mean loss of a batch of what was kept."""
        x, y = batch
        return F.cross_entropy(self(x), y)

    def configure_optimizers(self) -> dict:
        """SGD; how many steps there are is known, because the trainer is told."""
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        schedule = torch.optim.lr_scheduler.LinearLR(optimizer, 1.0, 0.0, self.trainer.max_steps)
        return {"optimizer": optimizer, "lr_scheduler": {"scheduler": schedule, "interval": "step"}}


def main(steps: int = 300) -> float:
    """Train on scikit-learn's digits and return the test error, in [0, 1]."""
    warnings.filterwarnings("ignore", "`isinstance.treespec, LeafSpec.` is deprecated")  # Lightning's own
    seed_everything(0, verbose=False)
    images, labels = (torch.as_tensor(values) for values in load_digits(return_X_y=True))
    images = images.float() / 16
    loader = DataLoader(TensorDataset(images[:1200], labels[:1200]), batch_size=64, shuffle=True)

    selective = SelectiveCallback(SelectiveBackprop(floor=0.1))  # the one new thing
    quiet = {
        "logger": False,
        "enable_checkpointing": False,
        "enable_progress_bar": False,
        "enable_model_summary": False,
    }
    trainer = Trainer(max_steps=steps, accelerator="cpu", callbacks=[selective], **quiet)
    module = Digits()
    trainer.fit(module, loader)

    stats = selective.stats
    with torch.no_grad():
        error = float((module.eval()(images[1200:]).argmax(1) != labels[1200:]).float().mean())
    print(f"{stats.candidates:,} candidates, {stats.backwards:,} backwards, test error {error:.2%}")
    return error


if __name__ == "__main__":
    main()
