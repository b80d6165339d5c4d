"""What is measured, over PyTorch's interface: a maker gets a `Setting` and returns the step to repeat.

A step returns a Python number that depends on all it computed, so that nothing can be left out. `WORKLOADS` is the
list: a decorated function more is a measurement more. `small` makes the same program of a size that tests can run.
"""

# Classes derive from the nn.Module of whoever is measured, which is a variable to mypy.
# mypy: disable-error-code="name-defined"

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

Step = Callable[[], float]


def unchanged(function: Any) -> Any:
    """The function itself: what stands for `torch.compile` where nothing shall be compiled."""
    return function


@dataclass(frozen=True)
class Setting:
    """Whose interface is measured, what wraps models and functions before they are used, and which size is wanted."""

    torch: Any
    compiled: Callable[[Any], Any] = unchanged
    small: bool = False

    def pick(self, full: int, small: int) -> int:
        """The size to use.

        >>> Setting(None).pick(64, 2), Setting(None, small=True).pick(64, 2)
        (64, 2)
        """
        return small if self.small else full


Maker = Callable[[Setting], Step]
WORKLOADS: dict[str, Maker] = {}


def workload(make: Maker) -> Maker:
    """Decorate a maker: it is measured under its own name."""
    WORKLOADS[make.__name__] = make
    return make


def training(setting: Setting, net: Any, inputs: Any, targets: Any, optimizer: Any) -> Step:
    """A step that classifies, differentiates, updates and reads the loss."""
    cross_entropy, net = setting.torch.nn.functional.cross_entropy, setting.compiled(net)

    def step() -> float:
        optimizer.zero_grad()
        loss = cross_entropy(net(inputs), targets)
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


