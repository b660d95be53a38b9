"""Where `feather-memory` and `python -m feather_memory` start."""

from __future__ import annotations

import sys


def main() -> None:
    """Run the command line; say in one line what to install if its extra is missing."""
    try:
        from feather_memory import cli
    except ModuleNotFoundError as error:
        package = (error.name or "").partition(".")[0]
        if package not in {"typer", "rich"}:
            raise
        sys.exit(f"{package} is not installed: pip install 'feather-memory[cli]'")
    cli.app()


if __name__ == "__main__":
    main()
