"""Two meanings of a checkpoint: to go on after an interruption as if nothing had been, and to save memory.

The interrupted run ends with the weights of the other one, to rounding (a difference below 0.000001), and gradients
that come from recomputed values, which saves memory, are the ordinary ones.
"""

import os
import tempfile

from common import batches, fashion, figure, options, report, save

import kenaz as torch
from kenaz import nn
from kenaz.utils.checkpoint import checkpoint

chosen = options(__doc__)
x, y, _, _ = fashion(chosen, 500 if chosen.quick else 3000, 10)
EPOCHS = 2 if chosen.quick else 6


def parts() -> dict:
    torch.manual_seed(chosen.seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 64), nn.ReLU(), nn.Dropout(0.2), nn.Linear(64, 10))
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3)
    schedule = torch.optim.lr_scheduler.StepLR(optimizer, step_size=2, gamma=0.5)
    return {"model": model, "optimizer": optimizer, "schedule": schedule}


def train(running: dict, epochs: int) -> list[float]:
    model, losses = running["model"], []
    for _ in range(epochs):
        for batch in batches(len(x), 100):
            loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
            running["optimizer"].zero_grad()
            loss.backward()
            running["optimizer"].step()
            losses.append(loss.item())
        running["schedule"].step()
    return losses


# 1. without an interruption, and with one in the middle
whole = parts()
losses = train(whole, EPOCHS)

first = parts()
losses_again = train(first, EPOCHS // 2)
with tempfile.TemporaryDirectory() as folder:
    path = os.path.join(folder, "checkpoint.pt")
    # weights alone are not enough: the optimizer's means, the schedule and the random numbers belong to it
    torch.save({name: part.state_dict() for name, part in first.items()} | {"random": torch.get_rng_state()}, path)
    second = parts()
    state = torch.load(path)
    for name, part in second.items():
        part.load_state_dict(state[name])
    torch.set_rng_state(state["random"])
losses_again += train(second, EPOCHS - EPOCHS // 2)
difference = max((a - b).abs().max().item() for a, b in zip(whole["model"].parameters(), second["model"].parameters()))

# 2. memory: what lies between the marks is not kept for the backward pass but computed again
deep = nn.ModuleList(nn.Sequential(nn.Linear(64, 64), nn.Tanh()) for _ in range(12))


def gradients(again: bool) -> list[torch.Tensor]:
    out = torch.linspace(-1, 1, 64).repeat(8, 1)
    for block in deep:
        out = checkpoint(block, out, use_reentrant=False) if again else block(out)
    return list(torch.autograd.grad(out.sum(), list(deep.parameters())))


apart = max((a - b).abs().max().item() for a, b in zip(gradients(False), gradients(True)))
print(f"recomputed gradients differ by {apart:.2g}")
drawn, axis = figure()
axis.plot(losses, label="in one go")
axis.plot(losses_again, "--", label="interrupted")
axis.axvline(len(losses) // 2, color="gray", linewidth=0.7)
axis.set(xlabel="step", ylabel="loss")
axis.legend()
save(drawn, chosen)
report(chosen, "difference of gradients", apart, at_most=1e-5)
report(chosen, "difference of weights", difference, at_most=1e-6)
