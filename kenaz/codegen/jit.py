"""LLVM: IR text in, the address of machine code out; compiled code is kept on disk."""

from __future__ import annotations

from typing import Any

import llvmlite
import llvmlite.binding as llvm

from ..runtime import cache

_state: dict[str, Any] = {}


def _machine() -> dict[str, Any]:
    """The target machine of this host, made once."""
    if not _state:
        llvm.initialize_native_target()
        llvm.initialize_native_asmprinter()
        _state["target"] = llvm.Target.from_default_triple()
        _state["cpu"] = llvm.get_host_cpu_name()
        _state["features"] = llvm.get_host_cpu_features().flatten()
        _state["machine"] = _new_machine()
        _state["engine"] = _new_engine()
        _state["loaded"] = []
    return _state


def _new_machine() -> Any:
    return _state["target"].create_target_machine(
        cpu=_state["cpu"], features=_state["features"], opt=3, jit=True, codemodel="jitdefault"
    )


def _new_engine() -> Any:
    return llvm.create_mcjit_compiler(llvm.parse_assembly(""), _new_machine())


def compile_ir(text: str, entry: str) -> int:
    """The address of function `entry` of a module of IR."""
    state = _machine()
    key = cache.key(text, state["cpu"], state["features"], llvmlite.__version__, llvm.llvm_version_info)
    code = cache.load(key)
    if code is None:
        code = _optimized(text)
        cache.store(key, code)
    engine = _new_engine()
    engine.add_object_file(llvm.ObjectFileRef.from_data(code))
    engine.finalize_object()
    state["loaded"].append(engine)  # the engine owns the code
    return engine.get_function_address(entry)


def _optimized(text: str) -> bytes:
    module = llvm.parse_assembly(text)
    module.verify()
    module.triple = _state["target"].triple
    options = llvm.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization, options.loop_unrolling = True, True
    passes = llvm.create_pass_builder(_state["machine"], options)
    passes.getModulePassManager().run(module, passes)
    return _state["machine"].emit_object(module)
