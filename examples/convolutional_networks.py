"""Four landmarks on equal terms: AlexNet, VGG, NiN and GoogLeNet, each cut down to Fashion-MNIST and a few epochs.

Every one names at least 75 % of the test pictures right.
"""

import time

from common import accuracy, batches, fashion, figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=4)
x, y, test_x, test_y = fashion(chosen, *((200, 100) if chosen.quick else (7500, 1500)))


def unit(inputs: int, outputs: int, kernel: int, stride: int = 1) -> nn.Sequential:
    """A convolution as it is built today, with a normalisation."""
    convolution = nn.Conv2d(inputs, outputs, kernel, stride, padding=kernel // 2, bias=False)
    return nn.Sequential(convolution, nn.BatchNorm2d(outputs), nn.ReLU())


def head(inputs: int) -> nn.Sequential:
    return nn.Sequential(nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(inputs, 10))


def alexnet() -> nn.Module:
    """2012: large kernels first, then small ones, then dense layers with dropout."""
    return nn.Sequential(
        unit(1, 16, 5, stride=2),
        unit(16, 32, 5),
        nn.MaxPool2d(2),
        unit(32, 48, 3),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Linear(48 * 3 * 3, 128),
        nn.ReLU(),
        nn.Dropout(0.3),
        nn.Linear(128, 10),
    )


def vgg() -> nn.Module:
    """2014: nothing but 3 x 3, in blocks, twice the channels after each halving."""
    layers: list[nn.Module] = []
    for inputs, outputs in ((1, 8), (8, 16), (16, 32)):
        layers += [unit(inputs, outputs, 3), unit(outputs, outputs, 3), nn.MaxPool2d(2)]
    return nn.Sequential(*layers, head(32))


def nin() -> nn.Module:
    """2013, network in network: 1 x 1 convolutions are a small network at each place; no dense layer at all."""
    layers: list[nn.Module] = []
    for inputs, outputs, kernel in ((1, 16, 5), (16, 32, 5), (32, 32, 3)):
        layers += [unit(inputs, outputs, kernel, stride=2), unit(outputs, outputs, 1), unit(outputs, outputs, 1)]
    return nn.Sequential(*layers, head(32))


class Inception(nn.Module):
    """Several kernels side by side; the next layer chooses."""

    def __init__(self, inputs: int, width: int) -> None:
        super().__init__()
        self.branches = nn.ModuleList(
            [
                unit(inputs, width, 1),
                nn.Sequential(unit(inputs, width // 2, 1), unit(width // 2, width, 3)),
                nn.Sequential(unit(inputs, width // 4, 1), unit(width // 4, width // 2, 5)),
                nn.Sequential(nn.MaxPool2d(3, stride=1, padding=1), unit(inputs, width // 2, 1)),
            ]
        )

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return torch.cat([branch(x) for branch in self.branches], 1)


def googlenet() -> nn.Module:
    """2014: blocks of parallel branches."""
    return nn.Sequential(
        unit(1, 16, 3, stride=2), Inception(16, 12), nn.MaxPool2d(2), Inception(36, 16), nn.MaxPool2d(2), head(48)
    )


def train(model: nn.Module) -> list[float]:
    epochs = 1 if chosen.quick else chosen.epochs
    optimizer = torch.optim.Adam(model.parameters(), lr=3e-3)
    steps = epochs * len(batches(len(x), 64))
    schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 3e-3, total_steps=steps)
    curve = []
    for _ in range(epochs):
        model.train()
        for batch in batches(len(x), 64):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
            schedule.step()
        model.eval()
        curve.append(accuracy(model, test_x, test_y))
    return curve


drawn, axis = figure()
worst = 1.0
for build in (alexnet, vgg, nin, googlenet):
    torch.manual_seed(chosen.seed)
    started = time.perf_counter()
    model = build()
    curve = train(model)
    size = sum(p.numel() for p in model.parameters())
    took = time.perf_counter() - started
    print(f"{build.__name__:10} {size:7,} parameters   {took:4.0f} s   test accuracy {curve[-1]:.1%}", flush=True)
    axis.plot(range(1, len(curve) + 1), curve, marker="o", label=f"{build.__name__}, {size // 1000} k")
    worst = min(worst, curve[-1])
axis.set(xlabel="epoch", ylabel="test accuracy")
axis.legend()
save(drawn, chosen)
report(chosen, "test accuracy of the worst", worst, at_least=0.75)
