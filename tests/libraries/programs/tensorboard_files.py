"""TensorBoard's own reader on the files of SummaryWriter."""

import json

import torch
from tensorboard.backend.event_processing.event_accumulator import EventAccumulator
from torch.utils.tensorboard import SummaryWriter

with SummaryWriter("logs") as writer:
    for step in range(5):
        writer.add_scalar("loss", torch.tensor(1 / 2**step), step)
    writer.add_histogram("weights", torch.arange(100.0), 1)
    writer.add_image("picture", torch.rand(3, 8, 9), 2)
    writer.add_text("note", "hello", 1)
    writer.add_graph(torch.nn.Linear(2, 3), torch.ones(1, 2))
    writer.add_audio("sound", torch.zeros(1, 100))
events = EventAccumulator("logs")
events.Reload()
print(json.dumps({
    "loss": [(s.step, s.value) for s in events.Scalars("loss")], "graph": len(events.Graph().node) > 0,
    "histogram": events.Histograms("weights")[0].histogram_value.num, "width": events.Images("picture")[0].width,
    "text": events.Tags()["tensors"], "sound": events.Tags()["audio"],
}))  # fmt: skip
