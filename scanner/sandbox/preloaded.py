"""What the standard library looks up only when first used, which a strict jail would have to open
files for. Importing this module has it at hand."""

import codecs
import concurrent.futures.thread
import heapq
import linecache
import unicodedata

#: Imported inside of functions: Counter.most_common, a traceback, a pool's first thread.
MODULES = (heapq, linecache, concurrent.futures.thread)

_NAMES = (
    "ascii", "latin-1", "utf-8", "utf-8-sig", "utf-16", "utf-16-le", "utf-16-be", "utf-32",
    "cp437", "raw_unicode_escape", "unicode_escape", "hex",
)  # fmt: skip
CODECS = tuple(codecs.lookup(name).name for name in _NAMES)
#: What ``\\N{name}`` in an escaped string asks.
UNICODE = unicodedata.unidata_version
