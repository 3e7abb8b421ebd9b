"""Templates of scenes and files of personas: what comes with the bot is playable, what people bring is checked."""

from __future__ import annotations

import json
import logging
import re
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from hatchling.builders.wheel import WheelBuilder
from hypothesis import given, settings
from hypothesis import strategies as st

from bot.api import UsageError
from plugins.roleplay.cleaning import LineCleaner
from plugins.roleplay.endings import alike, words_of
from plugins.roleplay.files import MAX_PERSONA_FILE, MOST_DOTS, personas_in, read_toml, toml_of
from plugins.roleplay.macros import Macros
from plugins.roleplay.personas import Written, persona_of
from plugins.roleplay.scene import Role, Scene
from plugins.roleplay.templates import (
    LONGEST_ID,
    LONGEST_OPENER,
    LONGEST_PROMPT,
    MAX_TEXT,
    Template,
    TemplateRole,
    as_json,
    as_toml,
    built_in,
    find,
    from_scene,
    named,
    slug,
    template_in,
    template_of,
)

ROOT = Path(__file__).parents[2]
FOLDER = ROOT / "plugins/roleplay/templates"
OURS = sorted(built_in().values(), key=lambda each: each.id)
# The pairs that people expect to find.
PAIRS = [
    "interviewer/interviewee",
    "employee/manager",
    "customer/salesperson",
    "doctor/patient",
    "mentor/mentee",
    "judge/lawyer",
    "buyer/seller",
    "negotiator/opponent",
    "counselor/client",
    "agent/client",
    "parent/child",
    "coach/athlete",
    "host/guest",
    "consultant/owner",
    "moderator/panelist",
    "investor/entrepreneur",
    "reviewer/author",
    "debater/opponent",
    "trainer/trainee",
    "technician/user",
]
ADA = {"id": "ada", "name": "Ada", "prompt": "You count."}
BO = {"id": "bo", "name": "Bo", "prompt": "You doubt."}
RAW: dict[str, Any] = {"title": "A Bet", "roles": [ADA, BO]}

each_of_ours = pytest.mark.parametrize("template", OURS, ids=lambda each: each.id)


def texts_of(template: Template) -> list[str]:
    """All but the roles' names and prompts."""
    told = [role.description for role in template.roles]
    return [template.title, template.description, template.setting, template.opener, template.ending, *told]


# What comes with the bot


def test_every_file_is_a_template_under_its_own_name() -> None:
    assert sorted(file.stem for file in FOLDER.glob("*")) == [template.id for template in OURS]
    assert len(OURS) >= 24


def test_the_pairs_that_people_expect_are_there() -> None:
    pairs = {"/".join(role.id for role in template.roles) for template in OURS}
    assert set(PAIRS) <= pairs
    assert len(PAIRS) == 20
    assert sum("fun" in template.tags for template in OURS) >= 4


@each_of_ours
def test_two_people_with_different_aims_are_on_stage(template: Template) -> None:
    assert len(template.roles) == 2
    assert template.turns == 8
    for role in template.roles:
        assert 200 <= len(role.prompt) <= 700
        assert role.prompt.startswith("You are {{char}}")
        assert re.search(r"\b[Yy]ou (?:want|must|need)\b|stays", role.prompt)
        assert re.search(r"[Ss]ecret|limit|Limit", role.prompt)
        assert 10 <= len(role.description) <= 80
        assert re.fullmatch(r"\w[\w\-.]*(?: \w[\w\-.]*)+", role.name), "first and last name"
        assert not role.persona


@each_of_ours
def test_it_is_set_somewhere_can_end_and_fits_a_list(template: Template) -> None:
    assert 150 <= len(template.setting) <= 500
    assert template.ending.startswith("The scene ends ")
    assert len(template.ending) <= 200
    assert 20 <= len(template.description) <= 100
    assert len(template.title) <= 40
    assert template.tags
    assert template.stage == f"{template.setting}\n{template.ending}"


