"""Mixed precision: products in bfloat16, the rest and the weights in float32, gradients scaled so that none vanishes.

The accuracy is within 3 points of that of the same network in float32. On a CPU this saves no time; the program shows
how it is written, and that it is safe.
"""

from common import accuracy, batches, fashion, figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__, epochs=5)
x, y, test_x, test_y = fashion(chosen, *((500, 300) if chosen.quick else (7500, 1500)))


def train(dtype: torch.dtype | None) -> tuple[list[float], float]:
    """The losses and the test accuracy of a network, with products in `dtype` (None: nothing special)."""
    torch.manual_seed(chosen.seed)
    model = nn.Sequential(nn.Flatten(), nn.Linear(784, 256), nn.ReLU(), nn.Linear(256, 10))
    optimizer = torch.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    scaler = torch.amp.GradScaler("cpu", enabled=dtype is not None)
    losses = []
    for _ in range(1 if chosen.quick else chosen.epochs):
        for batch in batches(len(x), 100):
            with torch.autocast("cpu", dtype=dtype or torch.bfloat16, enabled=dtype is not None):
                scores = model(x[batch])
                loss = nn.functional.cross_entropy(scores, y[batch])
            if dtype is not None:
                assert scores.dtype == dtype and loss.dtype == torch.float32
            optimizer.zero_grad()
            scaler.scale(loss).backward()  # large numbers have room in 16 bits ...
            scaler.unscale_(optimizer)  # ... and are what they were before anything looks at them
            nn.utils.clip_grad_norm_(model.parameters(), 5.0)
            scaler.step(optimizer)  # leaves the step out if a gradient is infinite
            scaler.update()
            losses.append(loss.item())
    assert all(p.dtype == torch.float32 for p in model.parameters())
    return losses, accuracy(model, test_x, test_y)


full, full_accuracy = train(None)
mixed, mixed_accuracy = train(torch.bfloat16)
print(f"float32: {full_accuracy:.1%}   mixed: {mixed_accuracy:.1%}")
drawn, axis = figure()
axis.plot(full, label="float32", linewidth=0.8)
axis.plot(mixed, label="bfloat16 products", linewidth=0.8)
axis.set(xlabel="step", ylabel="loss")
axis.legend()
save(drawn, chosen)
report(chosen, "points of accuracy lost", 100 * (full_accuracy - mixed_accuracy), at_most=3)
