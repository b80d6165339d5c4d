"""What every test has: doctests say `torch` without importing it, and no test opens a window."""

import os

import pytest

os.environ.setdefault("MPLBACKEND", "Agg")


@pytest.fixture(autouse=True, scope="session")
def _doctest_names(doctest_namespace: dict) -> None:
    import kenaz

    doctest_namespace.update(torch=kenaz, kenaz=kenaz)
