"""CRC-32, by the processor's own instructions where that library is installed: zlib's takes a
second for two gigabytes, ISA-L's a tenth of it."""

try:
    from isal.isal_zlib import crc32
except ImportError:  # pragma: no cover (no wheel for this machine: slower, and the same)
    from zlib import crc32

__all__ = ["crc32"]
