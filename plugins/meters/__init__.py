"""What the language models cost: today and this month, by person, model, purpose, day and channel."""

from plugins.meters.cost import plugin

__all__ = ["plugin"]
