"""A graph network (GCN, 2016) finds the two halves of a karate club from one member of each, and who knows whom.

At least 32 of the 34 members are put where they went when the club split (Zachary, 1977).
"""

from common import figure, options, report, save

import kenaz as torch
from kenaz import nn

chosen = options(__doc__)
# friends of each member, each pair once
FRIENDS = {
    0: [1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 17, 19, 21, 31],
    1: [2, 3, 7, 13, 17, 19, 21, 30],
    2: [3, 7, 8, 9, 13, 27, 28, 32],
    3: [7, 12, 13],
    4: [6, 10],
    5: [6, 10, 16],
    6: [16],
    8: [30, 32, 33],
    9: [33],
    13: [33],
    14: [32, 33],
    15: [32, 33],
    18: [32, 33],
    19: [33],
    20: [32, 33],
    22: [32, 33],
    23: [25, 27, 29, 32, 33],
    24: [25, 27, 31],
    25: [31],
    26: [29, 33],
    27: [33],
    28: [31, 33],
    29: [32, 33],
    30: [32, 33],
    31: [32, 33],
    32: [33],
}
WITH_THE_TEACHER = [0, 1, 2, 3, 4, 5, 6, 7, 8, 10, 11, 12, 13, 16, 17, 19, 21]
side = torch.ones(34, dtype=torch.long)
side[WITH_THE_TEACHER] = 0

# the adjacency matrix, each with oneself, normalised by the numbers of friends on both sides
adjacency = torch.eye(34)
for member, friends in FRIENDS.items():
    adjacency[member, friends] = 1
    adjacency[friends, member] = 1
scale = adjacency.sum(1).rsqrt()
adjacency = scale[:, None] * adjacency * scale


class Convolution(nn.Module):
    """Each member gets a mixture of what the friends have, through a linear layer."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.linear = nn.Linear(inputs, outputs)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        return adjacency @ self.linear(x)


# nothing is known about the members: each one's feature is who it is
model = nn.Sequential(Convolution(34, 16), nn.Tanh(), Convolution(16, 2))
optimizer = torch.optim.Adam(model.parameters(), lr=0.02, weight_decay=5e-4)
known = torch.tensor([0, 33])  # the teacher and the president
for step in range(20 if chosen.quick else 200):
    loss = nn.functional.cross_entropy(model(torch.eye(34))[known], side[known])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
    if step % 50 == 0:
        print(f"step {step}   loss {loss.item():.4f}")

with torch.no_grad():
    scores = model(torch.eye(34))
right = (scores.argmax(1) == side).sum().item()

# a layout: friends pull, everyone pushes
place = torch.randn(34, 2)
for _ in range(20 if chosen.quick else 150):
    apart = place[:, None] - place[None]
    distance = apart.norm(dim=-1, keepdim=True) + 0.1
    place = place + 0.02 * (apart / distance**3 - 2 * apart * (adjacency > 0).float()[:, :, None]).sum(1)
drawn, axis = figure(size=(5, 4))
for member, friends in FRIENDS.items():
    for friend in friends:
        axis.plot(*place[[member, friend]].T.numpy(), color="lightgray", linewidth=0.7, zorder=0)
axis.scatter(*place.T.numpy(), c=scores.softmax(1)[:, 1].numpy(), cmap="coolwarm", s=60)
wrong = scores.argmax(1) != side
axis.scatter(*place[wrong].T.numpy(), facecolors="none", edgecolors="black", s=140)
axis.set_title("the two halves, as found from two members", fontsize=9)
axis.axis("off")
save(drawn, chosen)
report(chosen, "members in the right half", right, at_least=32)