@each_of_ours
def test_the_first_line_is_said_by_whom_it_belongs_to(template: Template) -> None:
    speaker = template.role(template.opener_by)
    assert speaker is not None
    assert 20 <= len(template.opener) <= 250
    for role in template.roles:
        for name in (role.name, role.name.split()[0]):
            assert not template.opener.casefold().startswith(name.casefold())
    others = [role.name for role in template.roles if role is not speaker]
    cleaner = LineCleaner(speaker.name, others)
    assert cleaner.feed(template.opener) + cleaner.finish() == template.opener


@each_of_ours
def test_anybody_can_play_any_role(template: Template) -> None:
    """Names stand nowhere but in the cast, so that roles can be swapped and given to other personas."""
    for text in texts_of(template):
        assert "{{" not in text
        assert "<" not in text
    for role, other in [(one, two) for one in template.roles for two in template.roles if one is not two]:
        filled = Macros(role.name, other.name).fill(role.prompt)
        assert "{" not in filled
        assert "<" not in filled
        for text in (*texts_of(template), *(each.prompt for each in template.roles)):
            assert not re.search(rf"\b(?:{re.escape(role.name)}|{re.escape(role.name.split()[0])})\b", text)


@each_of_ours
def test_a_secret_is_told_to_nobody_else(template: Template) -> None:
    shown = " ".join([template.stage, template.opener, *(role.description for role in template.roles)])
    secrets = [each for role in template.roles for each in re.findall(r"[Ss]ecret: ([^.;]+)", role.prompt)]
    assert secrets
    for secret in secrets:
        assert alike(words_of(secret), words_of(shown)) < 0.05


def test_no_two_are_alike() -> None:
    for what in ("title", "description", "setting", "opener", "ending"):
        assert len({getattr(template, what) for template in OURS}) == len(OURS)
    for one, other in combinations(OURS, 2):
        assert alike(words_of(one.setting), words_of(other.setting)) < 0.1, f"{one.id} {other.id}"
    firsts = [role.name.split()[0] for template in OURS for role in template.roles]
    assert len({*firsts}) == len(firsts)


@each_of_ours
def test_it_is_written_the_way_it_is_exported(template: Template) -> None:
    assert (FOLDER / f"{template.id}.toml").read_text("utf-8") == as_toml(template)


def test_what_is_installed_has_them() -> None:
    packed = {file.distribution_path for file in WheelBuilder(str(ROOT)).recurse_included_files()}
    assert {f"plugins/roleplay/templates/{template.id}.toml" for template in OURS} <= packed


# Finding one


def test_one_is_found_by_id_and_title_however_it_is_written() -> None:
    for name in (
        "pirate-safety",
        "PIRATE-Safety",
        "the safety inspection",
        "  The  Safety Inspection ",
        "Pirate Safety",
    ):
        assert find(name, built_in()).id == "pirate-safety"
    assert named("pirate", built_in()) is None
    assert named("", built_in()) is None


@pytest.mark.parametrize(
    ("name", "meant"),
    [
        ("doctor/patent", "`doctor-patient`, Fit to Fly"),
        ("wizards", "`wizards-bake-sale`"),
        ("the phyton vacancy", "`interviewer-interviewee`"),
        ("astronaut", "`lighthouse-astronaut`"),
        ("technican", "`technician-user`"),
    ],
)
def test_the_one_that_is_meant_is_named(name: str, meant: str) -> None:
    with pytest.raises(UsageError, match=re.escape(f"“{name}”. Did you mean {meant}")):
        find(name, built_in())


@pytest.mark.parametrize("name", ["", "zzzzzz", "`" * 5000, "x" * 10_000])
def test_where_nothing_is_near_the_list_is_named(name: str) -> None:
    with pytest.raises(UsageError, match="`/roleplay templates` lists them") as told:
        find(name, built_in())
    assert len(told.value.public) < 150


