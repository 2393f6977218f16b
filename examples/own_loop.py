"""Selection in a PyTorch loop of one's own: the loop stays, its loader is wrapped.

Run it: python examples/own_loop.py
"""

import torch
import torch.nn.functional as F
from sklearn.datasets import load_digits
from torch import nn
from torch.utils.data import DataLoader, TensorDataset

from rheostat.select import SelectiveBackprop, SelectiveLoader


def main(epochs: int = 60) -> float:
    """Train a small network on scikit-learn's digits and return its test error, in [0, 1]."""
    torch.manual_seed(0)
    images, labels = (torch.as_tensor(values) for values in load_digits(return_X_y=True))
    images = images.float() / 16
    train, test = slice(0, 1200), slice(1200, None)

    model = nn.Sequential(nn.Linear(64, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    loader = DataLoader(TensorDataset(images[train], labels[train]), batch_size=64, shuffle=True)

    batches = SelectiveLoader(loader, model, SelectiveBackprop(floor=0.1), batch_size=64)  # the one new line
    for _ in range(epochs):
        for x, y in batches:
            optimizer.zero_grad()
            F.cross_entropy(model(x), y).backward()
            optimizer.step()

    stats = batches.stats
    error = float((model(images[test]).argmax(1) != labels[test]).float().mean())
    print(f"{stats.candidates:,} candidates, {stats.backwards:,} backwards, test error {error:.2%}")
    return error


if __name__ == "__main__":
    main()
