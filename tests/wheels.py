"""Whether the wheels in a folder hold what they should: their licence, their types, their own."""

from __future__ import annotations

import sys
import zipfile
from pathlib import Path

PACKAGES = {
    "feather_memory": "feather_memory/",
    "langchain_feather_memory": "langchain_feather_memory/",
    "llama_index_memory_feather": "llama_index/memory/feather/",
}


def faults(wheel: Path) -> list[str]:
    """What is wrong with a wheel, a sentence each."""
    name = wheel.name.split("-")[0]
    package, info = PACKAGES[name], f"{name}-{wheel.name.split('-')[1]}.dist-info/"
    held = zipfile.ZipFile(wheel).namelist()
    wanted = [f"{info}licenses/LICENSE", f"{package}__init__.py", f"{package}py.typed"]
    strangers = [each for each in held if not each.startswith((package, info))]
    return [
        *(f"{wheel.name}: there is no {each}" for each in wanted if each not in held),
        *(f"{wheel.name}: {each} is not its own" for each in strangers),
    ]


def main() -> None:
    """Look into every wheel of a folder; there have to be three."""
    wheels = sorted(Path(sys.argv[1]).glob("*.whl"))
    found = [fault for wheel in wheels for fault in faults(wheel)]
    if [wheel.name.split("-")[0] for wheel in wheels] != sorted(PACKAGES):
        found.append(f"there should be three wheels, and there are {len(wheels)}")
    sys.exit("\n".join(found) or 0)


if __name__ == "__main__":
    main()
