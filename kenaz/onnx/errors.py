"""What an export may raise."""

__all__ = ["OnnxExporterError", "OnnxExporterWarning", "SymbolicValueError", "UnsupportedOperatorError"]


class OnnxExporterWarning(UserWarning):
    """A warning of an exporter."""


class OnnxExporterError(RuntimeError):
    """An export that failed."""


class UnsupportedOperatorError(OnnxExporterError):
    """An operator that ONNX has not."""


class SymbolicValueError(OnnxExporterError):
    """A value that an exporter cannot write."""
