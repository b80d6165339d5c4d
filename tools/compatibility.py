"""Write docs/compatibility.md: which public names of PyTorch 2.13 exist here, and which do not.

    python tools/compatibility.py            writes the page
    python tools/compatibility.py --check    only says what would change, and exits with 1 if anything would

The names are data (`tools/data/torch_names.txt`); why something is absent or partial is said in the tables below.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import warnings
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
NAMES, PAGE = ROOT / "tools" / "data" / "torch_names.txt", ROOT / "docs" / "compatibility.md"

# why a name is absent: parts of names that tell, the first that fits
REASONS = {
    "no GPU": ("cuda", "xpu", "mps", "hpu", "mtia", "cudnn", "miopen", "vulkan", "ThroughputBenchmark", "Benchmark",
               "ipu", "xla", "stale_capture", "accumulate_grad_stream", "AcceleratorError", "grouped_mm", "scaled_mm",
               "ScalingType", "SwizzleType", "tf32", "MTIA"),
    "no quantized tensors": ("quant", "quint", "qint", "q_", "int_repr", "fbgemm", "QInt", "QUInt",
                             "qscheme", "per_channel", "per_tensor", "qparams"),
    "no integers or floats below 8 bits": (
        "bits", "int1", "int2", "int3", "int4", "int5", "int6", "int7", "float4",
    ),
    "only sparse tensors by coordinates, rows and columns": ("sparse", "bsr", "bsc", "saddmm", "sspaddmm", "hsmm",
                                                             "values_copy", "indices_copy", "smm"),
    "no named dimensions": ("named", "names", "align_"),
    "a library that is not used here": ("mkldnn",),
    "no nested tensors": ("nested", "jagged"),
    "no symbolic shapes": ("sym_", "Sym"),
    "no script language: `torch.jit` runs Python": (
        "Type", "script", "parse_", "import_ir", "Script", "JIT", "Code", "CompilationUnit", "Graph", "Node", "Block",
        "Value", "Argument", "AliasDb", "CallStack", "Capsule", "ExecutionPlan", "Gradient", "OperatorInfo",
        "FileCheck", "IODescriptor", "Logger", "StaticModule", "TracingState", "Use", "Dict", "ErrorReport",
        "SerializationStorage",
        "DeserializationStorage", "DeepCopyMemo", "merge_type", "unify_type", "AVG", "SUM", "PyTorchFileWriter",
        "Broadcasting", "boolean_dispatch", "assert_int_or_pair", "Future",
    ),
    "one process only": ("dist", "multiprocessing"),
    "a name of PyTorch's own sources": ("USE_", "PRIVATE", "TYPE_CHECKING", "notes", "Tensor", "Storage", "Tag", "bit",
                                        "has_torch", "handle_torch", "DisableTorch", "ExcludeDispatch", "FatalError"),
    "types of pipes are not checked": ("runtime_validation", "argument_validation", "determinis", "DFIter"),
    "policies would ask about operators of aten": ("selective_checkpoint", "SelectiveCheckpoint", "SAC_", "budget"),
    "a shim of old": ("NestedIOFunction", "enforce_grad_layout", "variable"),
}  # fmt: skip

# names that exist and leave something out
PARTIAL = {
    "torch.compile": "calls that come back are captured and replayed, where that can be proved to be the same; a "
    "backend that is given is not called",
    "torch.device": "`cpu` and `meta` compute; others can be named",
    "torch.layout": "`strided`, `sparse_coo`, and matrices in `sparse_csr` and `sparse_csc`",
    "torch.float8_e4m3fn": "kept, converted and printed, not computed with, as on PyTorch's CPU",
    "torch.jit": "`script` and `trace` give modules that run their Python; there are no files of TorchScript",
    "torch.onnx": "registrations and questions; `export` raises what PyTorch raises without onnxscript",
    "torch.ao.quantization": "stubs and `fuse_modules`; nothing is quantized",
    "torch.library": "`custom_op`, `Library`, `register_*`, `opcheck`; no dispatch keys, so no fallbacks",
    "torch.ops.aten": "operators by name; overloads share one function, which takes the arguments of all",
    "torch.fx": "tracing, graphs, `Interpreter`, `Transformer`, `replace_pattern`, `ShapeProp`; no other passes",
    "torch.func.vmap": "loops where a function looks at values, where gradients pass through, and in eager mode",
    "torch.utils.cpp_extension": "says that there are no C++ headers",
    "torch.utils.data.datapipes": "all but data frames and `routed_decode`; annotations are not checked",
    "torch.sparse": "coordinates, rows, columns; no blocks",
    "torch.Tensor.is_conj": "conjugation is computed, not marked",
    "torchvision.datasets": "MNIST and its like, CIFAR, STL10, SVHN, Caltech101, Flowers102, COCO, ImageNet, folders",
    "torchvision.models.quantization": "floating networks, `fuse_model`; `quantize=True` raises",
    "torchvision.transforms.v2": "no turned boxes (`XYWHR`), no function for each kind (`resize_image`)",
}


def exists(name: str) -> bool:
    """Whether a name of PyTorch's can be reached in Kenaz."""
    parts = name.split(".")[1:]
    found = importlib.import_module("kenaz")
    for i, part in enumerate(parts):
        try:
            found = getattr(found, part)
        except AttributeError:
            try:
                found = importlib.import_module("kenaz." + ".".join(parts[: i + 1]))
            except ImportError:
                return False
    return True


def why(name: str) -> str:
    last = name.rpartition(".")[2]
    return next((reason for reason, parts in REASONS.items() if any(p in last for p in parts)), "not yet")


def page() -> str:
    groups: dict[str, list[str]] = {}
    for name in NAMES.read_text().split():
        groups.setdefault(name.rpartition(".")[0], []).append(name)
    present = {name: exists(name) for names in groups.values() for name in names}
    total = sum(present.values())
    lines = [
        "# Compatibility",
        "",
        "Generated by `python tools/compatibility.py`; do not edit. It compares names; whether a name also *behaves*",
        "like PyTorch's is what the tests and the conformance set measure.",
        "",
        f"Of {len(present)} public names of PyTorch 2.13, {total} exist.",
        "",
        "| namespace | names | exist |",
        "|---|---|---|",
        *(f"| `{g}` | {len(n)} | {sum(present[x] for x in n)} |" for g, n in sorted(groups.items())),
        "",
        "## Partial",
        "",
        *(f"* `{name}`: {what}" for name, what in sorted(PARTIAL.items())),
        "",
        "## Absent",
        "",
        "Not here at all: CUDA and other accelerators, `torch.distributed`, the script language of `torch.jit`,",
        "`torch.export`, files of ONNX, quantized and nested tensors.",
        "",
    ]
    for group, names in sorted(groups.items()):
        reasons: dict[str, list[str]] = {}
        for name in names:
            if not present[name]:
                reasons.setdefault(why(name), []).append(name.rpartition(".")[2])
        if reasons:
            lines += [f"### {group}", ""]
            lines += [
                f"* {reason}: {', '.join(f'`{n}`' for n in absent)}" for reason, absent in sorted(reasons.items())
            ]
            lines.append("")
    return "\n".join(lines)


def main() -> int:
    arguments = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    arguments.add_argument("--check", action="store_true")
    options = arguments.parse_args()
    sys.path.insert(0, str(ROOT))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        text = page()
    if options.check:
        return int(not PAGE.exists() or PAGE.read_text() != text)
    PAGE.write_text(text)
    print(text.splitlines()[5])
    return 0


if __name__ == "__main__":
    sys.exit(main())
