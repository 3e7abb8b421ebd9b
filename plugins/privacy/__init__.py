"""What is kept about a person, for that person: to read, and to have forgotten."""

from plugins.privacy import forgetting, giving
from plugins.privacy.declared import plugin

__all__ = ["forgetting", "giving", "plugin"]
