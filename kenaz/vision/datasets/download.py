"""Files from the network: checked, in one piece or not at all, with a progress bar."""

import hashlib
import os
from collections.abc import Sequence


def check_integrity(path: str, checksum: str | None = None) -> bool:
    """True when the file is there and has the checksum, if one is known: an MD5, or the beginning of a SHA-256."""
    if not os.path.isfile(path):
        return False
    if checksum is None:
        return True
    digest = hashlib.md5(usedforsecurity=False) if len(checksum) == 32 else hashlib.sha256()
    with open(path, "rb") as file:
        while block := file.read(1 << 20):
            digest.update(block)
    return digest.hexdigest().startswith(checksum)


def fetch(url: str, path: str, progress: bool = True) -> None:
    """The content of a URL in a file."""
    from urllib.request import Request, urlopen

    from tqdm import tqdm

    with urlopen(Request(url, headers={"User-Agent": "kenaz"}), timeout=60) as response, open(path, "wb") as file:
        total = response.length
        with tqdm(total=total, unit="B", unit_scale=True, desc=os.path.basename(url), disable=not progress) as bar:
            while block := response.read(1 << 16):
                bar.update(file.write(block))
    if total is not None and os.path.getsize(path) != total:
        raise RuntimeError(f"the connection ended after {os.path.getsize(path)} of {total} bytes")


def download(
    filename: str, folder: str, mirrors: Sequence[str], checksum: str | None = None, progress: bool = True
) -> None:
    """Puts a file into a folder, from the first mirror that has it; a file that is there already is kept.

    It appears under its name only when it is complete and has its checksum: an interrupted download leaves nothing
    behind that a later run would take for the data.
    """
    path = os.path.join(folder, filename)
    if check_integrity(path, checksum):
        return
    os.makedirs(folder, exist_ok=True)
    part = f"{path}.{os.getpid()}.part"
    errors = []
    for mirror in mirrors:
        try:
            fetch(mirror + filename, part, progress)
            if not check_integrity(part, checksum):
                raise RuntimeError("File not found or corrupted.")
            os.replace(part, path)
            return
        except (OSError, RuntimeError) as error:  # urllib's URLError is an OSError
            errors.append(f"Tried {mirror}, got:\n{error}\n")
        finally:
            if os.path.exists(part):
                os.remove(part)
    raise RuntimeError(f"Error downloading {filename}:\n" + "".join(errors))
