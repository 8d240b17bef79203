"""The portal's addresses."""

from __future__ import annotations

from django.contrib.auth.views import LogoutView
from django.urls import path
from django.views.decorators.cache import never_cache

from registry.portal.views import (
    account,
    catalogue,
    files,
    notices,
    people,
    policy,
    review,
    smoke,
    uploads,
    variants,
    versions,
)

app_name = "portal"

_VERSION = "models/<slug:slug>/versions/<int:pk>/"

urlpatterns = [
    path("", catalogue.index, name="catalogue"),
    path("sign-in/", account.SignIn.as_view(), name="sign-in"),
    path("sign-out/", never_cache(LogoutView.as_view()), name="sign-out"),
    path("models/<slug:slug>/", catalogue.model, name="model"),
    path("models/<slug:slug>/edit/", catalogue.edit_model, name="edit-model"),
    path("models/<slug:slug>/delete/", catalogue.delete_model, name="delete-model"),
    path(_VERSION, versions.version, name="version"),
    path(f"{_VERSION}live/", versions.live, name="live"),
    path(f"{_VERSION}tensors/", versions.tensors, name="tensors"),
    path(f"{_VERSION}edit/", versions.edit, name="edit-version"),
    path(f"{_VERSION}delete/", versions.delete, name="delete-version"),
    path(f"{_VERSION}files/", uploads.add_files, name="add-files"),
    path(f"{_VERSION}files/<int:artifact>/remove/", versions.remove_file, name="remove-file"),
    path(f"{_VERSION}variants/", variants.variants, name="variants"),
    path(f"{_VERSION}variants/<int:variant>/remove/", variants.remove, name="remove-variant"),
    path(f"{_VERSION}smoke/", smoke.smoke, name="smoke"),
    path(f"{_VERSION}contact-sheet.webp", smoke.sheet, name="sheet"),
    path(f"{_VERSION}<slug:action>/", versions.act, name="act"),
    path("upload/", uploads.upload, name="upload"),
    path("review/", review.queue, name="review"),
    path("files/<int:pk>/<str:name>", files.download, name="download"),
    path("evidence/<int:pk>/", files.evidence, name="evidence"),
    path("previews/<int:pk>/<slug:size>.webp", files.preview, name="preview"),
    path("account/", account.account, name="account"),
    path("account/profile/", account.profile, name="profile"),
    path("account/password/", account.password, name="password"),
    path("account/tokens/", account.add_token, name="add-token"),
    path("account/tokens/<int:pk>/revoke/", account.revoke_token, name="revoke-token"),
    path("notices/", notices.index, name="notices"),
    path("notices/read/", notices.read_all, name="read-notices"),
    path("notices/<int:pk>/", notices.follow, name="notice"),
    path("policy/", policy.index, name="policy"),
    path("policy/retry/", policy.retry, name="retry-policy"),
    path("bases/", smoke.bases, name="bases"),
    path("bases/unset/", smoke.unset_base, name="unset-base"),
    path("people/", people.index, name="people"),
    path("people/add/", people.add, name="add-person"),
    path("people/<int:pk>/role/", people.change_role, name="change-role"),
    path("people/<int:pk>/active/", people.change_active, name="change-active"),
    path("people/<int:pk>/password/", people.reset_password, name="reset-password"),
]
