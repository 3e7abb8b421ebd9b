"""Character cards as people share them: read from PNG, JSON and CHARX, and written back without losing anything."""

from plugins.roleplay.cards.card import Card, card_of
from plugins.roleplay.cards.files import as_json, as_png, read_card
from plugins.roleplay.cards.lorebook import Entry, Lorebook

__all__ = ["Card", "Entry", "Lorebook", "as_json", "as_png", "card_of", "read_card"]
