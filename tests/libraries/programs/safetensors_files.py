"""safetensors: files of tensors and of models, slices, metadata, and the refusal of shared memory."""

import json

import torch
from safetensors import safe_open
from safetensors.torch import load, load_file, load_model, save, save_file, save_model

tensors = {
    "a": torch.arange(12.0).reshape(3, 4), "half": torch.ones(2).half(), "brain": torch.ones(2, dtype=torch.bfloat16),
    "flags": torch.tensor([True, False]), "whole": torch.arange(5), "empty": torch.empty(0, 3),
}  # fmt: skip
save_file(tensors, "file", metadata={"made": "here"})
back, bytewise = load_file("file"), load(save(tensors))
with safe_open("file", "pt") as file:
    part = file.get_slice("a")[1:, :2].tolist()
    metadata = file.metadata()
model, other = torch.nn.Linear(3, 2), torch.nn.Linear(3, 2)
save_model(model, "model")
missing = load_model(other, "model")
try:
    save_file({"a": tensors["a"], "b": tensors["a"]}, "file")
    refused = ""
except RuntimeError as error:
    refused = str(error)
print(json.dumps({
    "same": all(torch.equal(v, d[k]) and v.dtype == d[k].dtype for d in (back, bytewise) for k, v in tensors.items()),
    "part": part, "metadata": metadata, "model": torch.equal(model.weight, other.weight), "refused": "share memory" in refused,
    "missing": [len(missing[0]), len(missing[1])],
}))  # fmt: skip
