"""A persona's line as it is shown, the macros in what it is made of, and when a scene has really ended."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from plugins.roleplay.cleaning import LineCleaner
from plugins.roleplay.endings import (
    Errors,
    Farewell,
    Phrase,
    Progress,
    Said,
    Time,
    Turns,
    reason_to_end,
    repeats,
)
from plugins.roleplay.macros import LONGEST_FILLED, Macros

CAST = ("Ada Lovelace", ["Bo", "Dr. Chen"])


def cleaned(text: str, size: int = 1) -> LineCleaner:
    cleaner = LineCleaner(*CAST)
    for at in range(0, len(text), size):
        cleaner.feed(text[at : at + size])
    cleaner.finish()
    return cleaner


@pytest.mark.parametrize("size", [1, 3, 1000])
@pytest.mark.parametrize(
    ("said", "shown"),
    [
        ("Good day.", "Good day."),
        ("Ada Lovelace: Good day.", "Good day."),
        ("**Ada Lovelace:** Good day.", "Good day."),
        ("[Ada]: Good day.", "Good day."),
        ("ada lovelace： Ada: Good day.", "Good day."),
        ("\n\n  Good day. \n ", "Good day."),
        ("Ada smiled: it works.", "Ada smiled: it works."),
        ("Adam: who?", "Adam: who?"),
        ("One.\nAda: Two.", "One.\nTwo."),
        ("One.\n\nBo: Two.", "One."),
        ("One.\n**Dr. Chen:** Two.\nThree.", "One."),
        ("One.\nBo (laughing): Two.", "One."),
        ("One.\n**Bo** *(laughing)*: Two.", "One."),
        ("One.\n### Bo:\nTwo.", "One."),
        ("One.\n> Bo: Two.", "One."),
        ("\u200bBo: Two.", ""),
        ("Ada (softly): Good day.", "Good day."),
        ("Ada (softly) smiles.", "Ada (softly) smiles."),
        ("# Ada", "# Ada"),
        ("Bo: I speak for others.", ""),
        ("I told Bo: no.", "I told Bo: no."),
        ("One.\n\nThe user: Two.", "One."),
        ("One.\nAssistant: Two.", "One."),
        ("User error: none.", "User error: none."),
        ("One.\n[A note for Ada Lovelace alone: it is poisoned.]\nTwo.", "One."),
        ("[Ada Lovelace alone knows: it is poisoned.]", ""),
        ("One.\n*[The scene begins.]*", "One."),
        ("[Ada laughs.] One.", "[Ada laughs.] One."),
        ("[A nod.] One.", "[A nod.] One."),
        ('"Good day."', "Good day."),
        ("“Good day.”", "Good day."),
        ('"Good," she said. "Day."', '"Good," she said. "Day."'),
        ('"' + "word " * 100 + '"', '"' + "word " * 100 + '"'),
        ("Farewell. [[END]]", "Farewell."),
        ("[[end]]", ""),
        ("Array[[0]] and [[EN", "Array[[0]] and [[EN"),
        ("", ""),
        ("Ada Lovelace:", ""),
        ("Ada Love", "Ada Love"),
    ],
)
def test_a_line_is_only_the_personas_own(said: str, shown: str, size: int) -> None:
    assert cleaned(said, size).text == shown


@pytest.mark.parametrize("size", [1, 1000])
def test_names_are_known_whatever_letters_they_have(size: int) -> None:
    for own, other in (("Frau Weiß", "Bo"), ("WEISS", "Çağla"), ("İnci", "Frau Groß")):
        cleaner = LineCleaner(own, [other])
        text = f"{own}: Guten Tag.\n{other}: Guten Abend."
        shown = "".join(cleaner.feed(text[at : at + size]) for at in range(0, len(text), size)) + cleaner.finish()
        assert (shown, cleaner.cut) == ("Guten Tag.", True), own


def test_it_is_told_who_wants_to_end_and_who_speaks_for_others() -> None:
    assert cleaned("Bye. [[END]] More.").ended
    cut = cleaned("One.\nBo: Two.")
    assert cut.cut
    assert not cut.ended


def test_whatever_a_speaker_is_told_is_known_when_it_is_said_aloud() -> None:
    folder = Path(__file__).parents[2] / "plugins" / "roleplay"
    code = (folder / "views.py").read_text("utf-8") + (folder / "speaking.py").read_text("utf-8")
    told = re.findall(r'f?"\[((?:[A-Z{][\w.{}]*)[^\]"{:]*)', code)
    assert len(told) > 5
    for each in told:
        said = each.replace("{role.name}", "Ada Lovelace").partition("{")[0]
        if not said.startswith("Ada") and said:
            assert cleaned(f"One.\n[{said} Ada Lovelace: a secret.]").text == "One.", each
    for knows in ("remembers", "alone knows"):
        assert cleaned(f"One.\n[Ada Lovelace {knows}: a secret.]").text == "One."


def test_what_is_certain_is_shown_at_once() -> None:
    cleaner = LineCleaner(*CAST)
    assert cleaner.feed("A") == ""
    assert cleaner.feed("da: G") == "G"
    assert cleaner.feed("ood day, ") == "ood day,"
    assert cleaner.feed("friend") == " friend"
    assert cleaner.feed("\nB") == ""
    assert cleaner.feed("ut") == "\nBut"


@given(st.text(alphabet='Ada Bo:\n"*[]END.“”', max_size=60), st.integers(1, 5))
def test_it_does_not_matter_in_which_pieces_a_line_comes(text: str, size: int) -> None:
    assert cleaned(text, size).text == cleaned(text, 1000).text


# Macros


def test_macros_are_filled_in() -> None:
    macros = Macros("Ada", "Bo", original="You are kind.", seed="7")
    assert macros.fill("{{char}} and {{USER}}, <bot> and <User>.") == "Ada and Bo, Ada and Bo."
    assert macros.fill("{{original}} Be brief.{{// a note}}{{hidden_key:x}}{{comment: y}}") == "You are kind. Be brief."
    assert macros.fill("{{reverse:abc}} {{unknown}} {{roll:0}}") == "cba {{unknown}} 0"
    assert macros.fill("{{random:a,b\\,c}}") in ("a", "b,c")
    assert macros.fill("{{pick::{{char}}::{{char}}}}") == "Ada"
    assert 2 <= int(macros.fill("{{roll:2d6}}")) <= 12
    assert macros.fill("{{roll:d6}} {{random:a,b,c}}") == macros.fill("{{roll:d6}} {{random:a,b,c}}")


@given(st.text(alphabet="{}:,charuserandom0d6/<>", max_size=200))
def test_any_text_is_filled_in(text: str) -> None:
    assert isinstance(Macros("Ada", "{{char}}", "{{original}}").fill(text), str)


def test_names_that_are_macros_do_not_grow_for_ever() -> None:
    name = "{{char}}" * 10
    assert len(Macros(name, name).fill("{{char}}{{user}}" * 500)) <= LONGEST_FILLED


# Endings


def lines(*texts: str) -> list[Said]:
    return [Said("AB"[at % 2], text) for at, text in enumerate(texts)]


def ends_at(texts: list[str]) -> int | None:
    """After how many lines the scene ends, and that is by itself."""
    said = lines(*texts)
    for count in range(1, len(said) + 1):
        if reason_to_end(Progress(said[:count]), [Farewell()]) or repeats(said[:count]):
            return count
    return None


STORY = [
    "I found a friend on the road, and he recommended this inn.",
    "Then your friend has taste. What shall I bring you?",
    "Bread, if it is fresh, and the end of that cheese.",
    "The bread is fresh. The cheese was a test of your courage.",
    "I have passed worse tests. Thanks, this is good.",
    "Thank you. Where do you travel, if a host may ask?",
    "North, to the mountains. I recommend the view.",
    "My brother went there and never came back to tell.",
    "What was his name?",
    "Tom. He laughed too loud and paid too little.",
]


def test_an_ordinary_story_goes_on() -> None:
    assert ends_at(STORY) is None
    assert ends_at(["Yes.", "No.", "Yes!", "Maybe.", "No.", "Well."]) is None
    assert ends_at(["Goodbye is a hard word.", "Why do you say goodbye?", "Because it is late.", "Stay."]) is None


def test_going_round_in_circles_ends_it_within_two_lines() -> None:
    assert ends_at(["How are you?", "I am fine, and you?"] * 4) == 3
    assert ends_at(["We should go now."] * 6) == 3
    assert ends_at([*STORY[:4], "One.", "Two.", "Three.", "One.", "Two.", "Three."]) == 10
    assert ends_at(["I will never leave this old house.", "Why?", "I will never leave this old house, 1!"]) == 3
    again = ["I will never leave this old house by the sea.", "Why?", "I will never leave this old house by the lake."]
    assert ends_at(again) == 3


def test_taking_leave_ends_it() -> None:
    assert ends_at(["It was a pleasure. Goodbye!", "Goodbye, and take care."]) == 2
    assert ends_at(["Auf Wiedersehen.", "Tschüss, bis bald!"]) == 2
    assert ends_at(["Goodbye!", "Goodbye? Already?"]) is None


def test_words_that_also_say_goodbye_do_not_end_it() -> None:
    assert ends_at(["I see you brought the map.", "And I see you kept the key!"]) is None
    assert ends_at(["It has been so long since we met.", "So long that I forgot your face."]) is None
    assert ends_at(["Take care of the horses.", "Take care that nobody hears you."]) is None
    assert ends_at(["Bis morgen muss es fertig sein.", "Bis dann bin ich tot!"]) is None
    assert ends_at(["See you tomorrow, then.", "I'll see you around, Tom!"]) == 2
    assert ends_at(["Take care!", "So long, old friend."]) == 2


def test_one_speaker_cannot_take_leave_of_nobody() -> None:
    assert Farewell().reason(Progress([Said("A", "Goodbye."), Said("A", "Farewell.")])) is None


def test_limits_end_it_before_they_are_passed() -> None:
    assert Turns(8).reason(Progress(turns=7)) is None
    assert Turns(8).reason(Progress(turns=8)) == "turns"
    assert Time(60).reason(Progress(running=61)) == "time"
    assert Errors(3).reason(Progress(errors=3)) == "errors"


def test_a_phrase_is_heard_as_whole_words() -> None:
    ending = Phrase(("The end", "curtain"))
    assert ending.reason(Progress(lines("…and that is THE END!"))) == "phrase"
    assert ending.reason(Progress(lines("The ending was fine."))) is None
    assert ending.reason(Progress(lines("Curtains!"))) is None
    assert ending.reason(Progress()) is None


def test_the_first_reason_counts() -> None:
    assert reason_to_end(Progress(turns=9, running=99), [Time(50), Turns(8)]) == "time"
    assert reason_to_end(Progress(), [Time(50), Turns(8)]) is None


@given(st.lists(st.text(max_size=20), max_size=30))
def test_any_lines_can_be_looked_at(texts: list[str]) -> None:
    assert repeats(lines(*texts)) in (True, False)
