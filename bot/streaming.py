"""Live answers by editing: post once, edit at a pace in a task of its own, page at the limit, finish at once."""

from __future__ import annotations
