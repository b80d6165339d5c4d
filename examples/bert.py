"""BERT (2018): a transformer that reads both ways learns from plain text, then needs fewer examples of a task.

Pre-training: some words are hidden and found again, and of two passages it says whether one follows the other. On text
that it has not seen, a hidden word costs at least 0.5 nats less than if only the words' frequencies were known.
Fine-tuning: the text has lost its capital letters; which words had one? From 100 passages with the answers, and in 80
steps, the pre-trained network reaches an F1 score that is at least 0.15 above that of the same network without it.

Full data: WikiText-2, as `--data DIR` with `DIR/text/wikitext-2-*.txt`; without it, Python's own documentation, for
which the claims are. An encyclopedia repeats itself less and needs more `--steps`.
"""

import collections
import copy
import re

from common import articles, figure, options, report, save

import kenaz as torch
from kenaz import nn
from kenaz.nn import functional as F

chosen = options(__doc__, steps=1600, words=2000, shots=100)
PIECE, BLOCK, HIDDEN, WIDTH, LAYERS = 24, 120, 9, 128, 2
UNKNOWN, START, BETWEEN, MASK, REAL = 0, 1, 2, 3, 4  # REAL: the first code of a real word

# articles as codes of their words; of each ten blocks of words one is kept for the tests
texts = [re.findall(r"<unk>|\w+|[^\w\s]", article) for article in articles(chosen)]
texts = [words for words in texts if len(words) >= 400]
if chosen.quick:
    texts = texts[:10]
counts = collections.Counter(word.lower() for words in texts for word in words if word != "<unk>")
vocabulary = ["<unk>", "[start]", "[between]", "[mask]", *(word for word, _ in counts.most_common(chosen.words - REAL))]
code_of = {word: code for code, word in enumerate(vocabulary)}


class Part:
    """Some blocks of the text: codes [N] of their words, one block after the other, and which are capitalized [N]."""

    def __init__(self, blocks: list[list[str]]) -> None:
        words = [word for block in blocks for word in block]
        self.codes = torch.tensor([code_of.get(word.lower(), UNKNOWN) for word in words])
        self.capital = torch.tensor([word[0].isupper() for word in words]).long()
        self.block = torch.tensor([number for number, block in enumerate(blocks) for _ in block])

    def passages(self, count: int, length: int) -> torch.Tensor:
        """Where the words of random passages are [count, length]; none of them goes over the end of a block."""
        starts = torch.where(self.block[: -length + 1] == self.block[length - 1 :])[0]
        return starts[torch.randint(len(starts), (count, 1))] + torch.arange(length)


blocks = [words[at : at + BLOCK] for words in texts for at in range(0, len(words), BLOCK)]
train = Part([block for number, block in enumerate(blocks) if number % 10])
test = Part(blocks[::10])
print(f"{len(texts)} articles, {len(train.codes):,} words to learn from, {len(vocabulary):,} different ones")


class Bert(nn.Module):
    """Word, place and passage are added, and looked at in layers; every place looks at all places."""

    def __init__(self) -> None:
        super().__init__()
        self.word = nn.Embedding(len(vocabulary), WIDTH)
        self.place = nn.Embedding(2 * PIECE + 2, WIDTH)
        self.passage = nn.Embedding(2, WIDTH)
        layer = nn.TransformerEncoderLayer(
            WIDTH, 4, 4 * WIDTH, dropout=0.1, activation="gelu", batch_first=True, norm_first=True
        )
        self.layers = nn.TransformerEncoder(layer, LAYERS, nn.LayerNorm(WIDTH), enable_nested_tensor=False)
        self.find = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.GELU(), nn.LayerNorm(WIDTH))
        self.bias = nn.Parameter(torch.zeros(len(vocabulary)))
        self.decide = nn.Sequential(nn.Linear(WIDTH, WIDTH), nn.Tanh())
        self.follows = nn.Linear(WIDTH, 2)
        for table in (self.word, self.place, self.passage):
            nn.init.normal_(table.weight, std=0.02)
        # places begin as waves: "one place back" is then the same turn everywhere, which is quickly learned
        angle = torch.arange(2 * PIECE + 2)[:, None] * 10000 ** (-torch.arange(0, WIDTH, 2) / WIDTH)
        with torch.no_grad():
            self.place.weight.copy_(0.03 * torch.stack([angle.sin(), angle.cos()], -1).flatten(1))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        """What was understood at each place of x: [N, T, WIDTH]."""
        place = torch.arange(x.shape[1])
        return self.layers(self.word(x) + self.place(place) + self.passage((place > PIECE).long()))

    def words(self, seen: torch.Tensor) -> torch.Tensor:
        """Scores of all words for what was understood: the table of words is used a second time."""
        return self.find(seen) @ self.word.weight.T + self.bias

    def summary(self, seen: torch.Tensor) -> torch.Tensor:
        """The first place, which holds no word, speaks for all."""
        return self.decide(seen[:, 0])


def column(code: int, count: int) -> torch.Tensor:
    return torch.full((count, 1), code)


