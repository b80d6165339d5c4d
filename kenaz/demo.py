"""`kenaz demo`: a convolutional network learns to tell pictures of clothes apart.

An ordinary training program: with `import torch` and a folder of its own for the data it runs on PyTorch as well.
"""

import os
import time
from dataclasses import asdict, dataclass
from typing import Any

from tqdm import tqdm

import kenaz as torch
from kenaz import nn
from kenaz.utils.data import DataLoader
from kenaz.vision import datasets, transforms


@dataclass
class Settings:
    epochs: int = 5
    data: str | None = None  # a folder with FashionMNIST/raw; None is the subset in the package
    device: str = "cpu"
    out: str = "runs/demo"
    batch_size: int = 64
    lr: float = 4e-3
    seed: int = 0
    restart: bool = False


class Net(nn.Module):
    """LeNet: two convolutions that find patterns, two linear layers that weigh them."""

    def __init__(self) -> None:
        super().__init__()
        self.features = nn.Sequential(
            nn.Conv2d(1, 8, kernel_size=5, padding=2),  # 28 x 28
            nn.ReLU(),
            nn.MaxPool2d(2),  # 14 x 14
            nn.Conv2d(8, 16, kernel_size=5),  # 10 x 10
            nn.ReLU(),
            nn.MaxPool2d(2),  # 5 x 5
        )
        self.classifier = nn.Sequential(nn.Flatten(), nn.Linear(16 * 5 * 5, 64), nn.ReLU(), nn.Linear(64, 10))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.classifier(self.features(x))


def load_data(settings: Settings) -> tuple[Any, Any]:
    """Batches to train with, in random order, and batches to test with."""
    transform = transforms.Compose([transforms.ToTensor(), transforms.Normalize((0.286,), (0.353,))])
    root = settings.data or datasets.packaged_root()
    train = datasets.FashionMNIST(root, train=True, transform=transform)
    test = datasets.FashionMNIST(root, train=False, transform=transform)
    return DataLoader(train, batch_size=settings.batch_size, shuffle=True), DataLoader(test, batch_size=500)


def train_epoch(
    model: nn.Module, loader: Any, optimizer: Any, scheduler: Any, device: str, title: str
) -> tuple[float, float]:
    """One pass over the training images; returns mean loss and accuracy."""
    model.train()
    total_loss, correct, seen = 0.0, 0, 0
    with tqdm(loader, desc=title, leave=False, unit="batch", disable=None) as bar:
        for images, labels in bar:
            images, labels = images.to(device), labels.to(device)
            output = model(images)
            loss = nn.functional.cross_entropy(output, labels)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            scheduler.step()

            seen += len(labels)
            total_loss += loss.item() * len(labels)
            correct += (output.argmax(dim=1) == labels).sum().item()
            bar.set_postfix(loss=f"{total_loss / seen:.3f}", accuracy=f"{100 * correct / seen:.1f} %", refresh=False)
    return total_loss / seen, correct / seen


@torch.no_grad()
def test(model: nn.Module, loader: Any, device: str) -> float:
    """The part of the test images that the model names right."""
    model.eval()
    correct = sum((model(x.to(device)).argmax(1) == y.to(device)).sum().item() for x, y in loader)
    return correct / len(loader.dataset)


