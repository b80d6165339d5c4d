"""d2l and ml_collections: the book's helpers train a softmax regression; a configuration holds tensors."""

import json

import torch
from d2l import torch as d2l
from ml_collections import ConfigDict

torch.manual_seed(0)
config = ConfigDict({"lr": 0.1, "batch": 32, "w": torch.tensor([2.0, -3.4])})
x, y = d2l.synthetic_data(config.w, 4.2, 200)
net = torch.nn.Linear(2, 1)
optimizer = torch.optim.SGD(net.parameters(), lr=config.lr)
batches = d2l.load_array((x, y), config.batch)
for _ in range(20):
    for a, b in batches:
        loss = torch.nn.functional.mse_loss(net(a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
attention = d2l.DotProductAttention(dropout=0.0)
q, k, v = torch.ones(2, 1, 2), torch.ones(2, 10, 2), torch.arange(40.0).reshape(1, 10, 4).repeat(2, 1, 1)
attended = attention(q, k, v, torch.tensor([2, 6]))
print(json.dumps({"weight": net.weight[0].tolist(), "bias": net.bias.item(), "attended": attended.tolist()}))
