"""Draws the pictures of docs/tutorial: `python tools/tutorial_pictures.py`, from the root of the checkout.

Each repeats what its chapter does, so that a picture shows what a reader gets.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent))

import matplotlib

matplotlib.use("Agg")
import matplotlib.pyplot as plt

import kenaz as torch
from kenaz import nn
from kenaz.utils.data import DataLoader
from kenaz.vision import datasets, transforms, utils

DOCS = Path(__file__).parent.parent / "docs" / "tutorial"
PICTURES = DOCS / "pictures"
ROOT = datasets.packaged_root()
TRAINING = datasets.FashionMNIST(ROOT, train=True, transform=transforms.ToTensor())
TESTING = datasets.FashionMNIST(ROOT, train=False, transform=transforms.ToTensor())


def save(figure: plt.Figure, name: str) -> None:
    figure.tight_layout()
    figure.savefig(PICTURES / name, dpi=80, metadata={"Software": None})
    plt.close(figure)


def line() -> None:
    """Chapter 2: the line on its way to the points."""
    torch.manual_seed(0)
    x = torch.rand(40) * 4
    y = 2 * x - 1 + 0.3 * torch.randn(40)
    weights = torch.zeros(2, requires_grad=True)
    figure, axes = plt.subplots(figsize=(6, 3.5))
    axes.scatter(x, y, s=14, color="black")
    ends = torch.tensor([0.0, 4.0])
    colors = dict(zip((0, 3, 10, 100), plt.cm.viridis([1.0, 0.7, 0.4, 0.0])))
    for step in range(101):
        if step in colors:
            slope, offset = weights.tolist()
            axes.plot(ends, slope * ends + offset, color=colors[step], label=f"after {step}")
        ((weights[0] * x + weights[1] - y) ** 2).mean().backward()
        with torch.no_grad():
            weights -= 0.1 * weights.grad
            weights.grad = None
    axes.legend(frameon=False)
    save(figure, "line.png")


def clothes() -> None:
    """Chapter 3: the first batch, as a grid."""
    pictures, _ = next(iter(DataLoader(TRAINING, batch_size=64)))
    utils.save_image(pictures, PICTURES / "clothes.png", nrow=16)


def fit(net: nn.Module, epochs: int, lr: float) -> list[float]:
    optimizer = torch.optim.Adam(net.parameters(), lr=lr)
    losses = []
    for _ in range(epochs):
        for x, y in DataLoader(TRAINING, batch_size=64, shuffle=True):
            loss = nn.functional.cross_entropy(net(x), y)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            losses.append(loss.item())
    return losses


def training() -> None:
    """Chapter 5: the loss of every step, and answers of the network."""
    torch.manual_seed(0)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    losses = torch.tensor(fit(net, epochs=3, lr=1e-3))
    figure = plt.figure(figsize=(9, 3.2))
    grid = figure.add_gridspec(2, 10)
    axes = figure.add_subplot(grid[:, :4])
    axes.plot(losses, color="lightgrey")
    axes.plot(range(10, len(losses) - 9), losses.unfold(0, 20, 1).mean(dim=1), color="black")
    axes.set(xlabel="step", ylabel="loss")
    pictures, labels = next(iter(DataLoader(TESTING, batch_size=12)))
    for i, (picture, label, answer) in enumerate(zip(pictures, labels, net(pictures).argmax(dim=1))):
        axes = figure.add_subplot(grid[i // 6, 4 + i % 6])
        axes.imshow(picture[0], cmap="gray_r")
        axes.set_title(TESTING.classes[answer], fontsize=7, color="black" if answer == label else "red")
        axes.axis("off")
    save(figure, "training.png")


def channels() -> None:
    """Chapter 7: a picture, and what the first layer makes of it."""
    torch.manual_seed(0)
    net = nn.Sequential(
        nn.Conv2d(1, 16, 3, padding=1), nn.ReLU(), nn.MaxPool2d(2), nn.Conv2d(16, 32, 3, padding=1), nn.ReLU(),
        nn.MaxPool2d(2), nn.Flatten(), nn.Linear(32 * 7 * 7, 10),
    )  # fmt: skip
    fit(net, epochs=1, lr=2e-3)
    picture = TESTING[0][0]
    with torch.no_grad():
        seen = net[:2](picture[None])[0]
    seen = seen[seen.std(dim=(1, 2)).argsort(descending=True)[:8]]  # some see nothing in this picture
    figure, axes = plt.subplots(1, 9, figsize=(9, 1.3))
    for axis, image in zip(axes, [picture[0], *seen]):
        axis.imshow(image, cmap="gray_r")
        axis.axis("off")
    save(figure, "channels.png")


def step() -> None:
    """Chapter 9: the program of the chapter, drawn by `kenaz graph`."""
    program = (DOCS / "en" / "09_compiler.md").read_text("utf-8").split("```python\nimport")[1].split("```")[0]
    with tempfile.TemporaryDirectory() as folder:
        script = Path(folder) / "steps.py"
        script.write_text("import" + program.replace("range(4)", "range(8)"), "utf-8")
        command = [sys.executable, "-m", "kenaz", "graph", "--out", str(PICTURES / "step.svg"), str(script)]
        subprocess.run(command, check=True, cwd=DOCS.parent.parent)


if __name__ == "__main__":
    PICTURES.mkdir(exist_ok=True)
    for draw in (line, clothes, training, channels, step):
        draw()
