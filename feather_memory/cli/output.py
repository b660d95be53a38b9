"""What a command answers: a screen for people, or with `--json` one object for programs."""

from __future__ import annotations

import inspect
import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields, is_dataclass
from datetime import datetime
from functools import wraps
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer

from feather_memory.model.scoring import Score

_Json = Annotated[bool, typer.Option("--json", help="Answer with one JSON object.")]


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a command found or did."""

    said: Mapping[str, Any] | Callable[[], Mapping[str, Any]]
    """By nouns: memories, hits, counts; or what finds them, where the screen does without.
    docs/command-line.md has those of every command."""
    screen: Callable[[], None]
    """Shows it to people."""
    code: int = 0
    """How the process ends."""


def answered(command: Callable[..., Answer]) -> Callable[..., None]:
    """The command with `--json`, as typer can call it."""
    signature = inspect.signature(command, eval_str=True)

    @wraps(command)
    def called(*given: Any, as_json: bool, **named: Any) -> None:
        answer = command(*given, **named)
        if as_json:
            said = answer.said() if callable(answer.said) else answer.said
            typer.echo(json.dumps(plain_value(said), ensure_ascii=False, allow_nan=False))
        else:
            answer.screen()
        if answer.code:
            raise typer.Exit(answer.code)

    option = inspect.Parameter(
        "as_json", inspect.Parameter.KEYWORD_ONLY, default=False, annotation=_Json
    )
    parameters = [*signature.parameters.values(), option]
    called.__signature__ = signature.replace(  # type: ignore[attr-defined]
        parameters=parameters, return_annotation=None
    )
    called.__annotations__ = {one.name: one.annotation for one in parameters}
    return called


def plain_value(value: Any) -> Any:
    """The value as JSON can hold it: times as ISO 8601, scores with their parts, no vectors."""
    if isinstance(value, Score):
        return {"value": float(value), "parts": dict(value.parts)}
    if isinstance(value, str | datetime | Path | np.generic):
        return _of_one(value)
    if isinstance(value, list | tuple):
        return [plain_value(each) for each in value]
    named = _named(value)
    return value if named is None else {name: plain_value(each) for name, each in named.items()}


def _of_one(value: str | datetime | Path | np.generic) -> Any:
    if isinstance(value, np.generic):
        return value.item()
    return value.isoformat() if isinstance(value, datetime) else str(value)


def _named(value: Any) -> dict[str, Any] | None:
    """What a value has by name; None if it has nothing so."""
    if isinstance(value, Mapping):
        return {str(name): each for name, each in value.items()}
    if isinstance(value, type) or not is_dataclass(value):
        return None
    names = (each.name for each in fields(value))
    return {name: getattr(value, name) for name in names if name not in _LEFT_OUT}


_LEFT_OUT = {"vector"}
