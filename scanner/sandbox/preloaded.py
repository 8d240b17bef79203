"""What the standard library looks up only when first used, which a strict jail would have to open
files for. Importing this module has it at hand."""

import codecs
import heapq
import unicodedata

#: Imported inside of a function: Counter.most_common.
MODULES = (heapq,)

_NAMES = (
    "ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32",
    "cp437", "raw_unicode_escape", "unicode_escape", "hex",
)  # fmt: skip
CODECS = tuple(codecs.lookup(name).name for name in _NAMES)
#: What ``\\N{name}`` in an escaped string asks.
UNICODE = unicodedata.unidata_version
