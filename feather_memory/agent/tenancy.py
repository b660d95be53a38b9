"""Whose a call is, by a rule that its caller states: a template, or a function.

What a call says of its user is no tenant's name by itself: a user who is called `global` would have
everybody's memory. `"user:{user_id}"` puts it in its place.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from string import Formatter
from typing import Any, Final

from feather_memory.agent.source import named_in
from feather_memory.errors import ParameterError, quoted

_KEPT: Final = frozenset("-._~@")


@dataclass(frozen=True, slots=True)
class CallFields:
    """What a call says of itself, by name; what a function that is a rule is given.

    >>> said = CallFields({"configurable": {}, "context": {"user_id": 7}})
    >>> said["user_id"], said.get("team_id")
    (7, None)
    """

    places: Mapping[str, object]
    """Where it is said, nearest first, by what the place is called: mappings, or objects."""

    def get(self, key: str, default: Any = None) -> Any:
        """What the nearest place has under the name that has anything."""
        for place in self.places.values():
            found = place.get(key) if isinstance(place, Mapping) else getattr(place, key, None)
            if found is not None:
                return found
        return default

    def __getitem__(self, key: str) -> Any:
        """Likewise. KeyError if no place has it."""
        found = self.get(key)
        if found is None:
            raise KeyError(key)
        return found


@dataclass(frozen=True, slots=True)
class TenantTemplate:
    """A tenant's name with fields in it, each filled in from what a call says.

    Injective: two calls have one tenant only if they say the same. What is put in keeps letters and
    digits of any script and `-._~@`; all else is percent-encoded, so that no user's id can hold
    what the template itself says, and `urllib.parse.unquote` reads it back. A whole number is its
    digits.

    Raises:
        ParameterError: A field that is no plain name, or two without a sign between them that no
            id can hold.

    >>> template = TenantTemplate("user:{user_id}")
    >>> template(CallFields({"configurable": {"user_id": "team:3"}}))
    'user:team%3A3'
    """

    text: str
    parts: tuple[tuple[str, str | None], ...] = field(init=False, repr=False)
    """Each what stands before a field, and the field; None at the end."""

    def __post_init__(self) -> None:
        try:
            parsed = [tuple(part) for part in Formatter().parse(self.text)]
        except ValueError as error:
            raise ParameterError(f"{self.text!r} is no template: {error}") from error
        for _, name, spec, conversion in parsed:
            if name is not None and (not _is_plain(name) or spec or conversion):
                raise ParameterError(
                    f"a field of a tenant's template is a plain name, such as {{user_id}}; "
                    f"{self.text!r} has {name!r}"
                )
        object.__setattr__(self, "parts", tuple((before, name) for before, name, *_ in parsed))
        self._check_separated()

    def __call__(self, said: CallFields) -> str:
        """The tenant of a call.

        Raises:
            ParameterError: A field that the call does not name, that is empty, or no name.
        """
        return "".join(
            before if name is None else before + self._filled(name, said)
            for before, name in self.parts
        )

    @property
    def fields(self) -> tuple[str, ...]:
        """The names of its fields, in their order."""
        return tuple(name for _, name in self.parts if name is not None)

    def _filled(self, name: str, said: CallFields) -> str:
        found = (named_in(place, name) for place in said.places.values())
        value = next((value for value in found if value is not None), None)
        if not value:
            looked = ", ".join(said.places) or "nowhere"
            what = "names no" if value is None else "has an empty"
            raise ParameterError(
                f"the call {what} {name!r}, which the tenant {self.text!r} is made of; looked in "
                f"{looked}; there is no default"
            )
        return _escaped(value, name)

    def _check_separated(self) -> None:
        for before, name in self.parts[1:]:
            if name is not None and all(_is_kept(sign) or sign == "%" for sign in before):
                raise ParameterError(
                    f"between two fields of a tenant's template stands a sign such as ':', which "
                    f"no id can hold; {self.text!r} has {before!r}"
                )


@dataclass(frozen=True, slots=True)
class TenantRule:
    """What an adapter was told of whose its calls are: always one tenant's, or by a rule."""

    name: str | None = None
    """One tenant's."""
    rule: Callable[[Any], str] | None = None
    """From what a call says to its tenant."""

    def of(self, said: Any) -> str | None:
        """The tenant of a call by the rule; None where there is no rule.

        Raises:
            ParameterError: The call does not say what the rule needs.
        """
        if self.rule is None:
            return None
        found = self.rule(said)
        if not isinstance(found, str) or not found:
            raise ParameterError(
                f"the rule for tenants made no name of a call, but {quoted(found)}"
            )
        return found


def tenant_rule(given: str | Callable[[Any], str] | None) -> TenantRule:
    """What `tenant=` says where each call may be another tenant's.

    Args:
        given: A name; a template, which has fields in braces (a brace itself is doubled); or a
            function of what a call says.

    Raises:
        ParameterError: It is none of these, or a template that is not injective.
    """
    if given is None:
        return TenantRule()
    if not isinstance(given, str):
        if not callable(given):
            raise ParameterError(
                f"tenant= is a name, a template or a function, got {quoted(given)}"
            )
        return TenantRule(rule=given)
    if "{" not in given and "}" not in given:
        return TenantRule(name=given)
    template = TenantTemplate(given)
    if not template.fields:
        return TenantRule(name="".join(before for before, _ in template.parts))
    return TenantRule(rule=template)


def one_tenant(adapter: str, given: str | Callable[[Any], str] | None) -> str | None:
    """What `tenant=` says where all calls are one tenant's.

    Raises:
        ParameterError: It is a rule: the adapter would put every user into one file.
    """
    said = tenant_rule(given)
    if said.rule is not None:
        raise ParameterError(
            f"a {adapter} is of one tenant: tenant= is their name, got the rule {quoted(given)}"
        )
    return said.name


def _is_plain(name: str) -> bool:
    return name != "" and not set(name) & set(".[]!:{}")


def _is_kept(sign: str) -> bool:
    return sign in _KEPT or sign.isalnum()


def _escaped(value: str, name: str) -> str:
    try:
        return "".join(
            sign if _is_kept(sign) else "".join(f"%{byte:02X}" for byte in sign.encode())
            for sign in value
        )
    except UnicodeEncodeError as error:
        raise ParameterError(
            f"{name!r} holds half of a pair of surrogates: {quoted(value)}"
        ) from error
