"""The environment that the benchmark runs in: ours, and every peer that can be had.

    python benchmarks/speed/environment.py FOLDER

A peer that cannot be installed is left out, and why is kept in the folder's `refused.json`. Needs
nothing but the standard library, and the registries that pip is set up for.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import venv
from pathlib import Path

ROOT = Path(__file__).parents[2]
OURS = (".", "integrations/langchain-feather-memory", "integrations/llama-index-memory-feather")
PLOTS = "matplotlib>=3.8"
# Each with what it needs beside it. Ours is without `hnsw`: it is measured as an exact search.
PEERS = {
    "feather-db": ["feather-db==0.21.*"],
    "chroma": ["chromadb"],
    "lancedb": ["lancedb"],
    "qdrant-client": ["qdrant-client"],
    "faiss-cpu": ["faiss-cpu"],
    "sqlite-vec": ["sqlite-vec", "apsw"],
    "usearch": ["usearch"],
    "memvara": ["memvara", "pysqlite3-binary; sys_platform == 'linux'"],
    "LangChain FAISS": ["langchain-community"],
    "LangChain Chroma": ["langchain-chroma"],
}


def install(python: Path, wanted: list[str]) -> str:
    """Nothing if pip installed them, else the last thing that it said."""
    command = [python, "-m", "pip", "install", "--quiet", *wanted]
    done = subprocess.run(command, cwd=ROOT, check=False, stderr=subprocess.PIPE, text=True)
    said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
    return "" if done.returncode == 0 else (said or ["pip failed"])[-1]


def main() -> None:
    """Make it, or bring it up to date."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("folder", type=Path)
    folder: Path = parser.parse_args().folder.resolve()
    venv.create(folder, with_pip=True, symlinks=True)
    python = folder / "bin" / "python"
    ours = [part for path in OURS for part in ("-e", path)]
    if said := install(python, ["pip>=25.1"]) or install(python, [*ours, PLOTS]):
        raise SystemExit(said)
    refused = {name: said for name, wanted in PEERS.items() if (said := install(python, wanted))}
    (folder / "refused.json").write_text(json.dumps(refused, indent=1), encoding="utf-8")
    for name, said in refused.items():
        print(f"{name} cannot be had: {said}")


if __name__ == "__main__":
    main()
