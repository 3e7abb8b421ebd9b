"""Places and events survive the way to text and back."""

from __future__ import annotations

import string
from datetime import UTC, timedelta, timezone
from typing import get_args

import pytest
from hypothesis import given
from hypothesis import strategies as st

from bot.events import (
    AnyEvent,
    Attachment,
    Event,
    Place,
    Route,
    User,
    event_from_json,
    event_to_json,
    route_from_json,
    route_to_json,
)

text = st.text(max_size=20)
json_values = st.recursive(
    st.none() | st.booleans() | st.integers(-(2**53), 2**53) | st.floats(allow_nan=False, allow_infinity=False) | text,
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(text, inner, max_size=3),
    max_leaves=6,
)
places = st.builds(Place, st.text(min_size=1, max_size=10), text, text, st.none() | text)
routes = st.builds(Route, places, st.dictionaries(text, json_values, max_size=3))
users = st.builds(User, text, text, st.booleans(), st.tuples(text), st.frozensets(text, max_size=3))
moments = st.datetimes(
    timezones=st.sampled_from([UTC, timezone(timedelta(hours=5, minutes=30)), timezone(timedelta(hours=-11))])
)
KINDS: tuple[type[Event], ...] = get_args(get_args(AnyEvent)[0])

st.register_type_strategy(Route, routes)
st.register_type_strategy(User, users)
st.register_type_strategy(Attachment, st.builds(Attachment, text, text, st.integers(0, 2**40), text))

fields = {
    "id": text,
    "user": users,
    "route": routes,
    "at": moments,
}
of_kind = {
    "arguments": st.none() | st.dictionaries(text, json_values, max_size=3),
    "values": st.dictionaries(text, json_values, max_size=3),
    "latest": st.dictionaries(text, text, max_size=3),
}


@st.composite
def events(draw: st.DrawFn) -> Event:
    kind = draw(st.sampled_from(KINDS))
    own = {name: value for name, value in of_kind.items() if name in kind.__dataclass_fields__}
    kind_name = st.just(kind.__dataclass_fields__["kind"].default)
    return draw(st.builds(kind, **fields, **own, kind=kind_name))


@given(places)
def test_a_place_is_read_back_from_its_text(place: Place) -> None:
    assert Place.parse(str(place)) == place


@given(places, places)
def test_two_places_never_have_the_same_text(one: Place, other: Place) -> None:
    assert (str(one) == str(other)) == (one == other)


@given(places)
def test_the_text_of_a_place_is_plain(place: Place) -> None:
    assert set(str(place)) <= set(string.ascii_letters + string.digits + ":/%.-_~")


@given(places)
def test_a_thread_hangs_in_its_channel(place: Place) -> None:
    parent = place.parent
    if place.thread is None:
        assert parent is None
    else:
        assert parent == Place(place.platform, place.workspace, place.channel)


def test_a_place_reads_well() -> None:
    assert str(Place("slack", "T1", "C2", "171.5")) == "slack:T1/C2/171.5"
    assert str(Place("a:b", "w/1", "50%", "")) == "a%3Ab:w%2F1/50%25/"


@pytest.mark.parametrize("wrong", ["", "discord", "discord:", "discord:a", ":a/b", "discord:a/b/c/d", "a/b"])
def test_what_is_no_place_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="not a place"):
        Place.parse(wrong)


@given(events())
def test_an_event_is_read_back_as_it_was(event: AnyEvent) -> None:
    again = event_from_json(event_to_json(event))
    assert again == event
    assert type(again) is type(event)
    assert again.place == event.place


@given(routes)
def test_a_route_is_read_back_as_it_was(route: Route) -> None:
    assert route_from_json(route_to_json(route)) == route


def test_every_kind_of_event_has_its_own_name() -> None:
    names = [kind.__dataclass_fields__["kind"].default for kind in KINDS]
    assert len(set(names)) == len(KINDS) == 11


@pytest.mark.parametrize("wrong", ["", "{}", "[]", '{"kind": "nothing"}', '{"kind": "message", "id": "1"}'])
def test_what_is_no_event_is_refused(wrong: str) -> None:
    with pytest.raises(ValueError, match="validation error"):
        event_from_json(wrong)


@pytest.mark.parametrize(
    ("permissions", "is_moderator", "leads"),
    [
        ((), False, False),
        (("admin",), True, True),
        (("manage_messages",), True, True),
        (("own_channel",), True, False),
    ],
)
def test_who_is_a_moderator(permissions: tuple[str, ...], is_moderator: bool, leads: bool) -> None:
    user = User("1", "Ann", permissions=frozenset(permissions))
    assert (user.is_moderator, user.leads) == (is_moderator, leads)
