"""Wrote the files of this folder, with real PyTorch 2.13: `python make.py` in an environment that has it."""

from collections import OrderedDict

import torch
from torch import nn


def main() -> None:
    base = torch.arange(12.0)
    views = {"all": base, "transposed": base.view(3, 4).t(), "part": base[2:6], "one": base[7]}
    dtypes = {
        str(dtype): torch.tensor([0, 1, 1, 0]).to(dtype)
        for dtype in (
            torch.bool, torch.uint8, torch.int8, torch.int16, torch.int32, torch.int64, torch.uint16, torch.uint32,
            torch.uint64, torch.float16, torch.bfloat16, torch.float32, torch.float64, torch.complex64,
            torch.complex128,
        )
    }  # fmt: skip
    plain = {
        "numbers": [1, -300, 70000, 2**70, 1.5, 1j], "strings": ["a", "é", b"\xff"], "none": (None, True),
        "set": {1, 2}, "ordered": OrderedDict(a=1), "size": torch.Size([2, 3]), "dtype": torch.float16,
        "device": torch.device("cuda:1"),
    }  # fmt: skip
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 2), nn.ReLU(), nn.BatchNorm1d(2))
    parameter = nn.Parameter(torch.ones(2), requires_grad=False)
    parameter.note = "kept"
    lazy = {"conj": torch.tensor([1 + 2j]).conj(), "parameter": parameter, "meta": torch.empty(2, 3, device="meta")}
    for name, obj in {"views": views, "dtypes": dtypes, "plain": plain, "model": model, "lazy": lazy}.items():
        torch.save(obj, f"{name}.pt")
    torch.save(model.state_dict(), "state_dict.pt")
    torch.save(views, "views_legacy.pt", _use_new_zipfile_serialization=False)
    torch.save(plain, "plain_protocol4.pt", pickle_protocol=4)
    print(model(torch.tensor([[1.0, 2, 3], [4, 5, 7]])).tolist())


if __name__ == "__main__":
    main()
