"""Handing bytes over: validators, ranges, names, and who sends the file itself.

Whoever calls has asked ``serving`` first; ``respond`` asks once more, because between the two a
version may have been withdrawn.
"""

from __future__ import annotations

import base64
import re
import unicodedata
from dataclasses import dataclass
from typing import IO, Literal
from urllib.parse import quote

from django.conf import settings
from django.http import FileResponse, HttpRequest, HttpResponse, HttpResponseBase
from django.utils.http import parse_etags

from registry import blobs, naming, serving
from registry.errors import EngineError, UserError
from registry.models import Artifact, Blob, Preview

#: nginx serves the blob store's ``public/`` under this internal location.
INTERNAL = "/_blobs/"
#: A range from the start that is shorter than this is a look at the header, not a download.
PROBE = 1024 * 1024
_RANGE = re.compile(r"bytes\s*=\s*([0-9]*)\s*-\s*([0-9]*)\s*", re.IGNORECASE)
_BLOCK = 256 * 1024

PreviewSize = Literal["small", "medium", "full"]


@dataclass(frozen=True, slots=True)
class _Span:
    """Bytes from ``start`` up to ``stop``; ``partial`` if a range was asked for."""

    start: int
    stop: int
    partial: bool = False

    def is_download(self, size: int) -> bool:
        return self.start == 0 and (self.stop == size or self.stop >= PROBE)


def respond(
    request: HttpRequest, artifact: Artifact, *, evidence: bool = False, name: str = ""
) -> HttpResponseBase:
    """The artifact's bytes for GET and HEAD, whole or the one range that is asked for, under
    ``name`` if that is one of those that it may have.

    ``evidence`` reads from quarantine as well; the caller has called ``serving.evidence``.
    """
    if not evidence:
        _ask_again(artifact)
    tag = f'"{artifact.blob_id}"'
    size = artifact.blob.size
    answered = _precondition(request, tag)
    if answered is not None:
        return _with_headers(answered, artifact, tag, name)
    span = _asked_span(request, tag, size)
    if span is None:
        refused = HttpResponse(status=416)
        refused["Content-Range"] = f"bytes */{size}"
        return _with_headers(refused, artifact, tag, name)
    response: HttpResponseBase
    if request.method == "HEAD":
        response = HttpResponse()
        response["Content-Length"] = str(size)
    elif _web_server_sends(request) and not evidence:
        response = HttpResponse()
        response["X-Accel-Redirect"] = INTERNAL + blobs.public_name(artifact.blob_id)
    else:
        response = _body(_opened(artifact, evidence=evidence), span, size)
    if request.method == "GET" and not evidence and span.is_download(size):
        serving.count(artifact, request.user)
    return _with_headers(response, artifact, tag, name)


def _ask_again(artifact: Artifact) -> None:
    """Refuse what has been withdrawn or condemned since the artifact was read."""
    now = Artifact.objects.select_related("version", "blob").filter(pk=artifact.pk).first()
    if now is None:
        raise UserError("not_found")
    if reason := serving.refusal(now):
        raise UserError(reason)


def _opened(artifact: Artifact, *, evidence: bool) -> IO[bytes]:
    if evidence:
        return blobs.open_any(artifact.blob_id)
    try:
        file = blobs.open_public(artifact.blob_id)
    except EngineError as error:
        # It was withdrawn at this very moment.
        raise UserError("not_published") from error
    return file


def preview(request: HttpRequest, picture: Preview, size: PreviewSize) -> HttpResponseBase:
    """One of a preview's three pictures; the caller has checked that its version is visible."""
    return picture_bytes(
        request, {"small": picture.small, "medium": picture.medium, "full": picture.full}[size]
    )


def picture_bytes(request: HttpRequest, blob: Blob) -> HttpResponseBase:
    """A picture that the engine drew; the caller has checked that its version is visible."""
    tag = f'"{blob.digest}"'
    answered = _precondition(request, tag)
    response: HttpResponseBase
    if answered is not None:
        response = answered
    elif request.method == "HEAD":
        response = HttpResponse()
        response["Content-Length"] = str(blob.size)
    else:
        response = _body(blobs.open_any(blob.digest), _Span(0, blob.size), blob.size)
    response["Content-Type"] = "image/webp"
    response["ETag"] = tag
    # Private: whether somebody may see the version is asked again, only not for every page.
    response["Cache-Control"] = "private, max-age=3600"
    response["X-Content-Type-Options"] = "nosniff"
    return response


