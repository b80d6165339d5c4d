"""LLVM: IR text in, the addresses of machine code out; compiled code is kept on disk."""

from __future__ import annotations

import os
import platform
import sys
from collections.abc import Callable, Iterable
from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ..core import config
from ..runtime import cache

_state: dict[str, Any] = {}


def _machine() -> dict[str, Any]:
    """The target machine of this host, made once."""
    if not _state:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _state["target"] = llvm.Target.from_default_triple()
        _state["cpu"] = llvm.get_host_cpu_name()
        features = _allowed(llvm.get_host_cpu_features())
        _state["wide"] = bool(features.get("avx512f")), bool(features.get("avx2"))
        _state["fuses"] = bool(features.get("fma")) or platform.machine() in ("aarch64", "arm64")
        _state["halves"] = bool(features.get("f16c")) or platform.machine() in ("aarch64", "arm64")
        _state["pairs"] = bool(features.get("avx512bf16"))
        _state["features"] = features.flatten()
        # what object code depends on besides its source
        versions = llvmlite.__version__, llvm.llvm_version_info
        _state["host"] = _state["target"].triple, _state["cpu"], _state["features"], *versions
        _state["machine"] = _new_machine()
    return _state


# what x86 has only together with registers of so many bytes
_WIDE = {64: ("avx512", "avx10", "evex512", "amx"), 32: ("avx", "f16c", "fma", "vaes", "vpclmulqdq", "xop")}


def _allowed(features: Any) -> Any:
    """The host's features without those of registers wider than KENAZ_VECTOR."""
    for size, names in _WIDE.items():
        if size > config.VECTOR:
            features.update({name: False for name in features if name.startswith(names)})
    return features


def _new_machine() -> Any:
    return _state["target"].create_target_machine(
        cpu=_state["cpu"], features=_state["features"], opt=3, jit=True, codemodel="jitdefault"
    )


def vector_bytes() -> int:
    """How many bytes a vector register of this host holds: 64 with AVX-512, 32 with AVX2, else 16."""
    avx512, avx2 = _machine()["wide"]
    return 64 if avx512 else 32 if avx2 else 16


def has_avx512() -> bool:
    """Whether this host runs AVX-512 instructions."""
    return _machine()["wide"][0]


def vector_registers() -> int:
    """How many vector registers this host has: 32 with AVX-512 and on ARM, else 16."""
    return 32 if vector_bytes() == 64 or platform.machine() in ("aarch64", "arm64") else 16


def multiplies_pairs() -> bool:
    """Whether this host has an instruction for inner products of pairs of bfloat16s."""
    return has_avx512() and _machine()["pairs"]


def host() -> tuple:
    """What code and measurements depend on: the processor, its features, the versions of the compiler."""
    return _machine()["host"]


def fuses() -> bool:
    """Whether this host computes a * b + c with one rounding."""
    _machine()
    return _state["fuses"]


def converts_halves() -> bool:
    """Whether this host converts float16 in hardware; elsewhere LLVM would call a library that is not there."""
    _machine()
    return _state["halves"]


def load(signature: Any, entries: Iterable[str], build: Callable[[], str], vectorize: bool = False) -> dict[str, int]:
    """As `compile_module`, for a module that `signature` tells apart: it is built only where the disk does not have it.

    The sources of Kenaz are part of the key, so that an edited emitter does not find its old code.
    """
    state = _machine()
    key = cache.key(signature, _fingerprint(), vectorize, *state["host"])
    return _loaded(_stored(key, build, vectorize), entries)


def _stored(key: str, build: Callable[[], str], vectorize: bool) -> bytes:
    """The object code under a key of the cache, which is made where it is not there."""
    code = cache.load(key)
    if code is None:
        code = _optimized(build(), vectorize)
        cache.store(key, code)
    return code


def _fingerprint() -> str:
    """Sizes and times of the files that decide what is generated."""
    if "sources" not in _state:
        root = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
        files = [
            e for part in ("codegen", "ops") for e in os.scandir(os.path.join(root, part)) if e.name.endswith(".py")
        ]
        _state["sources"] = cache.key(sorted((e.name, e.stat().st_size, e.stat().st_mtime_ns) for e in files))
    return _state["sources"]


def compile_module(text: str, entries: Iterable[str], vectorize: bool = False) -> dict[str, int]:
    """The addresses of the functions `entries` of a module of IR; `vectorize` leaves vectors and unrolling to LLVM."""
    key = cache.key(text, vectorize, *_machine()["host"])
    return _loaded(_stored(key, lambda: text, vectorize), entries)


def _loaded(code: bytes, entries: Iterable[str]) -> dict[str, int]:
    engine = llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    addresses = {name: engine.get_function_address(name) for name in entries}
    engine.detach()  # never freed: threads may run the code for as long as the process lives
    return addresses


def _optimized(text: str, vectorize: bool) -> bytes:
    if config.DEBUG >= 5:
        print(text, file=sys.stderr)
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple = _state["target"].triple
    options = llvm.create_pipeline_tuning_options(speed_level=3 if vectorize else 2)
    options.loop_vectorization = options.loop_unrolling = vectorize
    options.slp_vectorization = False
    passes = llvm.create_pass_builder(_state["machine"], options)
    passes.getModulePassManager().run(module, passes)
    return _state["machine"].emit_object(module)