# What people bring


def test_a_small_template_is_enough() -> None:
    template = template_of(RAW)
    assert template.id == "a-bet"
    assert template.turns == 8
    assert template.roles == (TemplateRole(**ADA), TemplateRole(**BO))


def test_texts_are_tidied() -> None:
    tidy = template_of(
        {**RAW, "title": " A\n \u200b Bet\u202e \u200b", "setting": "\r\nA bar.\r\nLate.\0 ", "tags": ["  two  words "]}
    )
    assert tidy.title == "A Bet"
    assert tidy.setting == "A bar.\nLate."
    assert tidy.tags == ("two words",)


@pytest.mark.parametrize(
    ("change", "wrong"),
    [
        ({"roles": [ADA]}, "from 2 to 6 roles"),
        ({"roles": []}, "from 2 to 6 roles"),
        ({"roles": [{**ADA, "id": f"a{n}", "name": f"A{n}"} for n in range(7)]}, "from 2 to 6 roles"),
        ({"roles": [ADA, {**BO, "id": "ada"}]}, "the same `id`"),
        ({"roles": [ADA, {**BO, "name": "ADA"}]}, "the same name"),
        ({"roles": [ADA, {"id": "bo", "name": "Bo"}]}, "The role Bo needs a `prompt` or a `persona`"),
        ({"roles": [ADA, {**BO, "name": "narrator"}]}, "No role can be called Narrator"),
        ({"roles": [ADA, {**BO, "name": " \n "}]}, "`roles.2.name` is empty"),
        ({"roles": [ADA, {**BO, "name": "\u200b\u2060"}]}, "`roles.2.name` is empty"),
        ({"roles": [ADA, {**BO, "prompt": "x" * 8001}]}, "`roles.2.prompt` is longer than 8000 characters"),
        ({"roles": [ADA, {**BO, "promt": "x"}]}, "`roles.2.promt` is not known here. Did you mean `prompt`?"),
        ({"roles": [ADA, {**BO, "id": "Bo Derek"}]}, "The id `Bo Derek` may only have.*such as `bo-derek`"),
        ({"roles": [ADA, "Bo"]}, "`roles.2` is not what it should be"),
        ({"roles": "Ada and Bo"}, "`roles` must be a list"),
        ({"roles": None}, "`roles` must be a list"),
        ({"title": ""}, "`title` is empty"),
        ({"title": 7}, "`title` must be a text"),
        ({"title": "x" * 81}, "`title` is longer than 80 characters"),
        ({"setting": "\ud800"}, "`setting` must be a text"),
        ({"opener": "Hello!"}, "`opener_by` must say whose line the `opener` is: `ada`, `bo`"),
        ({"opener": "Hello!", "opener_by": "cy"}, "`opener_by` must be the id of a role: `ada`, `bo`"),
        ({"opener_by": "ada"}, "no `opener`"),
        ({"turns": 0}, "`turns` must be at least 1"),
        ({"turns": 10**9}, "`turns` must be at most 200"),
        ({"turns": "eight"}, "`turns` must be a whole number"),
        ({"tags": ["a"] * 11}, "`tags` has more than 10 entries"),
        ({"tags": ["x" * 31]}, "`tags.1` is longer than 30 characters"),
        ({"openr_by": "ada"}, "`openr_by` is not known here. Did you mean `opener_by`?"),
        ({"api_key": "sk-1"}, "`api_key` is not known here."),
        ({"x`\n`y" * 99: 1}, "is not known here."),
    ],
)
def test_a_bad_template_is_refused_with_what_is_wrong(change: dict[str, Any], wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong) as told:
        template_of({**RAW, **change})
    assert told.value.public.startswith("This template cannot be used:\n")
    assert len(told.value.public) < 400
    assert "sk-1" not in told.value.public