def train(settings: Settings) -> float:
    """Trains, draws two pictures, and returns the test accuracy. An interrupted run goes on where its checkpoint is."""
    started = time.perf_counter()
    torch.manual_seed(settings.seed)
    train_loader, test_loader = load_data(settings)
    model = Net().to(settings.device)
    optimizer = torch.optim.Adam(model.parameters(), lr=settings.lr)
    steps = settings.epochs * len(train_loader)
    scheduler = torch.optim.lr_scheduler.OneCycleLR(optimizer, max_lr=settings.lr, total_steps=steps)

    os.makedirs(settings.out, exist_ok=True)
    checkpoint = os.path.join(settings.out, "checkpoint.pt")
    parts = {"model": model, "optimizer": optimizer, "scheduler": scheduler}
    history, seconds = resume(checkpoint, settings, parts)
    print(f"{len(train_loader.dataset)} training and {len(test_loader.dataset)} test images, {settings.epochs} epochs")

    for epoch in range(len(history) + 1, settings.epochs + 1):
        title = f"epoch {epoch}/{settings.epochs}"
        loss, accuracy = train_epoch(model, train_loader, optimizer, scheduler, settings.device, title)
        test_accuracy = test(model, test_loader, settings.device)
        history.append({"loss": loss, "accuracy": accuracy, "test accuracy": test_accuracy})
        print(f"{title}   loss {loss:.3f}   accuracy {accuracy:.1%}   test accuracy {test_accuracy:.1%}", flush=True)
        state = {name: part.state_dict() for name, part in parts.items()}
        spent = seconds + time.perf_counter() - started
        state |= {"history": history, "seconds": spent, "settings": asdict(settings), "rng": torch.get_rng_state()}
        torch.save(state, checkpoint)

    try:
        draw_curves(history, os.path.join(settings.out, "curves.png"))
        draw_predictions(model, test_loader, settings.device, os.path.join(settings.out, "predictions.png"))
        print(f"pictures and checkpoint are in {settings.out}")
    except ImportError:
        print(f"the checkpoint is in {settings.out}; for pictures: pip install 'kenaz[plot]'")
    spent = seconds + time.perf_counter() - started
    print(f"test accuracy {100 * history[-1]['test accuracy']:.1f} % in {spent:.0f} s")
    return history[-1]["test accuracy"]


def resume(path: str, settings: Settings, parts: dict[str, Any]) -> tuple[list[dict[str, float]], float]:
    """Puts an unfinished run of the same settings back; returns its history and the seconds it has taken."""
    if settings.restart or not os.path.exists(path):
        return [], 0.0
    state = torch.load(path)
    ignored = {"out": None, "restart": None}
    if state["settings"] | ignored != asdict(settings) | ignored or len(state["history"]) >= settings.epochs:
        return [], 0.0
    for name, part in parts.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["rng"])
    print(f"going on after epoch {len(state['history'])} of {path}")
    return state["history"], state["seconds"]


def draw_curves(history: list[dict[str, float]], path: str) -> None:
    """Loss and accuracy by epoch."""
    figure, axes = new_figure(1, 2, (9, 3.5))
    epochs = range(1, len(history) + 1)
    for axis, names in zip(axes, [["loss"], ["accuracy", "test accuracy"]]):
        for name in names:
            axis.plot(epochs, [row[name] for row in history], marker="o", label=name)
        axis.set_xlabel("epoch")
        axis.set_xticks(list(epochs))
        axis.grid(alpha=0.3)
        axis.legend()
    figure.savefig(path, dpi=120)


@torch.no_grad()
def draw_predictions(model: nn.Module, loader: Any, device: str, path: str) -> None:
    """Test images with what the model takes them for, and what they are where it is wrong."""
    images, labels = next(iter(loader))
    guesses = model(images.to(device)).argmax(dim=1).tolist()
    names = loader.dataset.classes
    figure, axes = new_figure(4, 8, (12, 7))
    for axis, image, guess, label in zip(axes.flat, images, guesses, labels.tolist()):
        axis.imshow(image[0], cmap="gray")
        axis.axis("off")
        right = guess == label
        title = names[guess] if right else f"{names[guess]}\n(is {names[label]})"
        axis.set_title(title, fontsize=8, color="green" if right else "red")
    figure.savefig(path, dpi=120)


def new_figure(rows: int, columns: int, size: tuple[float, float]) -> Any:
    """A figure that needs no screen, and its axes."""
    from matplotlib.backends.backend_agg import FigureCanvasAgg
    from matplotlib.figure import Figure

    figure = Figure(figsize=size, layout="constrained")
    FigureCanvasAgg(figure)
    return figure, figure.subplots(rows, columns)
