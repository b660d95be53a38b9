"""Every tenant's name has a file of its own, on every file system, inside the directory."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from feather_memory import TenantNameError
from feather_memory.model.names import checked, file_name, is_digest, tenant_of

HOSTILE = [
    "alice", "Alice", "ALICE", "alice ", "alice.", "alice..", " alice", "alice\n", "alice\t",
    "user", "User", "..", ".", "../../x", "..\\..\\x", "a/b", "a\\b", "/etc/passwd", "C:\\x", "~",
    "CON", "con", "Con", "con ", "con.", "con.txt", "NUL", "nul", "prn", "AUX", "com1", "COM¹",
    "lpt9", "%", "%%", "%2e", "%63on", "%-", "_", "*", "a*", "a_", "a%", "?", ":", "|", "<", '"',
    "caf\u00e9", "cafe\u0301", "\u212b", "\u00c5", "A\u030a", "\ufb01", "fi", "ß", "ss", "ẞ", "ı",
    "i", "İ", "ſ", "s", "😀", "👩‍👩‍👧", "\u202e", "\u200b", "日本", "x.feather", "x.feather-wal",
    "x",
    "alice.feather", "-rf", "--help", "'; drop table memory; --", "a" * 120, "a" * 121, "a" * 255,
    "A" * 255, "a" * 254 + "b", "😀" * 255, "é" * 255, "e\u0301" * 127, "\x7f", "\x01", "$HOME",
]  # fmt: skip

names = st.one_of(
    st.sampled_from(HOSTILE),
    st.text(st.characters(exclude_categories=["Cs"], exclude_characters="\0"), min_size=1).map(
        lambda text: text[:255]
    ),
    st.text("aAbBéÉe\u0301%2./\\-_ cCoOnN1", min_size=1, max_size=12),
    st.text("aA%", min_size=110, max_size=255),
)


def variants(name):
    """What a file system may take a file's name for."""
    for form in ("NFC", "NFD", "NFKC", "NFKD"):
        yield unicodedata.normalize(form, name).casefold()
        yield unicodedata.normalize(form, name.casefold()).upper()
    yield name.rstrip(". ").casefold()


def test_plain_names_stay_readable():
    assert file_name("alice") == "alice.feather"
    assert file_name("team-3_a") == "team-3_a.feather"
    assert file_name("user:7") == "user%3a7.feather"


def test_hostile_names_have_files_of_their_own():
    assert len({file_name(name) for name in HOSTILE}) == len(set(HOSTILE))


@given(names, names)
@settings(max_examples=500)
def test_two_names_never_share_a_file_however_file_systems_fold_them(one, other):
    same = set(variants(file_name(one))) & set(variants(file_name(other)))
    assert bool(same) == (one == other)


@given(names)
@settings(max_examples=500)
def test_a_file_name_is_plain_short_and_never_a_path(name):
    made = file_name(name)
    stem = made.removesuffix(".feather")
    assert set(stem) <= set("abcdefghijklmnopqrstuvwxyz0123456789-_%")
    assert 1 <= len(stem) <= 120
    assert stem not in {"con", "prn", "aux", "nul", "com1", "lpt9"}


@given(names)
@settings(max_examples=500)
def test_a_file_name_tells_whose_it_is_unless_it_is_a_digest(name):
    made = file_name(name)
    assert tenant_of(made) == (None if is_digest(made) else name)


@given(st.text(max_size=140).map(lambda text: text + ".feather"))
def test_a_file_name_that_no_tenant_has_is_nobodys(made):
    tenant = tenant_of(made)
    assert tenant is None or file_name(tenant) == made


@pytest.mark.parametrize(
    "made",
    ["Alice.feather", "%41.feather.vectors", "con.feather", "%zz.feather", ".feather",
     "%ff.feather", "%61.feather", "%00.feather", "a b.feather", "é.feather", "alice"],
)  # fmt: skip
def test_files_of_others_are_nobodys(made):
    assert tenant_of(made) is None


@pytest.mark.parametrize(
    "name",
    ["", "\0", "a\0b", "x" * 256, "x" * 10_000, "\ud800", "a\udfff", None, 7, b"alice", ["a"]],
)
def test_a_name_that_no_tenant_can_have_is_refused(name):
    with pytest.raises(TenantNameError):
        checked(name)
    with pytest.raises(TenantNameError):
        file_name(name)
