"""Taking files in from a form: the body goes straight to the store, one file after the other."""

from __future__ import annotations

from typing import Any

from django.contrib import messages
from django.db import transaction
from django.http import HttpRequest, HttpResponse, JsonResponse, QueryDict
from django.shortcuts import redirect, render
from django.urls import reverse
from django.views.decorators.csrf import csrf_exempt
from django.views.decorators.http import require_http_methods, require_POST

from registry import catalogue, streams, uploads
from registry.errors import UserError
from registry.models import Artifact, Model, User, Version
from registry.portal.access import members, person, wants_json
from registry.portal.forms import NEW, UploadForm, editable_models
from registry.portal.views.versions import visible_version


class _Invalid(Exception):
    """The form goes back as it was filled in, with what is wrong."""

    def __init__(self, form: UploadForm, status: int = 422) -> None:
        super().__init__("invalid")
        self.form = form
        self.status = status


# The token is checked by streams.form, before a byte of a file is taken: the middleware would
# have Django read the whole body first.
@csrf_exempt
@require_http_methods(["GET", "HEAD", "POST"])
@members
def upload(request: HttpRequest) -> HttpResponse:
    by = person(request)
    if request.method != "POST":
        wanted = request.GET.get("model", "")
        own = wanted in editable_models(by).values_list("slug", flat=True)
        return _form(request, UploadForm(by=by, initial={"model": wanted if own else NEW}))
    try:
        version = _take(request, by)
    except _Invalid as invalid:
        return _answer_invalid(request, invalid.form, invalid.status)
    if wants_json(request):
        return JsonResponse(_addresses(version), status=201)
    messages.success(request, "Handed in. You can watch it here.")
    return redirect(version)


def _form(request: HttpRequest, form: UploadForm, status: int = 200) -> HttpResponse:
    return render(request, "portal/upload.html", {"form": form}, status=status)


def _answer_invalid(request: HttpRequest, form: UploadForm, status: int) -> HttpResponse:
    if not wants_json(request):
        return _form(request, form, status=status)
    errors = [f"{form[name].label}: {text}" if name != "__all__" else str(text)
              for name, texts in form.errors.items() for text in texts]  # fmt: skip
    return JsonResponse({"code": "field.invalid", "detail": " ".join(errors)}, status=422)


def _take(request: HttpRequest, by: User) -> Version:
    """The new version. A form with files is all or nothing and hands the version in; the page's
    script sends none, and adds them one at a time."""
    checked: list[UploadForm] = []
    try:
        return _received(request, by, checked)
    except UserError as error:
        if not checked or wants_json(request):
            raise
        # A file that cannot be taken costs nobody what they typed.
        checked[0].add_error(None, error.detail)
        raise _Invalid(checked[0], error.status) from error


def _received(request: HttpRequest, by: User, checked: list[UploadForm]) -> Version:

    def check(fields: QueryDict) -> None:
        form = UploadForm(fields, by=by)
        if not form.is_valid():
            raise _Invalid(form)
        checked.append(form)

    with streams.form(request, csrf=True, before_files=check) as sent:
        form = checked[0]
        if not sent.files and not wants_json(request):
            form.add_error(None, "Choose at least one file.")
            raise _Invalid(form)
        for arrived in sent.files:
            # Durable before the transaction, so that no other writer waits for the disk.
            arrived.incoming.finish()
        try:
            with transaction.atomic():
                version = _draft(form.cleaned_data, by)
                _keep(sent.files, version, by)
                if sent.files:
                    uploads.submit(version, by=by)
        except UserError as error:
            form.add_error(None, error.detail)
            raise _Invalid(form) from error
    return version


def _draft(data: dict[str, Any], by: User) -> Version:
    return catalogue.create_version(
        _model(data, by),
        name=data["version"],
        by=by,
        notes=data["notes"],
        trigger_words=data["trigger_words"],
        prompts=data["prompts"],
    )


def _model(data: dict[str, Any], by: User) -> Model:
    if data["model"] != NEW:
        return Model.objects.get(slug=data["model"])
    optional = ("visibility", "kind", "base")
    extra = {field: data[field] for field in optional if data[field]}
    return catalogue.create_model(
        name=data["model_name"],
        by=by,
        summary=data["summary"],
        tags=data["tags"],
        licence=data["licence"],
        **extra,
    )


def _keep(files: list[streams.Arrived], version: Version, by: User) -> list[Artifact]:
    arrived = [(file.name, file.incoming) for file in files]
    return uploads.keep_all(arrived, version=version, by=by) if arrived else []


def _addresses(version: Version) -> dict[str, str]:
    place = [version.model.slug, version.pk]
    return {
        "page": version.get_absolute_url(),
        "files": reverse("portal:add-files", args=place),
        "submit": reverse("portal:act", args=[*place, "submit"]),
    }


@csrf_exempt
@require_POST
@members
def add_files(request: HttpRequest, slug: str, pk: int) -> HttpResponse:
    """Files for a draft."""
    by = person(request)
    version = visible_version(request, slug, pk)

    def check(fields: QueryDict) -> None:
        uploads.check_may_add(version, by=by)

    with streams.form(request, csrf=True, before_files=check) as sent:
        if not sent.files:
            raise UserError("file.missing")
        kept = _keep(sent.files, version, by)
    if wants_json(request):
        files = [{"id": a.pk, "name": a.name, "sha256": a.blob_id} for a in kept]
        return JsonResponse({"files": files}, status=201)
    messages.success(request, "Added: " + ", ".join(artifact.name for artifact in kept))
    return redirect(version)
