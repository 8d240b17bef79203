"""Request bodies that go straight to the store: never a temporary copy, never renamed, never half.

Django would parse a form before the view runs, keep a copy of each file and cut its name down to
something harmless. Here the view decides first, the bytes are hashed on their one way to disk, and
a name arrives as it was sent, so that ``names.checked`` can refuse it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from typing import Any, cast

from django.conf import settings
from django.core.exceptions import RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent
from django.core.files.uploadhandler import FileUploadHandler
from django.http import HttpRequest, HttpResponse, QueryDict
from django.http.multipartparser import MultiPartParser, MultiPartParserError
from django.middleware.csrf import CsrfViewMiddleware
from django.utils.datastructures import MultiValueDict

from registry import names
from registry.blobs import Incoming
from registry.errors import UserError

CHUNK = 1024 * 1024
#: What a form may weigh beyond its files: fields, part headers and boundaries.
FORM_OVERHEAD = 4 * 1024 * 1024
#: A client that sends nothing for this many seconds has gone, and must not hold a thread.
SILENCE = 60.0
#: Where the closing boundary is looked for; what comes after it (an epilogue) has no meaning.
_TAIL = 4096

FieldsCheck = Callable[[QueryDict], None]


@dataclass(frozen=True, slots=True)
class Arrived:
    """A whole file of a form, in scratch until it is kept."""

    field: str
    name: str
    incoming: Incoming


@dataclass(slots=True)
class Form:
    fields: QueryDict = field(default_factory=QueryDict)
    files: list[Arrived] = field(default_factory=list)


def is_form(request: HttpRequest) -> bool:
    return (request.content_type or "").lower().startswith("multipart/form-data")


def announced(request: HttpRequest) -> int | None:
    """The body's length in bytes as the client announced it; None if it is sent in chunks."""
    if _is_chunked(request):
        return None
    try:
        return max(0, int(request.META.get("CONTENT_LENGTH") or 0))
    except ValueError:
        return 0


def raw(request: HttpRequest) -> Iterator[bytes]:
    """The body as it comes; ``UserError("upload.incomplete")`` if it breaks off."""
    body = _Body(request)
    while chunk := body.read(CHUNK):
        yield chunk
    body.check_whole()


@contextmanager
def form(
    request: HttpRequest,
    *,
    csrf: bool = False,
    before_files: FieldsCheck | None = None,
    limit: int | None = None,
) -> Iterator[Form]:
    """The multipart form in ``request``; what was not kept when the block ends is gone.

    With ``csrf`` (for a view marked ``csrf_exempt``, because the middleware would parse the body)
    the token is checked, in the header or in a field that comes before the files. It and
    ``before_files(fields)``, which may raise, are asked before a byte of a file is taken.

    ``limit`` in bytes holds for each file and, with ``FORM_OVERHEAD``, for the form as a whole.
    ``UserError``: file.name, file.empty, file.too_large, upload.incomplete, upload.malformed,
    disk.full, access.csrf.
    """
    allowed: int = settings.WEIGHHOUSE_MAX_UPLOAD if limit is None else limit
    if (announced(request) or 0) > allowed + FORM_OVERHEAD:
        raise UserError("file.too_large", limit=allowed)

    def check(fields: QueryDict) -> None:
        # Later readers of request.POST must find the fields, not try to parse again.
        request._post = fields  # type: ignore[attr-defined]
        request._files = MultiValueDict()  # type: ignore[attr-defined]
        if csrf:
            _check_csrf(request)
        if before_files:
            before_files(fields)

    body = _Body(request, limit=allowed + FORM_OVERHEAD)
    with ExitStack() as stack:
        result = Form()
        handler = _ToStore(result.files, stack, allowed)
        result.fields = _parse(request, body, handler, check)
        yield result


def _parse(request: HttpRequest, body: _Body, handler: _ToStore, check: FieldsCheck) -> QueryDict:
    # A chunked body has no length, and a length of 0 means to Django that there is no body.
    meta = {**request.META, "CONTENT_LENGTH": "1" if body.expected is None else str(body.expected)}
    try:
        parser = _Parser(meta, cast(Any, body), [handler], request.encoding)
        handler.fields = lambda: parser._post
        handler.check = check
        fields, _ = parser.parse()
        body.check_whole()
        body.check_closed(parser._boundary)
    except MultiPartParserError as error:
        if body.ended:
            # A break makes a bad form as well, and is the better explanation.
            body.check_whole()
        raise UserError("upload.malformed", reason=str(error).rstrip(".")) from error
    except (RequestDataTooBig, TooManyFieldsSent, TooManyFilesSent) as error:
        raise UserError("upload.malformed", reason=_TOO_MUCH[type(error)]) from error
    if not handler.checked:
        check(fields)
    request._post = fields  # type: ignore[attr-defined]
    return fields


