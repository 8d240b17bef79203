"""Multipart bodies as clients send them, and as no client should."""

from __future__ import annotations

BOUNDARY = "frontier-7f3a"
CONTENT_TYPE = f"multipart/form-data; boundary={BOUNDARY}"


def field(name: str, value: str) -> bytes:
    return f'Content-Disposition: form-data; name="{name}"\r\n\r\n{value}'.encode()


def file(data: bytes, name: str | bytes, *, field: str = "file", extra: bytes = b"") -> bytes:
    raw = name.encode() if isinstance(name, str) else name
    return (
        b'Content-Disposition: form-data; name="%s"; filename="%s"\r\n'
        b"Content-Type: application/octet-stream\r\n%s\r\n%s"
    ) % (field.encode(), raw, extra, data)


def form(*parts: bytes, closed: bool = True) -> bytes:
    opening = f"--{BOUNDARY}\r\n".encode()
    body = b"".join(opening + part + b"\r\n" for part in parts)
    return body + (f"--{BOUNDARY}--\r\n".encode() if closed else b"")
