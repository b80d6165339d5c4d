"""`torch.onnx`: questions and registrations. Files of ONNX are not written: what PyTorch writes them with is
`onnxscript`, and without it PyTorch raises the same errors."""

from __future__ import annotations

from collections.abc import Callable
from enum import Enum
from typing import Any

from . import operators, symbolic_helper
from .errors import OnnxExporterError

__all__ = [
    "ONNXProgram", "OnnxExporterError", "OperatorExportTypes", "TensorProtoDataType", "TrainingMode", "errors",
    "export", "is_in_onnx_export", "operators", "register_custom_op_symbolic", "symbolic_helper",
    "unregister_custom_op_symbolic",
]  # fmt: skip


class TrainingMode(Enum):
    """In which mode a network is exported."""

    EVAL = 0
    PRESERVE = 1
    TRAINING = 2


class OperatorExportTypes(Enum):
    """What becomes of operators that ONNX has not."""

    ONNX = 0
    ONNX_ATEN = 1
    ONNX_ATEN_FALLBACK = 2
    ONNX_FALLTHROUGH = 3


# fmt: off
TensorProtoDataType = Enum("TensorProtoDataType", {
    "UNDEFINED": 0, "FLOAT": 1, "UINT8": 2, "INT8": 3, "UINT16": 4, "INT16": 5, "INT32": 6, "INT64": 7, "STRING": 8,
    "BOOL": 9, "FLOAT16": 10, "DOUBLE": 11, "UINT32": 12, "UINT64": 13, "COMPLEX64": 14, "COMPLEX128": 15,
    "BFLOAT16": 16, "FLOAT8E4M3FN": 17, "FLOAT8E4M3FNUZ": 18, "FLOAT8E5M2": 19, "FLOAT8E5M2FNUZ": 20,
})
# fmt: on


class ONNXProgram:
    """An exported program, for annotations: none is made here."""


def is_in_onnx_export() -> bool:
    """Whether a program runs to be exported: never.

    >>> is_in_onnx_export()
    False
    """
    return False


def export(
    model: Any, args: Any = (), f: Any = None, *, dynamo: bool = True, **options: Any
) -> Any:  # fmt: skip
    """Raises ModuleNotFoundError where `onnxscript` is not installed, as PyTorch does, else OnnxExporterError."""
    import importlib

    if not dynamo:
        raise OnnxExporterError("Module onnx is not installed!")
    importlib.import_module("onnxscript")
    raise OnnxExporterError(
        "Kenaz writes no files of ONNX. Save the model's state_dict(), load it into the same model in PyTorch, and "
        "export it there."
    )


_symbolics: dict[tuple[str, int], Callable] = {}


def register_custom_op_symbolic(symbolic_name: str, symbolic_fn: Callable, opset_version: int) -> None:
    """Keep a function that would write an operator for an exporter."""
    if "::" not in symbolic_name:
        raise ValueError(
            f"Failed to register operator {symbolic_name}. The symbolic name must match the format "
            "domain::name, and should start with a letter and contain only alphanumerical characters"
        )
    _symbolics[symbolic_name, opset_version] = symbolic_fn


def unregister_custom_op_symbolic(symbolic_name: str, opset_version: int) -> None:
    """Forget such a function."""
    _symbolics.pop((symbolic_name, opset_version), None)
