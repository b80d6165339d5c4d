"""Multimodal fusion, six kinds: a sound and a picture, each of them noisy, are understood better together.

Sixteen classes are told by a tone (of four) and a shape (of four): one of the senses alone is right for a quarter at
most. Early, intermediate, late, hybrid, attention and bilinear fusion: the worst of them is right for at least 80 %.
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


class Senses(nn.Module):
    """A network for each sense; how the two come together is the kind of fusion."""

    def __init__(self) -> None:
        super().__init__()
        self.ear, self.eye = layers(SOUND, 64, WIDTH), layers(PICTURE, 64, WIDTH)

    def both(self, x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor]:
        return self.ear(x[:, :SOUND]).relu(), self.eye(x[:, SOUND:]).relu()


class Early(nn.Module):
    """The raw inputs side by side, and one network over them."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = layers(SOUND + PICTURE, 128, 64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(x)


class Intermediate(Senses):
    """What each sense has found, side by side."""

    def __init__(self) -> None:
        super().__init__()
        self.scores = layers(2 * WIDTH, 64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return self.scores(torch.cat(self.both(x), 1))


class Late(Senses):
    """Each sense decides by itself; the decisions are added."""

    def __init__(self) -> None:
        super().__init__()
        self.by_ear, self.by_eye = layers(WIDTH, CLASSES), layers(WIDTH, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        heard, seen = self.both(x)
        return self.by_ear(heard) + self.by_eye(seen)


class Hybrid(nn.Module):
    """An early and a late fusion, and a weight for each that is learned."""

    def __init__(self) -> None:
        super().__init__()
        self.early, self.late = Early(), Late()
        self.weight = nn.Parameter(torch.zeros(2))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        early, late = self.weight.softmax(0)
        return early * self.early(x) + late * self.late(x)


class Attention(Senses):
    """The senses as two words of a sentence: each looks at the other before they decide."""

    def __init__(self) -> None:
        super().__init__()
        self.look = nn.MultiheadAttention(WIDTH, 4, batch_first=True)
        self.scores = layers(2 * WIDTH, 64, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        words = torch.stack(self.both(x), 1)
        looked, _ = self.look(words, words, words, need_weights=False)
        return self.scores((words + looked).flatten(1))


class Bilinear(Senses):
    """Every feature of one sense times every feature of the other one."""

    def __init__(self) -> None:
        super().__init__()
        self.few = nn.ModuleList([nn.Linear(WIDTH, 12), nn.Linear(WIDTH, 12)])
        self.scores = nn.Linear(13 * 13, CLASSES)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        # a one beside the features keeps each of them by itself among the products
        heard, seen = (nn.functional.pad(f(t), (0, 1), value=1.0) for f, t in zip(self.few, self.both(x)))
        return self.scores((heard[:, :, None] * seen[:, None, :]).flatten(1))


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
found = {"eye only": learned(Early, "ear"), "ear only": learned(Early, "eye")}
for kind in (Early, Intermediate, Late, Hybrid, Attention, Bilinear):
    found[kind.__name__.lower()] = learned(kind)
for name, value in found.items():
    print(f"{name:14} {value:.3f}", flush=True)
drawn, axis = figure()
axis.barh(list(found)[::-1], list(found.values())[::-1], color=["tab:blue"] * 6 + ["lightgray"] * 2)
axis.set(xlabel="test accuracy", xlim=(0, 1))
save(drawn, chosen)
report(chosen, "test accuracy of the worst fusion", min(list(found.values())[2:]), at_least=0.8)
