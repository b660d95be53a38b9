"""Lines of JSON, each by itself."""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import IO, Any, Final

from feather_memory.importers.entries import Refused


def objects(stream: IO[str]) -> Iterator[tuple[int, dict[str, Any] | Refused]]:
    """The object of each line with the line's number; a refusal where it is none.

    Empty lines are skipped.
    """
    for line, text in enumerate(stream, 1):
        if not text.strip():
            continue
        try:
            row = _DECODER.decode(text)
        except json.JSONDecodeError as error:
            told = error.msg.removesuffix(" at")
            yield line, _refused(line, f"not JSON: {told} (column {error.colno})")
        except (ValueError, RecursionError) as error:
            yield line, _refused(line, f"not JSON: {error}")
        else:
            yield line, row if isinstance(row, dict) else _refused(line, "not a JSON object")


def _refused(line: int, reason: str) -> Refused:
    return Refused(line=line, reason=reason)


def _refuse_constant(name: str) -> None:
    raise ValueError(f"{name} is no JSON value")


_DECODER: Final = json.JSONDecoder(parse_constant=_refuse_constant)  # `loads` makes one each time
