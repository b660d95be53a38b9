"""Who a memory comes from: bound when it is written, and never raised afterwards."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Final

from feather_memory import checks

USER: Final = "user"
DOCUMENT: Final = "document"
IMPORT: Final = "import"
TOOL: Final = "tool"
ASSISTANT: Final = "assistant"

RANK: Final = {USER: 3, DOCUMENT: 2, IMPORT: 2, TOOL: 1, ASSISTANT: 0}
"""Who may replace whose words: those of an equal or a lower rank."""

ORDER: Final = tuple(RANK)
"""All there are, the highest first. Documents and imports are equals."""

OF_ROLES: Final = {
    "user": USER,
    "human": USER,
    "assistant": ASSISTANT,
    "ai": ASSISTANT,
    "aimessagechunk": ASSISTANT,
    "model": ASSISTANT,
    "agent": ASSISTANT,
    "bot": ASSISTANT,
    "chatbot": ASSISTANT,
    "tool": TOOL,
    "function": TOOL,
    # The application's own instructions: what somebody wrote beforehand, and no user said.
    "system": DOCUMENT,
    "developer": DOCUMENT,
}
"""From whom comes what is said in a role, in small letters. With no role, and with one that names
no party, the application speaks for the user."""


def of_role(role: str, otherwise: str = USER) -> str:
    """From whom comes what is said in a role, in letters of any size.

    Args:
        role: As a message has it: "user", "human", "assistant", "ai", "model", "tool", "system"…
        otherwise: From whom it comes where the role names no party.
    """
    return OF_ROLES.get(role.lower(), otherwise)


def checked(value: object, name: str) -> str:
    """The origin, if it is one.

    Raises:
        ParameterError: It is not; says which there are.
    """
    checks.one_of(value, name, ORDER)
    return str(value)


def least(origins: Iterable[str]) -> str:
    """The lowest of several: what is derived of many can be trusted as far as the worst of them.

    Of a document and an import, which are equals, the one that comes first.
    """
    return min(origins, key=RANK.__getitem__)


def outranks(one: str, other: str) -> bool:
    """Whether what comes from one may not be replaced by what comes from the other."""
    return RANK[one] > RANK[other]
