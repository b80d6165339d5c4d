"""Transfer learning on a folder of images: what was learned from eight kinds of clothes helps to tell the other two.

A folder with pictures of pullovers and dresses is written and read again (ImageFolder, transforms). With five pictures
of each, a network that begins with the weights of the other task names at least 92 % of the test pictures right; one
that begins from nothing is a point or two behind.
"""

import tempfile
from pathlib import Path

from common import CLASSES, accuracy, batches, fashion, figure, options, report, save

import kenaz as torch
from kenaz import nn
from kenaz.utils.data import DataLoader
from kenaz.vision import datasets, transforms
from kenaz.vision.io import write_png

chosen = options(__doc__, epochs=3)
x, y, test_x, test_y = fashion(chosen, 800 if chosen.quick else 7500, 300 if chosen.quick else 1500)
NEW = [CLASSES.index("Pullover"), CLASSES.index("Dress")]
SHOTS = 5


def network(classes: int) -> nn.Sequential:
    return nn.Sequential(
        nn.Conv2d(1, 16, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Conv2d(16, 32, 5, stride=2, padding=2),
        nn.ReLU(),
        nn.Flatten(),
        nn.Linear(32 * 7 * 7, 64),
        nn.ReLU(),
        nn.Linear(64, classes),
    )


def epoch_of(model: nn.Module, optimizer: torch.optim.Optimizer, images: torch.Tensor, labels: torch.Tensor) -> float:
    loss = nn.functional.cross_entropy(model(images), labels)
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    return loss.item()


# 1. a network learns the eight other classes
old = ~torch.isin(y, torch.tensor(NEW))
before = network(10)
optimizer = torch.optim.Adam(before.parameters(), lr=2e-3)
for epoch in range(1 if chosen.quick else chosen.epochs):
    for batch in batches(int(old.sum()), 100):
        loss = epoch_of(before, optimizer, x[old][batch], y[old][batch])
    print(f"eight classes, epoch {epoch + 1}   loss {loss:.3f}", flush=True)

with tempfile.TemporaryDirectory() as folder:
    # 2. the new task as a folder of images, a folder for each class, as one finds it in the world
    for kind in NEW:
        target = Path(folder) / CLASSES[kind]
        target.mkdir()
        for i, image in enumerate(x[y == kind][:SHOTS]):
            write_png((image * 255).to(torch.uint8), str(target / f"{i}.png"))
    steps = transforms.Compose([transforms.Grayscale(), transforms.RandomHorizontalFlip(), transforms.ToTensor()])
    data = datasets.ImageFolder(folder, transform=steps)
    loader = DataLoader(data, batch_size=10, shuffle=True)

    # 3. test pictures of the two classes, with the folder's numbers for them
    is_new = torch.isin(test_y, torch.tensor(NEW))
    number = {CLASSES.index(name): i for name, i in data.class_to_idx.items()}
    new_x, new_y = test_x[is_new], torch.tensor([number[c] for c in test_y[is_new].tolist()])

    def fine_tuned(model: nn.Sequential, parameters: list) -> list[float]:
        torch.manual_seed(chosen.seed)
        model[-1] = nn.Linear(64, 2)  # a new head for a new task
        optimizer = torch.optim.Adam([*parameters, *model[-1].parameters()], lr=1e-3)
        curve = []
        for _ in range(2 if chosen.quick else 40):
            for images, labels in loader:
                epoch_of(model, optimizer, images, labels)
            curve.append(accuracy(model, new_x, new_y))
        return curve

    fresh = network(10)
    scratch = fine_tuned(fresh, list(fresh[:-1].parameters()))
    transferred = fine_tuned(before, list(before[5].parameters()))  # the convolutions stay as they are

print(f"{', '.join(data.classes)}: from nothing {scratch[-1]:.1%}, transferred {transferred[-1]:.1%}")
drawn, axis = figure()
axis.plot(scratch, label="from nothing")
axis.plot(transferred, label="transferred")
axis.set(xlabel="epoch", ylabel="accuracy on pullovers and dresses", title=f"{SHOTS} pictures of each")
axis.legend()
save(drawn, chosen)
report(chosen, "test accuracy", transferred[-1], at_least=0.92)