def disposition(name: str) -> str:
    """``Content-Disposition`` with a plain name for everybody and the true one (RFC 6266, 8187)."""
    plain = unicodedata.normalize("NFKD", name).encode("ascii", "ignore").decode()
    if plain == name:
        return f'attachment; filename="{_quoted(name)}"'
    if not plain.rpartition(".")[0]:
        plain = "file" + plain
    return f"attachment; filename=\"{_quoted(plain)}\"; filename*=UTF-8''{quote(name, safe='')}"


def _quoted(name: str) -> str:
    return re.sub(r'["\\\r\n]', "_", name)


def _with_headers(
    response: HttpResponseBase, artifact: Artifact, tag: str, name: str
) -> HttpResponseBase:
    response["ETag"] = tag
    response["Accept-Ranges"] = "bytes"
    # A version can be withdrawn at any time: ask again, even for bytes that are at hand.
    response["Cache-Control"] = "private, no-cache, no-transform"
    response["X-Content-Type-Options"] = "nosniff"
    if response.status_code in {200, 206}:
        response["Content-Type"] = "application/octet-stream"
        response["Content-Disposition"] = disposition(naming.chosen(artifact, name))
        # Of the whole file, also beside a range of it (RFC 9530).
        digest = base64.b64encode(bytes.fromhex(artifact.blob_id)).decode()
        response["Repr-Digest"] = f"sha-256=:{digest}:"
    else:
        del response["Content-Type"]
    return response


def _precondition(request: HttpRequest, tag: str) -> HttpResponse | None:
    """412 or 304 where If-Match or If-None-Match say so (RFC 9110, 13.2.2)."""
    wanted = parse_etags(request.headers.get("If-Match", ""))
    if wanted and "*" not in wanted and tag not in wanted:
        return HttpResponse(status=412)
    held = parse_etags(request.headers.get("If-None-Match", ""))
    if "*" in held or tag in {known.removeprefix("W/") for known in held}:
        return HttpResponse(status=304)
    return None


def _asked_span(request: HttpRequest, tag: str, size: int) -> _Span | None:
    """The span of bytes to send; None if the range lies outside of the file.

    Anything but one well-formed range is answered with the whole file, as RFC 9110 allows.
    """
    whole = _Span(0, size)
    header = request.headers.get("Range", "")
    match = _RANGE.fullmatch(header.strip())
    if request.method != "GET" or not match or match[1] == match[2] == "":
        return whole
    # A date never matches: blobs have no time of change, only a digest.
    if "If-Range" in request.headers and request.headers["If-Range"].strip() != tag:
        return whole
    first, last = match[1][:20], match[2][:20]
    if not first:
        length = min(int(last), size)
        return _Span(size - length, size, True) if length else None
    start, stop = int(first), min(int(last) + 1, size) if last else size
    if last and int(last) < start:
        return whole
    return _Span(start, stop, True) if start < size else None


def _web_server_sends(request: HttpRequest) -> bool:
    # nginx would compare If-Range with an ETag of its own making, and start over each time.
    return (
        settings.WEIGHHOUSE_SENDFILE == "nginx"
        and blobs.is_local()
        and "If-Range" not in request.headers
    )


class _Part:
    """A span of a file, as something to read from.

    With a real file underneath, gunicorn hands it to sendfile(2), from the file's position and for
    as many bytes as Content-Length says.
    """

    def __init__(self, file: IO[bytes], span: _Span) -> None:
        self._file = file
        self._left = span.stop - span.start
        file.seek(span.start)

    def read(self, size: int = -1) -> bytes:
        wanted = self._left if size < 0 else min(size, self._left)
        data = self._file.read(wanted) if wanted else b""
        self._left -= len(data)
        return data

    def fileno(self) -> int:
        return self._file.fileno()

    def close(self) -> None:
        self._file.close()


def _body(file: IO[bytes], span: _Span, size: int) -> FileResponse:
    response = FileResponse(_Part(file, span), content_type="application/octet-stream")
    response.block_size = _BLOCK
    response["Content-Length"] = str(span.stop - span.start)
    if span.partial:
        response.status_code = 206
        response["Content-Range"] = f"bytes {span.start}-{span.stop - 1}/{size}"
    return response
