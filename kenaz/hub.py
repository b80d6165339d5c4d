"""Models from `hubconf.py` files, and files of weights: kept in the hub's folder once they have been fetched."""

from __future__ import annotations

import os
import re
import sys
import types
from pathlib import Path
from typing import Any
from urllib.parse import urlparse

from .serialization import load as load_file

__all__ = ["download_url_to_file", "get_dir", "help", "list", "load", "load_state_dict_from_url", "set_dir"]

HASH_REGEX = re.compile(r"-([a-f0-9]*)\.")  # weights-0123abcd.pth: the beginning of the file's SHA-256
ENV_GITHUB_TOKEN = "GITHUB_TOKEN"
MODULE_HUBCONF = "hubconf.py"
VAR_DEPENDENCY = "dependencies"
_hub_dir: str | None = None
_list = list


# -------------------------------------------------------------------------------------------------------------- folders
def _get_torch_home() -> str:
    """The folder for what is downloaded: $TORCH_HOME, or torch/ in the user's cache."""
    cache = os.getenv("XDG_CACHE_HOME", "~/.cache")
    return os.path.expanduser(os.getenv("TORCH_HOME", os.path.join(cache, "torch")))


def get_dir() -> str:
    """The hub's folder."""
    if os.getenv("TORCH_HUB"):
        import warnings

        warnings.warn("TORCH_HUB is deprecated, please use env TORCH_HOME instead", stacklevel=2)
    return _hub_dir if _hub_dir is not None else os.path.join(_get_torch_home(), "hub")


def set_dir(d: str | os.PathLike) -> None:
    """Choose the hub's folder."""
    global _hub_dir
    _hub_dir = os.path.expanduser(d)


# --------------------------------------------------------------------------------------------------------------- models
def _folder(repo_or_dir: str, source: str, force_reload: bool, trust_repo: Any, verbose: bool) -> str:
    if source not in ("github", "local"):
        raise ValueError(f'Unknown source: "{source}". Allowed values: "github" | "local".')
    if source == "local":
        return repo_or_dir
    return _fetched(repo_or_dir, force_reload, trust_repo, verbose)


def _parts(github: str) -> tuple[str, str, str]:
    """Owner, name and branch of `owner/name[:branch]`."""
    repository, _, branch = github.partition(":")
    owner, _, name = repository.partition("/")
    return owner, name, branch or "main"


def _fetched(github: str, force_reload: bool, trust_repo: Any, verbose: bool) -> str:
    """The folder of a repository of GitHub, downloaded unless it is there."""
    import shutil
    import zipfile

    owner, name, branch = _parts(github)
    place = os.path.join(get_dir(), "_".join([owner, name, re.sub(r"[\W]", "_", branch)]))
    if os.path.exists(place) and not force_reload:
        if verbose:
            sys.stderr.write(f"Using cache found in {place}\n")
        return place
    _ask(owner, name, trust_repo)
    archive = os.path.join(get_dir(), f"{branch.replace('/', '_')}.zip")
    os.makedirs(get_dir(), exist_ok=True)
    url = f"https://github.com/{owner}/{name}/zipball/{branch}"
    sys.stdout.write(f'Downloading: "{url}" to {archive}\n')
    download_url_to_file(url, archive, progress=False)
    with zipfile.ZipFile(archive) as opened:
        top = os.path.join(get_dir(), opened.namelist()[0])
        opened.extractall(get_dir())
    os.remove(archive)
    shutil.rmtree(place, ignore_errors=True)
    shutil.move(top, place)
    return place


def _ask(owner: str, name: str, trust_repo: Any) -> None:
    """Whether to run a repository's code: asked once, remembered in the hub's folder."""
    trusted = Path(get_dir(), "trusted_list")
    known = trusted.read_text().split() if trusted.exists() else []
    repository = f"{owner}_{name}"
    if repository in known or owner in ("facebookresearch", "facebookincubator", "pytorch", "fairinternal"):
        return
    if trust_repo not in (True, "check"):
        raise Exception("Untrusted repository.")
    if trust_repo == "check":
        answer = input(
            f"The repository {owner}_{name} does not belong to the list of trusted repositories and as such cannot be "
            "downloaded. Do you trust this repository and wish to add it to the trusted list of repositories (y/N)?"
        )
        if answer.lower() not in ("y", "yes"):
            raise Exception("Untrusted repository.")
    trusted.parent.mkdir(parents=True, exist_ok=True)
    trusted.write_text("\n".join([*known, repository]) + "\n")


