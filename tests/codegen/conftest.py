"""Tests of generated code want generated code, on machines too where NumPy's BLAS is faster."""

import importlib.util

import pytest


@pytest.fixture(autouse=True)
def no_rivals(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    if importlib.util.find_spec("llvmlite") and "test_rivals" not in request.node.nodeid:
        from kenaz.codegen import rivals

        monkeypatch.setattr(rivals, "LARGE", float("inf"))