def test_all_that_is_wrong_is_told_at_once_but_no_more_than_can_be_read() -> None:
    with pytest.raises(UsageError) as told:
        template_of({"turns": 0, "roles": [ADA, {"id": "bo"}]})
    assert told.value.public.splitlines()[1:] == [
        "`title` is missing.",
        "`roles.2.name` is missing.",
        "`turns` must be at least 1.",
    ]
    with pytest.raises(UsageError) as many:
        template_of({**RAW, **{f"x{n}": n for n in range(1000)}})
    assert len(many.value.public.splitlines()) == 6


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("", "`title` is missing"),
        ("Once upon a time", "neither TOML nor JSON"),
        ("{", "neither TOML nor JSON"),
        ("[1, 2]", "neither TOML nor JSON"),
        ('title = "A"\ntitle = "B"', "neither TOML nor JSON"),
        (b"\xff\xfe\x00", "neither TOML nor JSON"),
        (b"\x89PNG\r\n\x1a\n", "neither TOML nor JSON"),
        ("title = 2026-11-21", "neither TOML nor JSON"),
        ("x = " + "9" * 5000, "neither TOML nor JSON"),
        ('{"x": ' + "9" * 5000 + "}", "neither TOML nor JSON"),
        ("x = " + "[" * 100_000, "neither TOML nor JSON"),
        ('{"x": ' + "[" * 100_000, "neither TOML nor JSON"),
        (".".join("a" * 100_000) + " = 1", "too many dots"),
        ("[" + ".".join('"a"' * 1 for _ in range(50_000)) + "]", "too many dots"),
        ("x = { " + " . ".join("a" * 100_000) + " = 1 }", "too many dots"),
        ("x" * (MAX_TEXT + 1), "larger than 512 KB"),
    ],
)
def test_what_is_no_template_is_refused_quickly(text: str | bytes, wrong: str) -> None:
    with pytest.raises(UsageError, match=wrong) as told:
        template_in(text)
    assert len(told.value.public) < 400


def test_dots_in_texts_and_comments_are_no_matter() -> None:
    dots = "." * (2 * MOST_DOTS)
    text = f"""# {dots} "
a = "{dots}\\"" # '''
b = '{dots}'
c = \"\"\"{dots}"{dots}
\\"{dots}\"\"\"
d = '''{dots}'''
"""
    assert read_toml(text) == {"a": f'{dots}"', "b": dots, "c": f'{dots}"{dots}\n"{dots}', "d": dots}
    with pytest.raises(ValueError, match="dots"):
        read_toml(f"{text}\n{'a.' * (MOST_DOTS + 1)}a = 1")


@given(st.text(alphabet="\"'\\#.\n=a[]{}", max_size=300))
def test_any_text_is_read_or_refused(text: str) -> None:
    try:
        template = template_in(text)
    except UsageError:
        return
    assert isinstance(template, Template)


@given(st.binary(max_size=300) | st.text(max_size=300).map(lambda text: '{"title": "A", "roles": ' + text))
def test_any_bytes_are_refused(content: bytes | str) -> None:
    with pytest.raises(UsageError):
        template_in(content)


# Out and in again

NICE = st.text(st.characters(exclude_categories=("Cs",)), max_size=60)
HARD = st.text(alphabet='"\\\n\t .a\r\x7f\x01é#', max_size=300)
IDS = st.from_regex(r"[a-z0-9]+(-[a-z0-9]+){0,3}", fullmatch=True).map(lambda id: id[:LONGEST_ID].strip("-"))


