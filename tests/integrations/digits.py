"""scikit-learn's digits as a Lightning task, without anything of Rheostat in it."""

import torch
import torch.nn.functional as F
from lightning.pytorch import LightningModule, Trainer
from sklearn.datasets import load_digits
from torch import Tensor, nn
from torch.utils.data import DataLoader, TensorDataset

SIZE, BATCH = 300, 16


def digits(size: int = SIZE) -> TensorDataset:
    images, labels = (torch.as_tensor(values) for values in load_digits(return_X_y=True))
    return TensorDataset(images.float()[:size] / 16, labels[:size])


def loader(size: int = SIZE) -> DataLoader:
    return DataLoader(digits(size), BATCH, shuffle=True, generator=torch.Generator().manual_seed(5))


class Digits(LightningModule):
    """A small network with dropout, and a schedule if asked for."""

    def __init__(self, schedule=None, interval: str = "step", dropout: float = 0.1) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.net = nn.Sequential(nn.Linear(64, 64), nn.ReLU(), nn.Dropout(dropout), nn.Linear(64, 10))
        self.schedule, self.interval = schedule, interval
        self.rates: list[float] = []
        self.sizes: list[int] = []

    def on_fit_start(self) -> None:
        torch.manual_seed(0)  # dropout does not depend on what was trained before

    def forward(self, x: Tensor) -> Tensor:
        return self.net(x)

    def training_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> Tensor:
        x, y = batch
        self.sizes.append(len(y))
        self.rates.append(self.optimizers().param_groups[0]["lr"])
        return F.cross_entropy(self(x), y)

    def configure_optimizers(self):
        optimizer = torch.optim.SGD(self.parameters(), lr=0.1, momentum=0.9)
        if self.schedule is None:
            return optimizer
        scheduler = {"scheduler": self.schedule(self, optimizer), "interval": self.interval}
        return {"optimizer": optimizer, "lr_scheduler": scheduler}


class Checked(Digits):
    """It is validated, and notes after how many steps."""

    def __init__(self, **options) -> None:
        super().__init__(**options)
        self.checked: list[int] = []

    def validation_step(self, batch: tuple[Tensor, Tensor], batch_idx: int) -> None:
        self.checked.append(self.trainer.global_step)


def trainer(*callbacks, made_by=Trainer, **options) -> Trainer:
    quiet = {"logger": False, "enable_progress_bar": False, "enable_model_summary": False}
    files = {"enable_checkpointing": any(hasattr(callback, "save_last") for callback in callbacks)}
    return made_by(accelerator="cpu", callbacks=list(callbacks), **{**quiet, **files, **options})


def weights(module: LightningModule) -> list[Tensor]:
    return [value.clone() for value in module.state_dict().values()]


def error(module: LightningModule) -> float:
    images, labels = digits(1797)[SIZE:]
    with torch.no_grad():
        return float((module.eval()(images).argmax(1) != labels).float().mean())