# ------------------------------------------------------------------------------------------------- perceptrons, numbers
@workload
def perceptron(setting: Setting) -> Step:
    """784-1024-256-10, batch 128, gradient descent with momentum."""
    torch, nn = setting.torch, setting.torch.nn
    batch = setting.pick(128, 4)
    net = nn.Sequential(nn.Linear(784, 1024), nn.ReLU(), nn.Linear(1024, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9)
    return training(setting, net, torch.rand(batch, 784), torch.randint(10, (batch,)), optimizer)


@workload
def regression_by_hand(setting: Setting) -> Step:
    """A line through points, 100 updates of batch 16 without nn and optim: what small operations cost."""
    torch, batch, updates = setting.torch, 16, setting.pick(100, 3)
    x = torch.randn(batch * updates, 3)
    y = x @ torch.tensor([[1.5], [-2.0], [0.5]]) + 0.7
    slope, shift = torch.zeros(3, 1, requires_grad=True), torch.zeros(1, requires_grad=True)

    def step() -> float:
        for i in range(0, batch * updates, batch):
            loss = ((x[i : i + batch] @ slope + shift - y[i : i + batch]) ** 2).mean()
            loss.backward()
            with torch.no_grad():
                for p in (slope, shift):
                    p -= 0.01 * p.grad
                    p.grad.zero_()
        return loss.item()

    return step


@workload
def elementwise(setting: Setting) -> Step:
    """Six pointwise operations over four million floats and their mean, without gradients."""
    torch, n = setting.torch, setting.pick(1 << 22, 1 << 8)
    a, b = torch.rand(n), torch.rand(n)
    chain = setting.compiled(lambda a, b: (torch.tanh(a * 3 - b) * torch.exp(-a) + b).mean())

    def step() -> float:
        with torch.no_grad():
            return chain(a, b).item()

    return step


@workload
def softmax_norm(setting: Setting) -> Step:
    """Layer norm, softmax over rows of 1000 and the gradients of both."""
    torch, F = setting.torch, setting.torch.nn.functional
    rows, columns = setting.pick(2048, 4), setting.pick(1000, 12)
    x = torch.randn(rows, columns, requires_grad=True)
    weight, bias = torch.rand(columns, requires_grad=True), torch.zeros(columns, requires_grad=True)
    scores = setting.compiled(lambda x, w, b: F.softmax(F.layer_norm(x, (columns,), w, b), dim=-1))

    def step() -> float:
        x.grad = weight.grad = bias.grad = None
        loss = (scores(x, weight, bias) ** 2).sum()
        loss.backward()
        return loss.item() + x.grad[0, 0].item()

    return step


# -------------------------------------------------------------------------------------------------------- convolutions
@workload
def lenet(setting: Setting) -> Step:
    """LeNet-5 with tanh and max pooling, batch 128, gradient descent."""
    torch, nn, batch = setting.torch, setting.torch.nn, setting.pick(128, 2)
    net = nn.Sequential(
        *(nn.Conv2d(1, 6, 5, padding=2), nn.Tanh(), nn.MaxPool2d(2)),
        *(nn.Conv2d(6, 16, 5), nn.Tanh(), nn.MaxPool2d(2), nn.Flatten()),
        *(nn.Linear(400, 120), nn.Tanh(), nn.Linear(120, 84), nn.Tanh(), nn.Linear(84, 10)),
    )
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
    return training(setting, net, torch.rand(batch, 1, 28, 28), torch.randint(10, (batch,)), optimizer)


@workload
def convnet(setting: Setting) -> Step:
    """Three 3x3 convolutions with batch norm on 32x32 pictures, batch 32, Adam."""
    torch, nn, batch = setting.torch, setting.torch.nn, setting.pick(32, 2)
    layers: list[Any] = []
    for before, after in ((3, 32), (32, 64), (64, 128)):
        layers += [nn.Conv2d(before, after, 3, padding=1), nn.BatchNorm2d(after), nn.ReLU(), nn.MaxPool2d(2)]
    net = nn.Sequential(*layers, nn.Flatten(), nn.Dropout(0.3), nn.Linear(128 * 16, 10))
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return training(setting, net, torch.rand(batch, 3, 32, 32), torch.randint(10, (batch,)), optimizer)


def residual_net(torch: Any, classes: int) -> Any:
    """ResNet-18."""
    nn = torch.nn

    class Residual(nn.Module):
        def __init__(self, before: int, after: int, stride: int) -> None:
            super().__init__()
            self.first = nn.Sequential(
                nn.Conv2d(before, after, 3, stride, 1, bias=False), nn.BatchNorm2d(after), nn.ReLU()
            )
            self.second = nn.Sequential(nn.Conv2d(after, after, 3, padding=1, bias=False), nn.BatchNorm2d(after))
            narrow = nn.Conv2d(before, after, 1, stride, bias=False)
            self.short = nn.Identity() if before == after else nn.Sequential(narrow, nn.BatchNorm2d(after))

        def forward(self, x: Any) -> Any:
            return torch.relu(self.second(self.first(x)) + self.short(x))

    stem = (nn.Conv2d(3, 64, 7, 2, 3, bias=False), nn.BatchNorm2d(64), nn.ReLU(), nn.MaxPool2d(3, 2, 1))
    widths = ((64, 64, 1), (64, 64, 1), (64, 128, 2), (128, 128, 1), (128, 256, 2), (256, 256, 1), (256, 512, 2))
    blocks = [Residual(*w) for w in (*widths, (512, 512, 1))]
    return nn.Sequential(*stem, *blocks, nn.AdaptiveAvgPool2d(1), nn.Flatten(), nn.Linear(512, classes))


@workload
def resnet18(setting: Setting) -> Step:
    """A step of ResNet-18 on 224x224 pictures, batch 4, momentum and weight decay."""
    torch, batch, side = setting.torch, setting.pick(4, 1), setting.pick(224, 64)
    net = residual_net(torch, 100)
    optimizer = torch.optim.SGD(net.parameters(), lr=0.01, momentum=0.9, weight_decay=1e-4)
    return training(setting, net, torch.rand(batch, 3, side, side), torch.randint(100, (batch,)), optimizer)


@workload
def resnet18_one(setting: Setting) -> Step:
    """ResNet-18 asked for the class of one 224x224 picture."""
    torch, side = setting.torch, setting.pick(224, 32)
    net = residual_net(torch, 1000).eval()
    picture, ask = torch.rand(1, 3, side, side), setting.compiled(net)

    def step() -> float:
        with torch.no_grad():
            return ask(picture).max().item()

    return step


# ------------------------------------------------------------------------------------------------------------ sequences
@workload
def gru_language(setting: Setting) -> Step:
    """Predict the next of 64 characters: embedding, GRU of 256, 48 steps, batch 16, gradients clipped, Adam."""
    torch, nn, steps = setting.torch, setting.torch.nn, setting.pick(48, 3)

    class Language(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.recurrent, self.out = nn.Embedding(64, 96), nn.GRU(96, 256), nn.Linear(256, 64)

        def forward(self, text: Any) -> Any:
            return self.out(self.recurrent(self.embedding(text))[0]).flatten(0, 1)

    net = Language()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    text, following = torch.randint(64, (steps, 16)), torch.randint(64, (steps * 16,))
    predict = setting.compiled(net)

    def step() -> float:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(predict(text), following)
        loss.backward()
        nn.utils.clip_grad_norm_(net.parameters(), 0.5)
        optimizer.step()
        return loss.item()

    return step


@workload
def lstm(setting: Setting) -> Step:
    """Classify sequences of 40 vectors by the last state of two layers of LSTM, width 128, batch 32."""
    torch, nn, steps = setting.torch, setting.torch.nn, setting.pick(40, 3)

    class Classifier(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.recurrent, self.out = nn.LSTM(24, 128, num_layers=2, batch_first=True), nn.Linear(128, 6)

        def forward(self, x: Any) -> Any:
            return self.out(self.recurrent(x)[1][0][-1])

    net = Classifier()
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    return training(setting, net, torch.randn(32, steps, 24), torch.randint(6, (32,)), optimizer)


@workload
def transformer(setting: Setting) -> Step:
    """Two encoder layers of width 192 with six heads over 96 tokens, batch 16, AdamW."""
    torch, nn = setting.torch, setting.torch.nn
    batch, length, words = setting.pick(16, 2), setting.pick(96, 5), setting.pick(4000, 40)

    class Encoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embedding, self.out = nn.Embedding(words, 192), nn.Linear(192, words)
            self.layers = nn.TransformerEncoder(nn.TransformerEncoderLayer(192, 6, 768, batch_first=True), 2)

        def forward(self, tokens: Any) -> Any:
            return self.out(self.layers(self.embedding(tokens))).flatten(0, 1)

    net = Encoder()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4)
    return training(
        setting, net, torch.randint(words, (batch, length)), torch.randint(words, (batch * length,)), optimizer
    )


@workload
def gpt(setting: Setting) -> Step:
    """A small GPT with causal attention and tied embeddings: four blocks of width 256, 128 tokens, batch 4, AdamW."""
    torch, nn, F = setting.torch, setting.torch.nn, setting.torch.nn.functional
    width, heads, words = setting.pick(256, 16), 4, setting.pick(1024, 20)
    batch, length, depth = setting.pick(4, 2), setting.pick(128, 6), setting.pick(4, 1)

    class Block(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.norm1, self.norm2 = nn.LayerNorm(width), nn.LayerNorm(width)
            self.qkv, self.joined = nn.Linear(width, 3 * width), nn.Linear(width, width)
            self.wide = nn.Sequential(nn.Linear(width, 4 * width), nn.GELU(), nn.Linear(4 * width, width))

        def forward(self, x: Any) -> Any:
            b, t, _ = x.shape
            q, k, v = (z.view(b, t, heads, -1).transpose(1, 2) for z in self.qkv(self.norm1(x)).chunk(3, dim=-1))
            seen = F.scaled_dot_product_attention(q, k, v, is_causal=True)
            x = x + self.joined(seen.transpose(1, 2).reshape(b, t, width))
            return x + self.wide(self.norm2(x))

    class Model(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.words, self.places = nn.Embedding(words, width), nn.Embedding(length, width)
            self.blocks, self.norm = nn.Sequential(*(Block() for _ in range(depth))), nn.LayerNorm(width)

        def forward(self, tokens: Any) -> Any:
            x = self.words(tokens) + self.places(torch.arange(tokens.shape[1]))
            return F.linear(self.norm(self.blocks(x)), self.words.weight).flatten(0, 1)

    net = Model()
    optimizer = torch.optim.AdamW(net.parameters(), lr=3e-4, betas=(0.9, 0.95))
    tokens = torch.randint(words, (batch, length + 1))
    return training(setting, net, tokens[:, :-1], tokens[:, 1:].flatten(), optimizer)


# --------------------------------------------------------------------------------------------------- generators, loader
@workload
def vae(setting: Setting) -> Step:
    """A variational autoencoder 784-400-20-400-784, batch 128, Adam."""
    torch, nn, F, batch = setting.torch, setting.torch.nn, setting.torch.nn.functional, setting.pick(128, 3)

    class Autoencoder(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.into, self.mean, self.spread = nn.Linear(784, 400), nn.Linear(400, 20), nn.Linear(400, 20)
            self.back = nn.Sequential(nn.Linear(20, 400), nn.ReLU(), nn.Linear(400, 784), nn.Sigmoid())

        def forward(self, x: Any) -> tuple:
            h = F.relu(self.into(x))
            mean, log_variance = self.mean(h), self.spread(h)
            code = mean + torch.randn_like(mean) * torch.exp(0.5 * log_variance)
            return self.back(code), mean, log_variance

    net, x = Autoencoder(), torch.rand(batch, 784)
    optimizer = torch.optim.Adam(net.parameters(), lr=1e-3)
    encode = setting.compiled(net)

    def step() -> float:
        optimizer.zero_grad()
        picture, mean, log_variance = encode(x)
        distance = -0.5 * (1 + log_variance - mean**2 - log_variance.exp()).sum()
        loss = (F.binary_cross_entropy(picture, x, reduction="sum") + distance) / batch
        loss.backward()
        optimizer.step()
        return loss.item()

    return step


@workload
def gan(setting: Setting) -> Step:
    """One update of a discriminator and one of a generator of pictures, both perceptrons, batch 64, Adam."""
    torch, nn, F, batch = setting.torch, setting.torch.nn, setting.torch.nn.functional, setting.pick(64, 3)
    maker = nn.Sequential(nn.Linear(64, 256), nn.LeakyReLU(0.2), nn.Linear(256, 784), nn.Tanh())
    judge = nn.Sequential(nn.Linear(784, 256), nn.LeakyReLU(0.2), nn.Linear(256, 1))
    making = torch.optim.Adam(maker.parameters(), lr=2e-4, betas=(0.5, 0.999))
    judging = torch.optim.Adam(judge.parameters(), lr=2e-4, betas=(0.5, 0.999))
    make, tell, pictures = setting.compiled(maker), setting.compiled(judge), torch.rand(batch, 784) * 2 - 1
    ones, zeros = torch.ones(batch, 1), torch.zeros(batch, 1)
    loss_of = F.binary_cross_entropy_with_logits

    def step() -> float:
        made = make(torch.randn(batch, 64))
        judging.zero_grad()
        error = loss_of(tell(pictures), ones) + loss_of(tell(made.detach()), zeros)
        error.backward()
        judging.step()
        making.zero_grad()
        loss = loss_of(tell(made), ones)
        loss.backward()
        making.step()
        return loss.item() + error.item()

    return step


@workload
def image_loader(setting: Setting) -> Step:
    """An epoch over 10000 pictures in memory: a Dataset that converts each, a shuffled DataLoader, a perceptron."""
    torch, nn, data = setting.torch, setting.torch.nn, setting.torch.utils.data
    count = setting.pick(10_000, 150)

    class Pictures(data.Dataset):
        def __init__(self) -> None:
            self.pictures = torch.randint(0, 256, (count, 28, 28)).to(torch.uint8)
            self.labels = torch.randint(10, (count,))

        def __len__(self) -> int:
            return count

        def __getitem__(self, i: int) -> tuple:
            return (self.pictures[i].float() / 255 - 0.28) / 0.35, self.labels[i]

    loader = data.DataLoader(Pictures(), batch_size=64, shuffle=True)
    net = nn.Sequential(nn.Flatten(), nn.Linear(784, 128), nn.ReLU(), nn.Linear(128, 10))
    optimizer = torch.optim.SGD(net.parameters(), lr=0.05)
    classify = setting.compiled(net)

    def step() -> float:
        for pictures, labels in loader:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(classify(pictures), labels)
            loss.backward()
            optimizer.step()
        return loss.item()

    return step
