"""Switches of libraries that are not here: programs set them, and read what they have set."""

import pytest

import kenaz as torch
from kenaz import backends


def test_tf32_is_the_precision_of_matmul() -> None:
    matmul = backends.cuda.matmul
    assert not matmul.allow_tf32 and matmul.fp32_precision == "none"
    matmul.allow_tf32 = True
    try:
        assert torch.get_float32_matmul_precision() == "high" and matmul.fp32_precision == "tf32"
    finally:
        torch.set_float32_matmul_precision("highest")
    assert not matmul.allow_tf32


def test_unknown_switches_are_refused() -> None:
    with pytest.raises(AttributeError):
        backends.cuda.matmul.nope = 1
    with pytest.raises(AttributeError, match="Unknown attribute nope"):
        backends.cuda.matmul.nope


@pytest.mark.parametrize("name", ["flash", "math", "mem_efficient", "cudnn"])
def test_kinds_of_attention(name: str) -> None:
    ask, switch = (getattr(backends.cuda, form.format(name)) for form in ("{}_sdp_enabled", "enable_{}_sdp"))
    assert ask()
    switch(False)
    try:
        assert not ask()
        with backends.cuda.sdp_kernel():
            assert ask()
        assert not ask()
    finally:
        switch(True)


@pytest.mark.parametrize("library", [backends.cudnn, backends.mkldnn])
def test_flags_hold_inside_with(library) -> None:
    with library.flags(enabled=False, deterministic=True):
        assert (library.enabled, library.deterministic) == (False, True)
    assert (library.enabled, library.deterministic) == (True, False)
