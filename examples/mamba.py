"""Mamba (2023): a selective state space. The task that it was made for: remember some symbols of a long noisy sequence.

Of the four symbols to be repeated, at least 75 % are right (a guess is right for 1 of 8).
"""

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, steps=400)
SYMBOLS, KEPT, LENGTH = 8, 4, 16 if chosen.quick else 24
BLANK, ASK = SYMBOLS, SYMBOLS + 1  # noise between the symbols, and the sign to repeat them


def task(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Symbols scattered among blanks, then signs to repeat them in order: [N, LENGTH + KEPT], and the answer."""
    answer = torch.randint(0, SYMBOLS, (count, KEPT))
    places = torch.rand(count, LENGTH).argsort(1)[:, :KEPT].sort(1).values
    x = torch.full((count, LENGTH), BLANK).scatter(1, places, answer)
    return torch.cat([x, torch.full((count, KEPT), ASK)], 1), answer


def scan(keep: torch.Tensor, add: torch.Tensor) -> torch.Tensor:
    """h_t = keep_t * h_(t-1) + add_t along dimension 1, all t at once.

    Two steps in a row are one step of the same form, so distances double: log2(length) rounds in place of length ones.
    """
    step = 1
    while step < keep.shape[1]:
        earlier_keep, earlier_add = keep[:, :-step], add[:, :-step]
        add = torch.cat([add[:, :step], add[:, step:] + keep[:, step:] * earlier_add], 1)
        keep = torch.cat([keep[:, :step], keep[:, step:] * earlier_keep], 1)
        step *= 2
    return add


class Selective(nn.Module):
    """A linear state space whose step size, input and output depend on what it reads: it chooses what to remember."""

    def __init__(self, width: int, state: int) -> None:
        super().__init__()
        self.in_out = nn.Linear(width, 2 * state, bias=False)
        self.step = nn.Linear(width, width)
        self.log_decay = nn.Parameter(torch.log(torch.arange(1.0, state + 1)).repeat(width, 1))
        self.skip = nn.Parameter(torch.ones(width))
        with torch.no_grad():  # steps begin between 0.001 and 0.1
            steps = torch.exp(torch.rand(width) * 4.6 - 6.9)
            self.step.bias.copy_(steps + torch.log(-torch.expm1(-steps)))

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        into, out = self.in_out(x).chunk(2, dim=-1)  # [N, T, state] each
        step = nn.functional.softplus(self.step(x)).unsqueeze(-1)  # [N, T, width, 1]
        keep = torch.exp(-step * self.log_decay.exp())  # [N, T, width, state]
        states = scan(keep, step * into.unsqueeze(2) * x.unsqueeze(-1))
        return (states * out.unsqueeze(2)).sum(-1) + self.skip * x


class Block(nn.Module):
    """A short convolution, the selective state space, and a gate, beside a shortcut."""

    def __init__(self, width: int, inner: int, state: int) -> None:
        super().__init__()
        self.norm = nn.LayerNorm(width)
        self.split = nn.Linear(width, 2 * inner)
        self.convolution = nn.Conv1d(inner, inner, 4, padding=3, groups=inner)
        self.selective = Selective(inner, state)
        self.join = nn.Linear(inner, width)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        inner, gate = self.split(self.norm(x)).chunk(2, dim=-1)
        inner = self.convolution(inner.transpose(1, 2))[:, :, : x.shape[1]].transpose(1, 2)
        return x + self.join(self.selective(nn.functional.silu(inner)) * nn.functional.silu(gate))


model = nn.Sequential(
    nn.Embedding(SYMBOLS + 2, 32), Block(32, 48, 8), Block(32, 48, 8), nn.LayerNorm(32), nn.Linear(32, SYMBOLS)
)
steps = 2 if chosen.quick else chosen.steps
optimizer = torch.optim.AdamW(model.parameters(), lr=5e-3)
schedule = torch.optim.lr_scheduler.OneCycleLR(optimizer, 5e-3, total_steps=steps)
curve = []
for step in range(steps):
    x, answer = task(32)
    scores = model(x)[:, -KEPT:]
    loss = nn.functional.cross_entropy(scores.flatten(0, 1), answer.flatten())
    optimizer.zero_grad()
    loss.backward()
    nn.utils.clip_grad_norm_(model.parameters(), 1.0)
    optimizer.step()
    schedule.step()
    curve.append((scores.argmax(-1) == answer).float().mean().item())
    if step % 100 == 99:
        print(f"step {step + 1}   loss {loss.item():.3f}   right {sum(curve[-50:]) / 50:.1%}", flush=True)

with torch.no_grad():
    x, answer = task(64 if chosen.quick else 256)
    right = (model(x)[:, -KEPT:].argmax(-1) == answer).float().mean().item()
    # how large a step the first block takes at each place: where it reads, and where it lets pass
    embedded = model[1].split(model[1].norm(model[0](x[:8]))).chunk(2, dim=-1)[0]
    inner = model[1].convolution(embedded.transpose(1, 2))[:, :, : x.shape[1]].transpose(1, 2)
    reading = nn.functional.softplus(model[1].selective.step(nn.functional.silu(inner))).mean(-1)
drawn, (left, right_axis) = figure(1, 2, (9, 3))
left.plot(curve, linewidth=0.7)
left.set(xlabel="step", ylabel="share of symbols right")
right_axis.imshow(reading.numpy(), aspect="auto")
for row, column in zip(*torch.where(x[:8] < SYMBOLS)):
    right_axis.text(column.item(), row.item(), str(x[row, column].item()), ha="center", va="center", fontsize=7)
right_axis.set(xlabel="place", ylabel="sequence", title="mean step size; numbers are the symbols")
save(drawn, chosen)
report(chosen, "share of symbols right", right, at_least=0.75)
