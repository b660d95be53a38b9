"""Which store a call is for. Whoever serves several tenants names one at every call."""

from __future__ import annotations

import sys
from collections.abc import Mapping
from typing import TYPE_CHECKING, Any
from uuid import UUID

from langchain_core.runnables.config import ensure_config

from feather_memory import ParameterError, Store, WrongTenantError
from langchain_feather_memory._convert import DocumentEmbedder, QueryEmbedder

if TYPE_CHECKING:
    import os

    from langchain_core.embeddings import Embeddings
    from langchain_core.runnables import RunnableConfig

    from feather_memory import TenantPool


def store_for(
    source: Store | TenantPool, *, named: str | None, default: str | None, places: Mapping[str, Any]
) -> Store:
    """The store of the tenant that a call is for, as `tenant_for` finds it; opened if need be."""
    tenant = tenant_for(source, named=named, default=default, places=places)
    if isinstance(source, Store):
        return source
    assert tenant is not None  # noqa: S101  a pool's is always named, for mypy
    return source.get(tenant)


def tenant_for(
    source: Store | TenantPool, *, named: str | None, default: str | None, places: Mapping[str, Any]
) -> str | None:
    """Whom a call is for: keyword, then field, then the call's context. None: a store's own.

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
    elif tenant is not None and tenant != source.tenant:
        found = "nobody" if source.tenant is None else source.tenant
        raise WrongTenantError(str(source.path), expected=tenant, found=found)
    return tenant


def bound_store(
    adapter: str,
    *,
    store: Store | None,
    pool: TenantPool | None,
    tenant: str | None,
    path: str | os.PathLike[str] | None = None,
    embedding: Embeddings | None = None,
) -> Store:
    """The one store of an adapter that serves one tenant; a new one if it is given by its path.

    Args:
        adapter: Its name, for the errors.
        store: Open, of the caller. It is the tenant's, if one is named.
        pool: Of the caller; together with `tenant`.
        tenant: Whose store it is.
        path: A file to open. The adapter closes what is made of it.
        embedding: For the store that is opened.

    Raises:
        ParameterError: Not exactly one of store, path and pool is given, or a pool without a
            tenant.
        WrongTenantError: The store is another tenant's.
    """
    if sum(given is not None for given in (store, path, pool)) != 1:
        raise ParameterError(f"a {adapter} takes either one store, or a pool= and a tenant= in it")
    if path is not None:
        return Store.open(
            path,
            embedder=None if embedding is None else DocumentEmbedder(embedding),
            query_embedder=None if embedding is None else QueryEmbedder(embedding),
            tenant=tenant,
        )
    source = store if store is not None else pool
    assert source is not None  # noqa: S101  counted above, for mypy
    return store_for(source, named=None, default=tenant, places={})


def places_of(config: RunnableConfig | None, key: str) -> dict[str, str | None]:
    """Whom the context of a call names, nearest first, by where that is said.

    Args:
        config: What the call was given; what the runs around it were given is added.
        key: Under which the tenant is named, in the `configurable` and in LangGraph's context.
    """
    return {
        f"configurable[{key!r}]": named_in(ensure_config(config).get("configurable"), key),
        f"the runtime context's {key!r}": named_in(_running_context(), key),
    }


def named_in(context: Any, key: str) -> str | None:
    """The tenant that a run's context names: under a key of a mapping, or by an attribute.

    Raises:
        ParameterError: What is there is no name: neither a string, a whole number nor a UUID.
    """
    found = context.get(key) if isinstance(context, Mapping) else getattr(context, key, None)
    if found is None or isinstance(found, str):
        return found
    if isinstance(found, bool) or not isinstance(found, int | UUID):
        raise ParameterError(f"{key!r} must name a tenant, got {found!r:.80}")
    return str(found)


def _running_context() -> Any:
    """The context of the LangGraph run that is under way; None outside of one.

    Where one is, LangGraph has been imported; it is not imported to find out.
    """
    langgraph = sys.modules.get("langgraph.runtime")
    if langgraph is None:
        return None
    try:
        runtime = langgraph.get_runtime()
    except (RuntimeError, KeyError):  # outside of every run, or inside one that is no graph's
        return None
    return getattr(runtime, "context", None)
