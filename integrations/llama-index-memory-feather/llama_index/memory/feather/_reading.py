"""Messages from what a file keeps of them, thousands at once."""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import Annotated, Any, Final

from llama_index.core.base.llms.types import ChatMessage
from pydantic import GetCoreSchemaHandler, GetPydanticSchema, TypeAdapter
from pydantic_core import from_json


def messages_of(kept: Sequence[str]) -> list[ChatMessage]:
    """The messages of entries, each a JSON object that has it as `message`."""
    texts = f"[{','.join(kept)}]"
    try:
        entries = from_json(texts)  # in a third of the time
    except ValueError:  # half a character, as an earlier release may have kept it
        entries = json.loads(texts)
    return _MESSAGES.validate_python([entry["message"] for entry in entries])


def _without_init(source: Any, handler: GetCoreSchemaHandler) -> Any:
    """How a ChatMessage is validated, without its `__init__`: what is kept has no `content`.

    To call it takes as long as all the rest.
    """
    return _stripped(handler.resolve_ref_schema(handler(source)))


def _stripped(schema: Any) -> Any:
    rest = {name: part for name, part in schema.items() if name != "ref"}  # another's name
    if schema["type"] == "model":
        return {**rest, "custom_init": False}
    return {**rest, "schema": _stripped(schema["schema"])} if "schema" in schema else rest


_MESSAGES: Final = TypeAdapter(list[Annotated[ChatMessage, GetPydanticSchema(_without_init)]])