def pairs(part: Part, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """[start] A [between] B, [N, 2 * PIECE + 2], and whether B follows A; if not, it is from anywhere."""
    both = part.codes[part.passages(count, 2 * PIECE)]
    anywhere = part.codes[part.passages(count, PIECE)]
    follows = torch.rand(count, 1) < 0.5
    second = torch.where(follows, both[:, PIECE:], anywhere)
    x = torch.cat([column(START, count), both[:, :PIECE], column(BETWEEN, count), second], 1)
    return x, follows.squeeze(1).long()


def hide(x: torch.Tensor) -> tuple[torch.Tensor, torch.Tensor, torch.Tensor]:
    """x with HIDDEN words of each row hidden, their places, and what they were [N, HIDDEN].

    One in ten is left as it is and one in ten is another word, so that no place may be passed over.
    """
    places = (torch.rand(x.shape) * (x >= REAL)).topk(HIDDEN).indices
    words = x.gather(1, places)
    chance, other = torch.rand(places.shape), torch.randint(REAL, len(vocabulary), places.shape)
    new = torch.where(chance < 0.8, MASK, torch.where(chance < 0.9, other, words))
    return x.scatter(1, places, new), places, words


def losses_on(part: Part, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Of hidden words, in nats; and of what follows what."""
    x, follows = pairs(part, count)
    x, places, words = hide(x)
    seen = model(x)
    found = model.words(seen.gather(1, places.unsqueeze(-1).expand(-1, -1, WIDTH)))
    loss = F.cross_entropy(found.flatten(0, 1), words.flatten())
    return loss, F.cross_entropy(model.follows(model.summary(seen)), follows)


def optimizing(model: nn.Module, rate: float, steps: int) -> tuple[torch.optim.Optimizer, object]:
    """AdamW with a warm-up: the first steps are small, while its averages know little."""
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=0.01)
    return optimizer, torch.optim.lr_scheduler.OneCycleLR(optimizer, rate, total_steps=steps, pct_start=0.1)


# 1. pre-training
frequency = torch.bincount(train.codes, minlength=len(vocabulary))[REAL:] + 1.0
unseen = test.codes[test.codes >= REAL] - REAL
by_frequency = -(frequency / frequency.sum()).log()[unseen].mean().item()
model = Bert()
print(f"{sum(p.numel() for p in model.parameters()):,} parameters; by frequency, a word costs {by_frequency:.2f} nats")
steps = 3 if chosen.quick else chosen.steps
optimizer, schedule = optimizing(model, 1.5e-3, steps)
curve = []
for step in range(steps):
    losses = losses_on(train, 8 if chosen.quick else 24)
    optimizer.zero_grad()
    sum(losses).backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    curve.append([loss.item() for loss in losses])
    if step % 100 == 99:
        words, follows = torch.tensor(curve[-100:]).mean(0).tolist()
        print(f"step {step + 1}   hidden words {words:.3f}   what follows {follows:.3f}", flush=True)

model.eval()
with torch.no_grad():
    held_out = [losses_on(test, 64) for _ in range(1 if chosen.quick else 12)]
    hidden_loss = torch.stack([loss for loss, _ in held_out]).mean().item()
    x, places, words = hide(pairs(test, 1)[0])
    guesses = model.words(model(x).gather(1, places.unsqueeze(-1).expand(-1, -1, WIDTH))).argmax(-1)
print(" ".join(vocabulary[i] for i in x[0].tolist()))
for place, word, guess in sorted(zip(places[0].tolist(), words[0].tolist(), guesses[0].tolist())):
    print(f"  {place:3}: {vocabulary[word]}, guessed {vocabulary[guess]}")


# 2. fine-tuning, from what was learned and from nothing: which words are capitalized?
def samples(part: Part, count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """[start] A [N, PIECE + 1], and which words of A are capitalized [N, PIECE]."""
    places = part.passages(count, PIECE)
    return torch.cat([column(START, count), part.codes[places]], 1), part.capital[places]


def tuned(bert: Bert, x: torch.Tensor, y: torch.Tensor, test_x: torch.Tensor, test_y: torch.Tensor) -> float:
    """The F1 score on the tests when all of the network, and a new last layer, have learned from x and y."""
    bert, last = copy.deepcopy(bert).train(), nn.Linear(WIDTH, 2)
    steps = 2 if chosen.quick else 80
    optimizer, schedule = optimizing(nn.ModuleList([bert, last]), 1e-3, steps)
    for _ in range(steps):
        rows = torch.randint(len(x), (32,))
        loss = F.cross_entropy(last(bert(x[rows])[:, 1:]).flatten(0, 1), y[rows].flatten())
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        schedule.step()
    bert.eval()
    with torch.no_grad():
        guess = torch.cat([last(bert(part)[:, 1:]).argmax(-1) for part in test_x.split(100)])
    return 2 * (guess * test_y).sum().item() / max(1, (guess + test_y).sum().item())


results = []
for _ in range(1 if chosen.quick else 3):
    parts = [*samples(train, chosen.shots), *samples(test, 20 if chosen.quick else 400)]
    results.append([tuned(start, *parts) for start in (model, Bert())])
    print("F1 score fine-tuned: {:.3f}, from nothing: {:.3f}".format(*results[-1]), flush=True)
pretrained, from_nothing = torch.tensor(results).mean(0).tolist()

drawn, (left, right) = figure(1, 2, (8, 3.2))
smooth = torch.tensor(curve).unfold(0, min(20, steps), 1).mean(-1)
left.plot(smooth[:, 0].numpy(), label="hidden words")
left.axhline(by_frequency, linestyle="--", color="gray", label="by frequency alone")
left.axhline(hidden_loss, linestyle=":", color="tab:blue", label="on unseen text")
left.set(xlabel="step", ylabel="nats a word")
left.legend(fontsize=8)
right.bar(["from nothing", "pre-trained"], [from_nothing, pretrained], color=["lightgray", "tab:blue"])
right.set(ylabel="F1 score of capital letters")
save(drawn, chosen)
report(chosen, "nats saved for a hidden word", by_frequency - hidden_loss, at_least=0.5)
report(chosen, "F1 gained by pre-training", pretrained - from_nothing, at_least=0.15)
