"""The Transformer (2017) translates: numbers in English words become digits, "two hundred and six" becomes 206.

At least 95 % of the numbers that it has not seen come out right in all digits.
"""

import math
import random

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=1000)
random.seed(chosen.seed)
ONES = "zero one two three four five six seven eight nine ten eleven twelve thirteen fourteen fifteen".split()
ONES += "sixteen seventeen eighteen nineteen".split()
TENS = "twenty thirty forty fifty sixty seventy eighty ninety".split()
WORDS = ["<pad>", "<end>", "and", "hundred", "thousand", *ONES, *TENS]
DIGITS = ["<pad>", "<start>", "<end>", *"0123456789"]
PAD, START, END = 0, 1, 2
SOURCE, TARGET, WIDTH = 14, 8, 64


def spelled(n: int) -> list[str]:
    """The words of a number below a million."""
    if n >= 1000:
        rest = n % 1000
        return [*spelled(n // 1000), "thousand", *(["and"] if 0 < rest < 100 else []), *(spelled(rest) if rest else [])]
    if n >= 100:
        return [ONES[n // 100], "hundred", *(["and", *spelled(n % 100)] if n % 100 else [])]
    if n >= 20:
        return [TENS[n // 10 - 2], *([ONES[n % 10]] if n % 10 else [])]
    return [ONES[n]]


def padded(codes: list[int], length: int) -> list[int]:
    return codes + [PAD] * (length - len(codes))


def pairs(count: int, unseen: bool) -> tuple[list[int], torch.Tensor, torch.Tensor]:
    """Numbers, the codes of their words [N, SOURCE] and of their digits [N, TARGET]. Unseen: every 11th."""
    numbers: list[int] = []
    while len(numbers) < count:
        n = random.randrange(10 ** random.randint(1, 6))
        if (n % 11 == 7) == unseen:
            numbers.append(n)
    x = [padded([*map(WORDS.index, spelled(n)), 1], SOURCE) for n in numbers]
    y = [padded([START, *map(DIGITS.index, str(n)), END], TARGET) for n in numbers]
    return numbers, torch.tensor(x), torch.tensor(y)


def places(length: int) -> torch.Tensor:
    """Sines and cosines that tell where a word stands."""
    angle = torch.arange(length)[:, None] * torch.exp(torch.arange(0, WIDTH, 2) * (-math.log(10000.0) / WIDTH))
    return torch.stack([angle.sin(), angle.cos()], -1).flatten(1)


class Translator(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words = nn.Embedding(len(WORDS), WIDTH)
        self.digits = nn.Embedding(len(DIGITS), WIDTH)
        self.transformer = nn.Transformer(WIDTH, 4, 2, 2, 2 * WIDTH, dropout=0.0, batch_first=True)
        self.scores = nn.Linear(WIDTH, len(DIGITS))
        self.register_buffer("places", places(SOURCE))

    def forward(self, x: torch.Tensor, y: torch.Tensor) -> torch.Tensor:
        """Scores [N, T, digits] of what follows each of the digits y [N, T]; none sees those behind it."""
        later = torch.ones(y.shape[1], y.shape[1], dtype=torch.bool).triu(1)
        nothing = x == PAD
        source, target = self.words(x) + self.places, self.digits(y) + self.places[: y.shape[1]]
        seen = self.transformer(
            source, target, tgt_mask=later, src_key_padding_mask=nothing, memory_key_padding_mask=nothing
        )
        return self.scores(seen)

    @torch.no_grad()
    def translate(self, x: torch.Tensor) -> list[str]:
        y = torch.full((len(x), 1), START)
        for _ in range(TARGET - 1):
            y = torch.cat([y, self(x, y)[:, -1].argmax(-1, keepdim=True)], 1)
        texts = ["".join(DIGITS[i] for i in row[1:]) for row in y.tolist()]
        return [text.partition("<end>")[0] for text in texts]


model = Translator()
steps = 2 if chosen.quick else chosen.steps
optimizer = torch.optim.Adam(model.parameters(), lr=2e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 2e-3, total_steps=steps)
losses = []
for step in range(steps):
    _, x, y = pairs(64, unseen=False)
    scores = model(x, y[:, :-1])
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), y[:, 1:].flatten(), ignore_index=PAD)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    schedule.step()
    losses.append(loss.item())
    if step % 100 == 99:
        print(f"step {step + 1}   loss {losses[-1]:.4f}", flush=True)

model.eval()
numbers, x, _ = pairs(20 if chosen.quick else 400, unseen=True)
answers = model.translate(x)
for n, answer in zip(numbers[:5], answers):
    print(f"{' '.join(spelled(n))}: {answer}")
right = sum(answer == str(n) for n, answer in zip(numbers, answers)) / len(numbers)
drawn, axis = figure()
axis.semilogy(losses)
axis.set(xlabel="step", ylabel="loss of a digit", title=f"{' '.join(spelled(numbers[0]))} = {answers[0]}")
axis.title.set_fontsize(8)
save(drawn, chosen)
report(chosen, "numbers right", right, at_least=0.95)
