"""What a result depends on besides the code: the machine, the commit, the versions."""

import os
import platform
import subprocess
from importlib.metadata import version
from pathlib import Path


def proc(file: str, key: str) -> str:
    for line in Path("/proc", file).read_text().splitlines():
        if line.startswith(key):
            return line.split(":", 1)[1].strip()
    return "unknown"


def memory_bytes(key: str) -> int:
    """A line of /proc/meminfo, as `MemTotal` or `MemAvailable`."""
    return int(proc("meminfo", key).split()[0]) * 1024


def describe() -> dict[str, str | int]:
    return {
        "cpu": proc("cpuinfo", "model name"),
        "cores": os.cpu_count() or 1,
        "memory_bytes": memory_bytes("MemTotal"),
        "kernel": f"{platform.system()} {platform.release()}",
    }


def commit() -> str:
    """The commit of this checkout, with `-dirty` where tracked files differ from it."""
    git = ["git", "-C", str(Path(__file__).parent)]
    try:
        return subprocess.run(
            [*git, "describe", "--always", "--dirty", "--abbrev=40", "--exclude=*"],
            capture_output=True,
            text=True,
            check=True,
        ).stdout.strip()
    except (OSError, subprocess.CalledProcessError):
        return "unknown"


def versions(tally: Path) -> dict[str, str]:
    found = {name: version(name) for name in ("duckdb", "polars", "numpy", "pyarrow")}
    found["python"] = platform.python_version()
    asked = subprocess.run([tally, "--version"], capture_output=True, text=True, check=False)
    found["tally"] = asked.stdout.strip().removeprefix("tally ") or "unknown"
    return found