_TOO_MUCH = {
    RequestDataTooBig: "its fields are too long",
    TooManyFieldsSent: "it has too many fields",
    TooManyFilesSent: "it has too many files",
}


class _Parser(MultiPartParser):
    """Django's parser, without its way of turning ``../../x`` silently into ``x``."""

    _boundary: bytes
    _post: QueryDict

    def sanitize_file_name(self, file_name: str) -> str:
        return file_name


class NoFiles(FileUploadHandler):
    """For every address that takes no files."""

    def new_file(self, *args: Any, **kwargs: Any) -> None:
        raise MultiPartParserError("This address takes no files.")

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        """Never called: there is no file."""

    def file_complete(self, file_size: int) -> None:
        """Never called: there is no file."""


class _ToStore(FileUploadHandler):
    """Each file of a form into an ``Incoming`` of its own."""

    chunk_size = CHUNK
    fields: Callable[[], QueryDict]
    check: FieldsCheck

    def __init__(self, files: list[Arrived], stack: ExitStack, limit: int) -> None:
        super().__init__()
        self.checked = False
        self._files = files
        self._stack = stack
        self._limit = limit
        self._current: Arrived | None = None

    def new_file(self, field_name: str, file_name: str, *args: Any, **kwargs: Any) -> None:
        if not self.checked:
            self.check(self.fields())
            self.checked = True
        if "\N{REPLACEMENT CHARACTER}" in file_name:
            raise UserError("file.name", reason="it is not UTF-8")
        name = names.checked(file_name)
        incoming = self._stack.enter_context(Incoming(limit=self._limit))
        self._current = Arrived(field_name, name, incoming)

    def receive_data_chunk(self, raw_data: bytes, start: int) -> None:
        assert self._current is not None
        self._current.incoming.write(raw_data)

    def file_complete(self, file_size: int) -> None:
        assert self._current is not None
        if not self._current.incoming.size:
            raise UserError("file.empty")
        self._files.append(self._current)
        self._current = None


class _Body:
    """The bytes of a request, counted, so that a body which breaks off is not taken for whole."""

    def __init__(self, request: HttpRequest, *, limit: int | None = None) -> None:
        self.expected = announced(request)
        self.received = 0
        self.ended = False
        self._limit = limit
        self._tail = b""
        self._read: Callable[[int], bytes] = request.read
        if self.expected is None:
            # Django reads no body without a length; the server takes the chunks apart.
            self._read = request.META["wsgi.input"].read
        _dismiss_the_silent(request)

    def read(self, size: int = CHUNK) -> bytes:
        try:
            data = self._read(size)
        except OSError as error:
            raise self._incomplete() from error
        self.ended = not data
        self.received += len(data)
        self._tail = (self._tail + data)[-_TAIL:] if len(data) < _TAIL else data[-_TAIL:]
        if self._limit is not None and self.received > self._limit:
            raise UserError("file.too_large", limit=self._limit - FORM_OVERHEAD)
        return data

    def check_whole(self) -> None:
        if self.expected is not None and self.received < self.expected:
            raise self._incomplete()

    def check_closed(self, boundary: bytes) -> None:
        if self.received and b"--" + boundary + b"--" not in self._tail:
            raise UserError("upload.malformed", reason="its closing boundary is missing")

    def _incomplete(self) -> UserError:
        expected = "an unknown number" if self.expected is None else self.expected
        return UserError("upload.incomplete", received=self.received, expected=expected)


def _is_chunked(request: HttpRequest) -> bool:
    coding = request.META.get("HTTP_TRANSFER_ENCODING", "")
    return "chunked" in coding.lower() and bool(request.META.get("wsgi.input_terminated"))


def _dismiss_the_silent(request: HttpRequest) -> None:
    connection = request.META.get("gunicorn.socket")
    if connection is not None:
        connection.settimeout(SILENCE)


def _check_csrf(request: HttpRequest) -> None:
    def accepted(_: HttpRequest) -> HttpResponse:
        return HttpResponse()

    if CsrfViewMiddleware(accepted).process_view(request, accepted, (), {}) is not None:
        raise UserError("access.csrf")


__all__ = ["Arrived", "Form", "NoFiles", "announced", "form", "is_form", "raw"]
