"""Which store a call is for. Whoever serves several tenants names one at every call."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from feather_memory import ParameterError, Store, WrongTenantError

if TYPE_CHECKING:
    from feather_memory import TenantPool


def store_for(
    source: Store | TenantPool, *, named: str | None, default: str | None, places: Mapping[str, Any]
) -> Store:
    """The store of the tenant that a call is for: keyword, then field, then the call's context.

    Args:
        source: One tenant's open store, or the pool of many.
        named: The tenant the call's own keyword names.
        default: The tenant the adapter is bound to.
        places: Where else a tenant is named, nearest first, by what the place is called;
            None where it names nobody.

    Raises:
        ParameterError: Of many tenants, none is named.
        WrongTenantError: The store is another tenant's than the one that is named.
    """
    tenant = next((t for t in (named, default, *places.values()) if t is not None), None)
    if not isinstance(source, Store):
        if tenant is None:
            looked = ", ".join(("tenant=", "the adapter's own tenant", *places))
            raise ParameterError(f"no tenant is named: not by {looked}; there is no default")
        return source.get(tenant)
    if tenant is not None and tenant != source.tenant:
        found = "nobody" if source.tenant is None else source.tenant
        raise WrongTenantError(str(source.path), expected=tenant, found=found)
    return source


def named_in(context: Any, key: str) -> str | None:
    """The tenant that a run's context names: under a key of a mapping, or by an attribute."""
    found = context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
    return found if found is None else str(found)