def _hubconf(folder: str) -> types.ModuleType:
    """The module hubconf.py of a folder; what it depends on must be installed."""
    import importlib.util

    path = os.path.join(folder, MODULE_HUBCONF)
    sys.path.insert(0, folder)
    try:
        spec = importlib.util.spec_from_file_location(MODULE_HUBCONF, path)
        assert spec is not None and spec.loader is not None
        module = importlib.util.module_from_spec(spec)
        spec.loader.exec_module(module)
        missing = [d for d in getattr(module, VAR_DEPENDENCY, ()) if importlib.util.find_spec(d) is None]
    finally:
        sys.path.remove(folder)
    if missing:
        raise RuntimeError(f"Missing dependencies: {', '.join(missing)}")
    return module


def _entry(module: types.ModuleType, model: Any) -> Any:
    if not isinstance(model, str):
        raise ValueError("Invalid input: model should be a string of function name")
    found = getattr(module, model, None)
    if found is None or not callable(found):
        raise RuntimeError(f"Cannot find callable {model} in hubconf")
    return found


def load(
    repo_or_dir: str, model: str, *args: Any, source: str = "github", trust_repo: Any = "check",
    force_reload: bool = False, verbose: bool = True, skip_validation: bool = False, **kwargs: Any,
) -> Any:  # fmt: skip
    """What the function `model` of a repository's or a local folder's hubconf.py returns for the arguments."""
    folder = _folder(repo_or_dir, source.lower(), force_reload, trust_repo, verbose)
    return _entry(_hubconf(folder), model)(*args, **kwargs)


def list(
    github: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check",
    verbose: bool = True,
) -> _list[str]:  # fmt: skip
    """The names of a repository's models."""
    module = _hubconf(_fetched(github, force_reload, trust_repo, verbose))
    return [name for name, value in vars(module).items() if callable(value) and not name.startswith("_")]


def help(
    github: str, model: str, force_reload: bool = False, skip_validation: bool = False, trust_repo: Any = "check"
) -> Any:  # fmt: skip
    """The docstring of a repository's model."""
    return _entry(_hubconf(_fetched(github, force_reload, trust_repo, True)), model).__doc__


# ---------------------------------------------------------------------------------------------------------------- files
def download_url_to_file(url: str, dst: str, hash_prefix: str | None = None, progress: bool = True) -> None:
    """Fetch a file; it appears under its name when it is complete and its SHA-256 begins as `hash_prefix` says.

    Raises RuntimeError where it does not, and the errors of `urllib`.
    """
    import hashlib
    import tempfile
    from urllib.request import Request, urlopen

    digest = hashlib.sha256()
    target = os.path.expanduser(dst)
    with urlopen(Request(url, headers={"User-Agent": "kenaz.hub"})) as response:
        size = int(response.headers.get("Content-Length") or 0)
        with tempfile.NamedTemporaryFile(dir=os.path.dirname(target) or ".", delete=False) as partial:
            try:
                for chunk in _chunks(response, size, progress):
                    partial.write(chunk)
                    digest.update(chunk)
                partial.close()
                if hash_prefix is not None and not digest.hexdigest().startswith(hash_prefix):
                    raise RuntimeError(
                        f'invalid hash value (expected "{hash_prefix}", got "{digest.hexdigest()}")'
                    )
                os.replace(partial.name, target)
            finally:
                if os.path.exists(partial.name):
                    os.remove(partial.name)


def _chunks(response: Any, size: int, progress: bool) -> Any:
    from tqdm import tqdm

    with tqdm(total=size or None, disable=not progress, unit="B", unit_scale=True, unit_divisor=1024) as bar:
        while chunk := response.read(1 << 17):
            bar.update(len(chunk))
            yield chunk


def load_state_dict_from_url(
    url: str, model_dir: str | None = None, map_location: Any = None, progress: bool = True, check_hash: bool = False,
    file_name: str | None = None, weights_only: bool = False,
) -> dict[str, Any]:  # fmt: skip
    """What `load` gives for a file at a URL, which is fetched unless it is in `model_dir` (checkpoints/ of the hub's
    folder).

    With `weights_only` a file runs no code; give it for files from people you do not know.
    """
    folder = model_dir or os.path.join(get_dir(), "checkpoints")
    os.makedirs(folder, exist_ok=True)
    name = file_name or os.path.basename(urlparse(url).path)
    path = os.path.join(folder, name)
    if not os.path.exists(path):
        sys.stdout.write(f'Downloading: "{url}" to {path}\n')
        match = HASH_REGEX.search(name) if check_hash else None
        download_url_to_file(url, path, match[1] if match else None, progress)
    return load_file(path, map_location=map_location, weights_only=weights_only)
