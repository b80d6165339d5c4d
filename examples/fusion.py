"""Multimodal fusion, six kinds: a sound and a picture, each of them noisy, are understood better together.

Sixteen classes are told by a tone (of four) and a shape (of four): one of the senses alone is right for a quarter at
most. Concatenation, weighted sum, element by element, tensor, attention and high order: the worst of the six is right
for at least 95 %.
"""

import math

from common import accuracy, batches, figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=12)
SOUND, SIDE, WIDTH, CLASSES = 32, 8, 32, 16
PICTURE = SIDE * SIDE


def samples(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Inputs [N, SOUND + PICTURE], the tone first, and classes [N]: 4 * tone + shape."""
    tone, shape = torch.randint(4, (count,)), torch.randint(4, (count,))
    time = torch.arange(SOUND) / SOUND
    phase = torch.rand(count, 1) * 2 * math.pi
    sound = torch.sin(2 * math.pi * (tone[:, None] + 1) * 2 * time + phase)
    i = torch.arange(SIDE)
    rows, columns = torch.meshgrid(i, i, indexing="ij")
    # lines that lie, stand, rise and fall
    shapes = torch.stack([rows % 4 < 2, columns % 4 < 2, (rows + columns) % 4 < 2, (rows - columns) % 4 < 2]).float()
    picture = shapes[shape].flatten(1) * 2 - 1
    x = torch.cat([sound, picture], 1)
    return x + 0.8 * torch.randn_like(x), 4 * tone + shape


def layers(*widths: int) -> nn.Sequential:
    parts = [part for a, b in zip(widths, widths[1:]) for part in (nn.Linear(a, b), nn.ReLU())]
    return nn.Sequential(*parts[:-1])


class Fusion(nn.Module):
    """A network for each sense; `fuse` says how what was heard and seen [N, WIDTH] come together."""

    features = WIDTH

    def __init__(self) -> None:
        super().__init__()
        self.ear, self.eye = layers(SOUND, 64, WIDTH), layers(PICTURE, 64, WIDTH)
        self.scores = layers(self.features, 64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(self.fuse(self.ear(x[:, :SOUND]).relu(), self.eye(x[:, SOUND:]).relu()))


class Concatenation(Fusion):
    """Side by side: nothing is lost, and what comes after must find out what belongs together."""

    features = 2 * WIDTH

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return torch.cat([heard, seen], 1)


class Weighted(Fusion):
    """A sum; how much each sense counts is learned, and the same for all samples."""

    def __init__(self) -> None:
        super().__init__()
        self.weight = nn.Parameter(torch.ones(2))

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return self.weight[0] * heard + self.weight[1] * seen


class Elementwise(Fusion):
    """Feature by feature, here a product: one sense opens or closes what comes through the other."""

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return (1 + heard) * (1 + seen)


class Tensor(Fusion):
    """A bilinear layer: each new feature is a sum over all pairs, with weights of its own."""

    def __init__(self) -> None:
        super().__init__()
        self.pairs = nn.Bilinear(WIDTH, WIDTH, WIDTH)

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        return self.pairs(heard, seen).relu()


class Attention(Fusion):
    """A sum as well, but for each sample it is decided anew which sense is to be trusted."""

    def __init__(self) -> None:
        super().__init__()
        self.trust = nn.Linear(2 * WIDTH, WIDTH)

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        trust = self.trust(torch.cat([heard, seen], 1)).sigmoid()
        return trust * heard + (1 - trust) * seen


class HighOrder(Fusion):
    """Every feature of one sense times every feature of the other one, and a one beside them that keeps each alone."""

    features = (WIDTH + 1) ** 2

    def fuse(self, heard: torch.Tensor, seen: torch.Tensor) -> torch.Tensor:
        heard, seen = (nn.functional.pad(found, (0, 1), value=1.0) for found in (heard, seen))
        return (heard[:, :, None] * seen[:, None, :]).flatten(1)


def without(sense: str, x: torch.Tensor) -> torch.Tensor:
    """The inputs with one sense closed."""
    return torch.cat([x[:, :SOUND] * (sense != "ear"), x[:, SOUND:] * (sense != "eye")], 1)


def learned(kind: type[nn.Module], closed: str = "") -> float:
    """The accuracy of a kind of fusion after training."""
    torch.manual_seed(chosen.seed)
    model = kind()
    optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
    for _ in range(1 if chosen.quick else chosen.epochs):
        for rows in batches(len(x), 64):
            loss = nn.functional.cross_entropy(model(without(closed, x[rows])), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
    return accuracy(model.eval(), without(closed, test_x), test_y)


x, y = samples(200 if chosen.quick else 4000)
test_x, test_y = samples(200 if chosen.quick else 2000)
found = {"eye only": learned(Concatenation, "ear"), "ear only": learned(Concatenation, "eye")}
for kind in (Concatenation, Weighted, Elementwise, Tensor, Attention, HighOrder):
    found[kind.__name__.lower()] = learned(kind)
for name, value in found.items():
    print(f"{name:14} {value:.3f}", flush=True)
drawn, axis = figure()
axis.barh(list(found)[::-1], list(found.values())[::-1], color=["tab:blue"] * 6 + ["lightgray"] * 2)
axis.set(xlabel="test accuracy", xlim=(0, 1))
save(drawn, chosen)
report(chosen, "test accuracy of the worst fusion", min(list(found.values())[2:]), at_least=0.95)
