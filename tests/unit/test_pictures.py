"""What the first bytes of a picture tell."""

from __future__ import annotations

import pytest

from bot.pictures import Picture, look, shown_name
from tests.samples import gif, jpeg, png, webp

SIZE = (1300, 700)


@pytest.mark.parametrize(
    ("content", "kind"),
    [
        (png(*SIZE), "image/png"),
        (jpeg(*SIZE), "image/jpeg"),
        (gif(*SIZE), "image/gif"),
        (webp(b"VP8X", *SIZE), "image/webp"),
        (webp(b"VP8L", *SIZE), "image/webp"),
        (webp(b"VP8 ", *SIZE), "image/webp"),
    ],
)
def test_kind_and_size_come_from_the_bytes(content: bytes, kind: str) -> None:
    seen = look(content)
    assert seen is not None
    assert (seen.media_type, seen.width, seen.height, seen.whole) == (kind, *SIZE, True)


@pytest.mark.parametrize("content", [png(*SIZE), jpeg(*SIZE), gif(*SIZE), webp(), webp(b"VP8L"), webp(b"VP8 ")])
def test_a_picture_cut_anywhere_is_none_or_known_to_be_broken(content: bytes) -> None:
    for end in range(len(content)):
        seen = look(content[:end])
        assert seen is None or not seen.whole, (end, seen)


@pytest.mark.parametrize(
    "content", [b"", b"GIF", b"<svg/>", b"BM\0\0", b"RIFF\0\0\0\0WAVEfmt ", b"%PDF-1.7", b"\xff\xd8"]
)
def test_what_is_no_picture_is_not_taken_for_one(content: bytes) -> None:
    assert look(content) is None


@pytest.mark.parametrize("segment", [b"\xff\xfe\x00\x00", b"\xff", b"\xff\xd0", b"\xff\xfe\x00\x02"])
def test_a_jpeg_of_nothing_but_empty_tables_comes_to_an_end(segment: bytes) -> None:
    """It must not hold up everybody else: the size behind too many segments is not looked for."""
    seen = look(b"\xff\xd8" + segment * 100_000 + jpeg()[2:])
    assert seen is not None
    assert (seen.width, seen.whole) == (0, False)


@pytest.mark.parametrize(
    ("width", "height", "tokens"),
    [
        (1, 1, 85 + 170),
        (512, 512, 85 + 170),
        (1024, 1024, 85 + 4 * 170),
        (2048, 4096, 85 + 6 * 170),
        (8000, 100, 85 + 4 * 170),
        (0, 0, 85 + 8 * 170),
    ],
)
def test_tokens_are_counted_by_tiles(width: int, height: int, tokens: int) -> None:
    assert Picture("a.png", "image/png", width=width, height=height).tokens == tokens


@pytest.mark.parametrize(
    ("name", "shown"),
    [
        ("cat.png", "cat.png"),
        ("my cat (2).png", "my cat (2).png"),
        ("__init__.py", "`__init__.py`"),
        ("**@everyone**.png", "`**@everyone**.png`"),
        ("a`b.png", "`aʼb.png`"),
        ("[x](http://y).png", "`[x](http://y).png`"),
    ],
)
def test_names_are_shown_as_they_are(name: str, shown: str) -> None:
    assert shown_name(name) == shown
