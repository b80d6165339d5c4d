"""What `kenaz doctor` prints: the facts to send along with a question."""

import importlib.metadata
import importlib.util
import os
import platform
import shutil
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

from .version import __version__ as torch_version
from .version import kenaz

OPTIONAL = {"scipy": "scipy", "matplotlib": "plot", "cupy": "cuda"}  # package: the extra that installs it


def versions() -> str:
    return f"kenaz {kenaz} (interface of PyTorch {torch_version}) in {Path(__file__).parent}"


def python() -> str:
    return f"{platform.python_version()} ({sys.executable}) on {platform.platform()}"


def cpu() -> str:
    name = platform.processor() or platform.machine()
    try:
        lines = Path("/proc/cpuinfo").read_text().splitlines()
        name = next((line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")), name)
    except OSError:
        pass  # not Linux
    return name


def threads() -> str:
    from .runtime.threads import get_num_threads, usable_cpus

    return f"{get_num_threads()} used; {os.cpu_count()} CPUs, {usable_cpus()} by affinity and the container's quota"


def blas() -> str:
    import numpy

    build = numpy.show_config(mode="dicts")["Build Dependencies"]["blas"]
    return f"NumPy {numpy.__version__} with {build.get('name')} {build.get('version')}"


def llvm() -> str:
    import llvmlite
    import llvmlite.binding

    number = ".".join(map(str, llvmlite.binding.llvm_version_info))
    return f"LLVM {number} (llvmlite {llvmlite.__version__}), code for {llvmlite.binding.get_host_cpu_name()}"


def cache() -> str:
    from .runtime import cache as kernels

    folder = Path(kernels.folder())
    files = [file for file in folder.rglob("*") if file.is_file()] if folder.is_dir() else []
    return f"{folder}: {len(files)} files, {sum(file.stat().st_size for file in files) / 1e6:.1f} MB"


def gpu() -> str:
    tool = shutil.which("nvidia-smi")
    if tool is None:
        return "none found (no nvidia-smi)"
    query = [tool, "--query-gpu=name,memory.total,driver_version", "--format=csv,noheader"]
    done = subprocess.run(query, capture_output=True, text=True, timeout=20)
    found = "; ".join(done.stdout.split("\n")).strip("; ") or f"nvidia-smi fails: {done.stderr.strip()}"
    return found if importlib.util.find_spec("cupy") else f"{found}; unused: pip install 'kenaz[cuda]'"


def optional() -> str:
    def state(package: str, extra: str) -> str:
        try:
            return f"{package} {importlib.metadata.version(package)}"
        except importlib.metadata.PackageNotFoundError:
            return f"no {package} (pip install 'kenaz[{extra}]')"

    return ", ".join(state(*item) for item in OPTIONAL.items())


def switches() -> str:
    return " ".join(f"{k}={v}" for k, v in sorted(os.environ.items()) if k.startswith("KENAZ_")) or "none set"


FACTS: dict[str, Callable[[], str]] = {
    "version": versions,
    "python": python,
    "cpu": cpu,
    "threads": threads,
    "blas": blas,
    "llvm": llvm,
    "cache": cache,
    "gpu": gpu,
    "optional": optional,
    "KENAZ_*": switches,
}


def report() -> str:
    """A line for each fact; what cannot be found out says why."""
    lines = []
    for name, fact in FACTS.items():
        try:
            text = fact()
        except Exception as error:  # a broken installation is what this command is for
            text = f"not found out: {type(error).__name__}: {error}"
        lines.append(f"{name:9s} {text}")
    return "\n".join(lines)
