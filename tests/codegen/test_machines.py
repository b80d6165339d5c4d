"""What is generated compiles for processors that this host is not: each module of some plans, as far as object code."""

import subprocess
import sys

import pytest

pytest.importorskip("llvmlite")

SCRIPT = """
import platform, sys
import llvmlite.binding as llvm

triple, cpu, architecture = sys.argv[1:]
platform.machine = lambda: architecture
llvm.initialize_all_targets()
llvm.initialize_all_asmprinters()
import kenaz as torch
from kenaz import execute, nn
from kenaz.codegen import jit, layout, rivals
from kenaz.runtime import random

target = llvm.Target.from_triple(triple)
machine = target.create_target_machine(cpu=cpu, features="", opt=3, reloc="pic")
made = []

class Target:
    pass

Target.triple = triple
jit._state.update(
    target=Target, cpu=cpu, features="", wide=(False, False), fuses=True, halves=True, pairs=False,
    host=(triple, cpu), machine=machine,
)

def stored(key, build, vectorize):
    made.append(jit._optimized(build(), vectorize))
    return made[-1]

def plan_for(structure, batch, seen):  # made, and not run
    alive = execute._alive_places(batch, seen)
    layout.make_plan([batch[i] for i in alive], [seen[i] for i in alive])

jit._stored, jit._loaded = stored, lambda code, entries: {name: 4096 for name in entries}
random.compiled.load = lambda now: None
rivals.stays = lambda call, routine: True
execute._plan_for = plan_for

F = nn.functional
image, words = torch.rand(4, 3, 12, 12), torch.randint(20, (4, 9))
layers = nn.Sequential(nn.Conv2d(3, 8, 3, padding=1), nn.BatchNorm2d(8), nn.ReLU(), nn.MaxPool2d(2), nn.Flatten(),
                       nn.Linear(288, 40), nn.GELU(), nn.LayerNorm(40), nn.Dropout(0.2), nn.Linear(40, 5))
table, cell, heads = nn.Embedding(20, 16), nn.LSTM(16, 24, batch_first=True), nn.MultiheadAttention(24, 2, batch_first=True)

def pictures():
    return F.cross_entropy(layers(image), torch.arange(4))

def sentences():
    h = cell(table(words))[0]
    return heads(h, h, h)[0].softmax(-1).log().mean() + h.sin().half().float().cumsum(1).std()

parameters = [p for m in (layers, table, cell, heads) for p in m.parameters()]
optimizer = torch.optim.Adam(parameters)
for loss in (pictures, sentences):
    optimizer.zero_grad()
    loss().backward()
    optimizer.step()
execute.flush()
print(len(made), min(map(len, made)))
"""


@pytest.mark.parametrize(
    "machine",
    [("aarch64-unknown-linux-gnu", "cortex-a76", "aarch64"), ("arm64-apple-darwin", "apple-m1", "arm64"),
     ("x86_64-unknown-linux-gnu", "nehalem", "x86_64")],
    ids=lambda machine: machine[1],
)  # fmt: skip
def test_modules_compile_for_other_processors(machine: tuple[str, str, str], tmp_path) -> None:
    done = subprocess.run(
        [sys.executable, "-c", SCRIPT, *machine], capture_output=True, text=True, timeout=300,
        env={"KENAZ_CACHE": str(tmp_path), "PYTHONPATH": ":".join(sys.path)},
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-3000:]
    count, least = map(int, done.stdout.split())
    assert count > 40 and least > 100
