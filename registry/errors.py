"""Errors with stable codes, and whose fault they are.

``UserError`` becomes a 4xx answer with ``{"code", "detail", …}``; the wording lives in
``MESSAGES`` so that every way in says the same. Anything else is ours.
"""

from __future__ import annotations

from collections.abc import Mapping

from django.template.defaultfilters import filesizeformat

#: code → (HTTP status, sentence). ``{limit}`` and friends come from the error's params.
MESSAGES: Mapping[str, tuple[int, str]] = {
    "file.empty": (400, "The file is empty."),
    "file.missing": (400, "No file was sent. Send it as the form field “file” or as the body."),
    "file.too_large": (413, "The file is larger than this site takes ({limit})."),
    "file.name": (400, "The file name is not usable: {reason}."),
    "file.name_taken": (409, "This version already has a file named “{name}”."),
    "file.duplicate": (409, "This version already has this very file, as “{name}”."),
    "file.digest_mismatch": (422, "What arrived is not what was announced: sha256 {actual}."),
    "upload.incomplete": (400, "The upload broke off: {received} of {expected} bytes arrived."),
    "upload.malformed": (400, "The form could not be read: {reason}."),
    "disk.full": (507, "The server's disk is full. Nothing was kept; try again later."),
    "name.empty": (400, "A name is needed."),
    "name.taken": (409, "There is already a {what} named “{name}”."),
    "field.invalid": (400, "{detail}"),
    "stage.forbids": (409, "A version that is {stage} cannot be {action}."),
    "stage.changed": (409, "Somebody else was faster: the version is now {stage}."),
    "version.no_files": (409, "The version has no files yet."),
    "version.not_draft": (409, "Files can be added to a draft only; this version is {stage}."),
    "version.busy": (409, "Work on this version is under way; try again when it is done."),
    "review.own_upload": (403, "You uploaded this yourself; another reviewer has to decide."),
    "review.no_clean_file": (409, "None of this version's files may be served: {reason}."),
    "note.needed": (400, "Say why: the uploader will read it."),
    "access.denied": (403, "You may not do this."),
    "access.csrf": (403, "The page is too old to be sent; load it again."),
    "access.sign_in": (401, "Sign in or send a token."),
    "sign_in.too_often": (429, "Too many attempts. Wait {minutes} minutes and try again."),
    "conflict": (409, "Somebody else did the same at this moment. Try again."),
    "token.scope": (403, "The token does not have the scope “{scope}”."),
    "not_found": (404, "There is nothing here, or you may not see it."),
    "not_published": (403, "This version has not been published."),
    "quarantined": (403, "This file is in quarantine and is not served."),
    "report.pending": (404, "The file has not been inspected yet."),
    "tensors.pending": (404, "Its tensors are listed when it is next inspected."),
    "variant.nothing_asked": (400, "Say what should be different about the file."),
    "variant.source": (409, "This version has no such upload to make another file of."),
    "variant.torch_kind": (
        409,
        "Only hypernetworks, embeddings and VAEs are written as .pt: other files load elsewhere.",
    ),
    "variant.vae": (409, "That VAE cannot be taken: {reason}."),
    "variant.changes_nothing": (409, "That would change nothing in this file."),
    "variant.too_many": (409, "A version has {most} variants at most; take one away first."),
    "smoke.nothing": (409, "None of this version's files can be drawn with."),
    "base.unfit": (409, "This file cannot serve as a base: {reason}."),
    "person.exists": (409, "There is already a person named “{name}”."),
    "person.last_admin": (409, "The last admin cannot be demoted or deactivated."),
    "source.unusable": (400, "{source} could not be read: {reason}."),
    "hub.unreachable": (502, "The hub could not be reached: {reason}."),
    "hub.not_found": (404, "The hub has no {what}."),
}


class UserError(Exception):
    """What the person asking did, or sent, cannot be done. ``code`` is stable."""

    def __init__(self, code: str, **params: object) -> None:
        self.code = code
        self.params = params
        self.status, sentence = MESSAGES[code]
        shown = {
            key: filesizeformat(value) if key == "limit" and isinstance(value, int) else value
            for key, value in params.items()
        }
        self.detail = sentence.format(**shown)
        super().__init__(f"{code}: {self.detail}")

    @property
    def spoken(self) -> str:
        """For a terminal: the sentence, and the code to search for."""
        return f"{self.detail} [{self.code}]"


class EngineError(Exception):
    """We, or the machine, failed; trying again may help. ``code`` is stable."""

    def __init__(self, code: str, detail: str = "") -> None:
        self.code = code
        self.detail = detail
        super().__init__(f"{code}: {detail}" if detail else code)
