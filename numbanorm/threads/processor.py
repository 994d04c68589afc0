"""Which processor this is, as Linux tells."""

from __future__ import annotations

import hashlib
import platform
from functools import lru_cache
from pathlib import Path

_FILE = Path("/proc/cpuinfo")

# What tells one from another, on x86 and on ARM.
_NAMES = (
    "vendor_id", "cpu family", "model", "model name",
    "CPU implementer", "CPU architecture", "CPU variant", "CPU part",
)  # fmt: skip


@lru_cache(maxsize=1)
def facts() -> dict[str, str]:
    """Return what is said of the first processor, by its name there; nothing elsewhere."""
    try:
        first = _FILE.read_text("utf-8", "replace").partition("\n\n")[0]
    except OSError:
        return {}
    pairs = (line.partition(":")[::2] for line in first.splitlines())
    return {name.strip(): value.strip() for name, value in pairs}


def is_zen() -> bool:
    """Return whether it is one of AMD's, or built after them, since Zen."""
    found = facts()
    family = found.get("cpu family", "")
    vendors = "AuthenticAMD", "HygonGenuine"
    return found.get("vendor_id") in vendors and family.isdecimal() and int(family) >= 23


def model() -> str:
    """Return what it is called."""
    found = facts()
    return found.get("model name") or platform.processor() or platform.machine()


def features() -> set[str]:
    """Return the names that Linux has for what it can do."""
    found = facts()
    return set((found.get("flags") or found.get("Features", "")).split())


def name() -> str:
    """Return a name of letters and digits for it, the same for the same processors."""
    # Python asks another program what `platform.processor` is, which takes some 5 ms.
    parts = [facts().get(one, "") for one in _NAMES] if facts() else [platform.processor()]
    spelled = " ".join([platform.machine(), *parts])
    return hashlib.sha256(spelled.encode()).hexdigest()[:12]
