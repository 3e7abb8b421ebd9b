"""The formats that come with the bot, one file each.

What all of them are promised, and promise:

- Entries come as they lie in the tree. Each follows its `parent`, or begins another stretch: then its parent is the
  entry where its branch left another one. Best is one branch whole, then of each other branch what it does not share.
  Formats of pages (`tree` is False) tell where a stretch begins; they hold an entry and its variants at a time.
- A variant (`variant_of`) comes right after the answer that it was exchanged with, or after another variant of it.
- Dates are shown in the zone that `Entry.at` bears.
- The same header and entries give the same bytes.
- Sentences are said in the language that is spoken around the call (`bot.api.speaking_to`).
"""
