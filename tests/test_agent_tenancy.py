"""Whose a call is, by a rule: two calls have one tenant only if they say the same."""

from __future__ import annotations

from types import SimpleNamespace
from urllib.parse import unquote
from uuid import UUID

import pytest
from hypothesis import given
from hypothesis import strategies as st

from feather_memory import ParameterError
from feather_memory.agent import CallFields, TenantTemplate, one_tenant, tenant_rule

told = st.one_of(
    st.text(alphabet="ab:/%{}@. 12é", min_size=1, max_size=8),
    st.text(st.characters(exclude_categories=["Cs"]), min_size=1, max_size=8),
)


def said(**fields):
    return CallFields({"configurable": fields})


@given(one=st.tuples(told, told), other=st.tuples(told, told))
def test_a_template_is_injective(one, other):
    template = TenantTemplate("user:{org}:{user_id}")

    names = [template(said(org=org, user_id=user)) for org, user in (one, other)]

    assert (names[0] == names[1]) == (one == other)


@given(value=told)
def test_what_was_put_in_can_be_read_back_by_anybody(value):
    name = TenantTemplate("user:{user_id}")(said(user_id=value))

    assert unquote(name.removeprefix("user:")) == value


@given(one=told, other=told)
def test_no_user_has_the_tenant_of_another_template(one, other):
    user = TenantTemplate("user:{id}")(said(id=one))
    room = TenantTemplate("user:{id}:{room}")(said(id=other, room=one))

    assert len({user, room, "global", f"team:{other}"}) == 4


def test_what_a_call_does_not_say_or_leaves_empty_is_refused():
    template = TenantTemplate("user:{user_id}")

    for nothing in ({}, {"user_id": None}, {"user_id": ""}, {"user": "alice"}):
        with pytest.raises(ParameterError, match="user_id"):
            template(said(**nothing))
    for wrong in (True, 1.5, ["alice"], {"id": 1}, b"alice", "\ud800"):
        with pytest.raises(ParameterError, match="user_id"):
            template(said(user_id=wrong))
    assert template(said(user_id=7)) == template(said(user_id="7")) == "user:7"
    assert template(said(user_id=UUID(int=1))).endswith("-000000000001")


def test_the_nearest_place_that_says_anything_is_believed():
    context = SimpleNamespace(user_id="context", team="red")
    fields = CallFields({"configurable": {"user_id": "near"}, "context": context})

    assert TenantTemplate("{team}:{user_id}")(fields) == "red:near"
    assert (fields["team"], fields.get("other"), fields.get("other", 1)) == ("red", None, 1)
    with pytest.raises(KeyError):
        fields["other"]


@pytest.mark.parametrize(
    "wrong",
    ["{}", "{a", "a}", "{a.b}", "{a[0]}", "{a!r}", "{a:>9}", "{a}{b}", "{a}and{b}", "{a}-{b}",
     "{a}%{b}", "{a}é{b}"],
)  # fmt: skip
def test_a_template_that_could_make_one_name_of_two_users_is_refused(wrong):
    with pytest.raises(ParameterError):
        tenant_rule(wrong)


def test_a_name_a_template_and_a_function_are_told_apart():
    assert tenant_rule("alice").name == "alice"
    assert tenant_rule("{{a}}").name == "{a}"
    assert tenant_rule("user:{id}").of(said(id="x")) == "user:x"
    assert tenant_rule(lambda fields: f"u:{fields['id']}").of(said(id="x")) == "u:x"
    assert tenant_rule(None).of(said(id="x")) is None
    for wrong in (7, ["alice"]):
        with pytest.raises(ParameterError, match="tenant="):
            tenant_rule(wrong)
    for nothing in (None, "", 7):
        with pytest.raises(ParameterError, match="no name"):
            tenant_rule(lambda _, nothing=nothing: nothing).of(said())


def test_where_all_calls_are_one_tenants_a_rule_is_refused():
    assert one_tenant("Door", "alice") == "alice"
    assert one_tenant("Door", None) is None
    for rule in ("user:{id}", lambda _: "alice"):
        with pytest.raises(ParameterError, match="Door is of one tenant"):
            one_tenant("Door", rule)


def test_without_the_escaping_two_users_would_share_a_tenant():
    """The control: the same fields, put in as they are."""
    one, other = {"org": "a:b", "user_id": "c"}, {"org": "a", "user_id": "b:c"}
    raw, template = "user:{org}:{user_id}", TenantTemplate("user:{org}:{user_id}")

    assert raw.format(**one) == raw.format(**other)
    assert template(said(**one)) != template(said(**other))
