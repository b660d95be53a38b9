"""From a tenant's name to the name of its file, and back.

Lower-case ASCII letters, digits, `-` and `_` stay as they are. Every other byte of the name's
UTF-8 is written as `%` and two hexadecimal digits, so no two names share a file, whether or not
the file system tells cases or Unicode forms apart, and no name leaves the directory::

    alice       alice.feather
    user:7      user%3a7.feather
    ../../x     %2e%2e%2f%2e%2e%2fx.feather
    con         %63on.feather        (Windows keeps `con` for a device)

A name that grows too long for a file is cut, and ends in `%-` and its SHA-256, which no other
name's file does.
"""

from __future__ import annotations

import re
from hashlib import sha256
from typing import Any

from feather_memory.config import MAX_TENANT_LENGTH, TENANT_STEM_LENGTH
from feather_memory.errors import TenantNameError, quoted

SUFFIX = ".feather"
"""What the file of every tenant ends in."""

_PLAIN = frozenset(b"abcdefghijklmnopqrstuvwxyz0123456789-_")
_DEVICES = frozenset(
    ["con", "prn", "aux", "nul"] + [f"{port}{n}" for port in ("com", "lpt") for n in range(10)]
)
_DIGEST_MARK = "%-"
_ESCAPE = re.compile(rb"%([0-9a-f]{2})")
_BROKEN_ESCAPE = re.compile("%[0-9a-f]?$")


def checked(name: Any) -> str:
    """The name, if a tenant can have it.

    Raises:
        TenantNameError: It is no string, is empty, is longer than 255 characters, holds NUL, or
            holds half a surrogate pair, which no file can keep.
    """
    if not isinstance(name, str) or not name:
        raise TenantNameError(
            f"a tenant's name must be a string that is not empty, got {quoted(name)}"
        )
    if len(name) > MAX_TENANT_LENGTH:
        raise TenantNameError(
            f"a tenant's name has at most {MAX_TENANT_LENGTH} characters, got {len(name)}"
        )
    if "\0" in name or any("\ud800" <= character <= "\udfff" for character in name):
        raise TenantNameError(
            f"a tenant's name holds no NUL and no lone surrogate, got {quoted(name)}"
        )
    return str(name)


def file_name(tenant: str) -> str:
    """The name of the tenant's file: ASCII, at most 128 characters, and no other tenant's.

    Raises:
        TenantNameError: No tenant can have this name.

    >>> file_name("alice"), file_name("User:7")
    ('alice.feather', '%55ser%3a7.feather')
    """
    encoded = checked(tenant).encode()
    stem = "".join(chr(byte) if byte in _PLAIN else f"%{byte:02x}" for byte in encoded)
    if stem in _DEVICES:
        stem = f"%{encoded[0]:02x}{stem[1:]}"
    if len(stem) > TENANT_STEM_LENGTH:
        digest = sha256(encoded).hexdigest()
        start = stem[: TENANT_STEM_LENGTH - len(_DIGEST_MARK) - len(digest)]
        stem = f"{_BROKEN_ESCAPE.sub('', start)}{_DIGEST_MARK}{digest}"
    return stem + SUFFIX


def is_digest(name: str) -> bool:
    """Whether a file's name holds its tenant's only as a digest."""
    return _DIGEST_MARK in name


def tenant_of(name: str) -> str | None:
    """Whose file has this name; None if nobody's, or if only the file itself can tell."""
    if not name.endswith(SUFFIX) or not name.isascii() or is_digest(name):
        return None
    stem = name.removesuffix(SUFFIX).encode()
    plain = _ESCAPE.sub(lambda found: bytes([int(found[1], 16)]), stem)
    try:
        tenant = plain.decode()
        return tenant if file_name(tenant) == name else None
    except (UnicodeDecodeError, TenantNameError):
        return None