@st.composite
def templates(draw: st.DrawFn) -> Template:
    count = draw(st.integers(2, 6))
    ids = draw(st.lists(IDS, min_size=count, max_size=count, unique=True))
    roles = [
        {
            "id": id,
            "name": f"{number} {draw(NICE)}",
            "description": draw(NICE),
            "prompt": f"{draw(HARD)}!{draw(NICE)}",
            "persona": draw(st.just("") | IDS),
        }
        for number, id in enumerate(ids)
    ]
    opener = draw(HARD)
    return template_of(
        {
            "id": draw(IDS),
            "title": f"{draw(NICE)}!",
            "description": draw(NICE),
            "setting": draw(HARD),
            "roles": roles,
            "opener": opener,
            "opener_by": draw(st.sampled_from(ids)) if opener.replace("\0", "").strip() else "",
            "ending": draw(NICE),
            "turns": draw(st.integers(1, 200)),
            "tags": draw(st.lists(NICE.map(lambda tag: f"t{tag[:20]}"), max_size=10)),
        }
    )


@settings(max_examples=60)
@given(templates())
def test_what_is_exported_comes_back_the_same(template: Template) -> None:
    assert template_in(as_toml(template)) == template
    assert template_in(as_json(template)) == template
    assert template_in(as_toml(template).encode()) == template
    assert template_in(b"\xef\xbb\xbf" + as_json(template).encode()) == template
    assert as_toml(template_in(as_json(template))) == as_toml(template)


@settings(max_examples=60)
@given(st.dictionaries(IDS, st.integers() | st.booleans() | HARD | NICE | st.lists(HARD | st.integers(), max_size=3)))
def test_what_is_written_as_toml_is_read_the_same(table: dict[str, Any]) -> None:
    assert read_toml(toml_of(table)) == table


def test_the_longest_template_can_be_exported_and_read() -> None:
    for char in ("x", "\x7f", '"', "\\", "𝄞", "."):
        prompt = char * LONGEST_PROMPT
        roles = [{"id": f"r{n}", "name": f"R{n}", "prompt": prompt} for n in range(6)]
        long = template_of({**RAW, "roles": roles, "opener": char * LONGEST_OPENER, "opener_by": "r5"})
        assert template_in(as_toml(long).encode()) == long
        assert template_in(as_json(long).encode()) == long


@given(st.text(max_size=100))
def test_a_slug_is_an_id(text: str) -> None:
    made = slug(text)
    assert slug(made) == made
    assert len(made) <= LONGEST_ID
    if text.replace("\0", "").strip():
        assert template_of({**RAW, "id": made, "roles": [ADA, {**BO, "id": made}]}).id == made


def test_slugs_can_be_read() -> None:
    assert slug("Dr. Ngũgĩ & Co") == "dr-ngugi-co"
    assert slug("Straße nach Łódź!") == "strasse-nach-łodz"
    assert slug("Чай вдвоём") == "чаи-вдвоем"
    assert slug("二人の舞台") == "二人の舞台"
    assert slug("🦊") == slug("🦊") != slug("🐻")
    assert slug(" ") == ""


# A scene that is kept


def test_a_scene_becomes_a_template() -> None:
    ada = Role(
        id="a", name="Ada", prompt="You count.", persona="ada", description="d" * 500, notes=("Hush.",), player="7"
    )
    bo = Role(id="B!", name="Bo", prompt="You doubt.", provider="openai", model="m")
    scene = Scene(roles=(ada, bo), setting="A study.", opener="Well?", opener_by="B!", turns=12, turn=5, summary="So.")
    template = from_scene(scene, "Late at Night")
    assert template.id == "late-at-night"
    assert (template.setting, template.opener, template.opener_by, template.turns) == ("A study.", "Well?", "b", 12)
    assert [(role.id, role.name, role.prompt, role.persona) for role in template.roles] == [
        ("a", "Ada", "You count.", "ada"),
        ("b", "Bo", "You doubt.", ""),
    ]
    assert len(template.roles[0].description) <= 200
    assert "Hush" not in as_json(template)
    assert template_in(as_toml(template)) == template


