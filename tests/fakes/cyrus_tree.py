"""Where the programs of Cyrus IMAP are: Debian packages unpacked into a cache, never installed.

Cyrus and Dovecot exclude each other in apt, so the packages are downloaded and unpacked only.
`python -m tests.fakes.cyrus_tree` does that once on a machine (`make servers` calls it); nothing
but the standard library is needed for it.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path

# Cyrus, and those of its libraries that a small Debian 12 lacks.
PACKAGES = ("cyrus-imapd", "cyrus-common", "libical3", "libpcre3", "libxapian30")
DOWNLOAD_TIMEOUT_S = 300
_LIBRARIES = ("usr/lib/x86_64-linux-gnu", "lib/x86_64-linux-gnu")


def tree() -> Path:
    """The unpacked packages; for root in a place that other users can reach."""
    if os.geteuid() == 0:
        return Path("/var/cache/postroom-tests/cyrus")
    cache = os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache"
    return Path(cache) / "postroom-tests" / "cyrus"


def is_there() -> bool:
    return program("imapd").exists()


def program(name: str) -> Path:
    """One of the programs of Cyrus."""
    return tree() / "usr" / "lib" / "cyrus" / "bin" / name


def library_path() -> str:
    """The value of LD_LIBRARY_PATH that lets the programs find their libraries."""
    return ":".join(str(tree() / directory) for directory in _LIBRARIES)


def fetch() -> None:
    """Download and unpack the packages; an unfinished attempt leaves nothing."""
    tree().parent.mkdir(parents=True, exist_ok=True)
    fresh = Path(tempfile.mkdtemp(dir=tree().parent))
    try:
        fresh.chmod(0o755)
        _download(fresh)
        for package in fresh.glob("*.deb"):
            subprocess.run(["dpkg", "-x", str(package), str(fresh)], check=True)
            package.unlink()
        fresh.rename(tree())
    finally:
        shutil.rmtree(fresh, ignore_errors=True)


def _download(directory: Path) -> None:
    """`apt-get download`; with fresh package lists where the present ones do not do."""
    command = ["apt-get", "-qq", "download", *PACKAGES]
    tried = subprocess.run(
        command, cwd=directory, capture_output=True, timeout=DOWNLOAD_TIMEOUT_S, check=False
    )
    if tried.returncode == 0:
        return
    subprocess.run(["apt-get", "-qq", "update"], check=True, timeout=DOWNLOAD_TIMEOUT_S)
    subprocess.run(command, cwd=directory, check=True, timeout=DOWNLOAD_TIMEOUT_S)


if __name__ == "__main__":
    if not is_there():
        try:
            fetch()
        except (OSError, subprocess.SubprocessError) as error:
            sys.exit(f"Cyrus cannot be had here, its tests will be skipped: {error}")