def test_a_long_card_is_left_to_its_persona() -> None:
    long = Role(id="a", name="Ada", prompt="x" * (LONGEST_PROMPT + 1), persona="ada")
    scene = Scene(roles=(long, Role(id="A", name="Bo", prompt="You doubt.")), opener_by="a")
    template = from_scene(scene, "T")
    assert template.roles[0].prompt == ""
    assert [role.id for role in template.roles] == ["a", "a-2"]
    with pytest.raises(UsageError, match=r"`roles\.1\.prompt` is longer than 8000"):
        from_scene(scene.with_role("a", persona=""), "T")
    with pytest.raises(UsageError, match="`title` is empty"):
        from_scene(scene, "  ")


# Personas in files


def test_personas_are_read_from_a_folder(tmp_path: Path) -> None:
    (tmp_path / "ada.toml").write_text('name = "Ada"\nparameters = { temperature = 0.7 }\n', "utf-8")
    (tmp_path / "bo.toml").write_bytes(b'\xef\xbb\xbfname = "B\xc3\xb6"')
    (tmp_path / "notes.txt").write_text("no persona", "utf-8")
    (tmp_path / ".hidden.toml").write_text("no persona", "utf-8")
    assert personas_in(tmp_path) == {"ada": {"name": "Ada", "parameters": {"temperature": 0.7}}, "bo": {"name": "Bö"}}
    assert personas_in(tmp_path / "nowhere") == {}


@pytest.mark.parametrize(
    "content",
    [
        b"name = ",
        b"\xff\xfe",
        b"x = " + b"[" * 100_000,
        b"x = " + b"9" * 5000,
        b"born = 1815-12-10",
        b"a." * 1000 + b"a = 1",
        b"#" * (MAX_PERSONA_FILE + 1),
    ],
)
def test_a_bad_file_is_named_and_left_out(tmp_path: Path, caplog: pytest.LogCaptureFixture, content: bytes) -> None:
    (tmp_path / "bad.toml").write_bytes(content)
    (tmp_path / "good.toml").write_text('name = "Bo"', "utf-8")
    (tmp_path / "folder.toml").mkdir()
    with caplog.at_level(logging.WARNING):
        assert personas_in(tmp_path) == {"good": {"name": "Bo"}}
    warned = [record.getMessage() for record in caplog.records]
    assert any("bad.toml is left out: " in each and len(each) < 500 for each in warned)
    assert any("folder.toml" in each for each in warned)


def test_a_sentence_of_a_template_survives_json(tmp_path: Path) -> None:
    kept = json.loads(as_json(find("pirate-safety", built_in())))
    assert kept["roles"][1]["name"] == "Agnieszka Bielak"
    assert "persona" not in kept["roles"][0]


# What is written about them


def test_the_example_of_a_template_can_be_used() -> None:
    page = (ROOT / "docs/roleplay-files.md").read_text("utf-8")
    first, _ = re.findall(r"^```toml\n(.*?)^```$", page, re.MULTILINE | re.DOTALL)
    template = template_in(first)
    assert template.id == "the-last-umbrella"
    assert template.opener_by == "actress"
    assert f"{len(OURS)} come with the bot" in page
    for name in (*Template.model_fields, "roles.prompt", "roles.persona", "roles.adult"):
        assert name == "description" or f"`{name}`" in page


def test_the_personas_that_come_with_the_bot_are_read(caplog: pytest.LogCaptureFixture) -> None:
    folder = ROOT / "config/personas"
    found = personas_in(folder)
    assert sorted(found) == sorted(file.stem for file in folder.iterdir())
    assert len(found) >= 3
    assert not caplog.records
    for id, persona in found.items():
        made = persona_of(persona, source="file")
        assert made.id == id
        assert made.prompt.startswith("You are {{char}}")
        assert len(made.prompt) < 600
        assert made.description
        assert made.greeting
    explained = (folder / "inspector-mackerel.toml").read_text("utf-8").partition("name =")[0]
    for name in Written.model_fields:
        assert name == "book" or re.search(rf"^#.*\b{name}\b", explained, re.MULTILINE), name
