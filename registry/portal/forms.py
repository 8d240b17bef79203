"""Forms: what people type, checked before a use case sees it."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from django import forms
from django.conf import settings
from django.contrib.auth.forms import AuthenticationForm, PasswordChangeForm
from django.contrib.auth.models import Group
from django.db.models import QuerySet

from registry import catalogue, sign_in
from registry.errors import UserError
from registry.models import Model, User, Version
from registry.models.catalogue import MOST_PROMPTS
from registry.portal.presenters import words
from registry.states import Kind, Role, Scope, Visibility

NEW = "new"

if TYPE_CHECKING:
    _UserForm = forms.ModelForm[User]
else:
    # Generic for the type checker only.
    _UserForm = forms.ModelForm


class SignInForm(AuthenticationForm):
    error_messages = {
        "invalid_login": "That name and password do not go together.",
        "inactive": "This account has been deactivated.",
    }

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.fields["username"].label = "Name"

    def clean(self) -> dict[str, Any]:
        name, password = self.cleaned_data.get("username"), self.cleaned_data.get("password")
        if not name or not password:
            return super().clean()
        address = self.request.META.get("REMOTE_ADDR", "") if self.request else ""
        try:
            sign_in.attempt(name, address=address)
        except UserError as error:
            raise forms.ValidationError(error.detail, code=error.code) from error
        cleaned = super().clean()
        sign_in.succeeded(name, address=address)
        return cleaned


class WordsField(forms.CharField):
    """Several short entries, separated by commas."""

    def to_python(self, value: Any) -> Any:
        return [part for part in map(str.strip, (value or "").split(",")) if part]

    def prepare_value(self, value: Any) -> Any:
        return ", ".join(value) if isinstance(value, list | tuple) else value

    def validate(self, value: Any) -> None:
        if self.required and not value:
            raise forms.ValidationError(self.error_messages["required"], code="required")

    def run_validators(self, value: Any) -> None:
        # Those of CharField look at one string.
        return


class LinesField(WordsField):
    """Several longer entries, one a line."""

    widget = forms.Textarea

    def to_python(self, value: Any) -> Any:
        return [line for line in map(str.strip, (value or "").splitlines()) if line]

    def prepare_value(self, value: Any) -> Any:
        return "\n".join(value) if isinstance(value, list | tuple) else value


def _own_prompts(rows: int) -> LinesField:
    return LinesField(
        required=False,
        label="Prompts of your own",
        widget=forms.Textarea(attrs={"rows": rows}),
        help_text=(
            f"One a line, {MOST_PROMPTS} at most: drawn in the smoke test beside those that every "
            "model gets. Trigger words join them by themselves."
        ),
    )


class TeamsField(WordsField):
    """Names of teams, separated by commas."""

    def clean(self, value: Any) -> list[Group]:
        wanted = super().clean(value)
        found = {team.name: team for team in Group.objects.filter(name__in=wanted)}
        unknown = [name for name in wanted if name not in found]
        if unknown:
            raise forms.ValidationError(f"There is no team named {', '.join(unknown)}.")
        return list(found.values())


class PeopleField(WordsField):
    """Sign-in names, separated by commas."""

    def clean(self, value: Any) -> list[User]:
        wanted = super().clean(value)
        found = {user.username: user for user in User.objects.filter(username__in=wanted)}
        unknown = [name for name in wanted if name not in found]
        if unknown:
            raise forms.ValidationError(f"Nobody here is named {', '.join(unknown)}.")
        return list(found.values())


_KINDS = [(kind.value, kind.label) for kind in Kind if kind is not Kind.UNKNOWN]
#: What people say a model is for; others are left to the inspection.
_BASES = [
    (base, words.BASES[base])
    for base in ("sd1", "sd2", "sdxl", "sdxl-refiner", "sd3", "sd3.5-medium", "sd3.5-large", "flux")
]


class EntryForm(forms.Form):
    """A model's entry in the catalogue."""

    name = forms.CharField(max_length=120)
    summary = forms.CharField(
        max_length=240, required=False, help_text="One sentence, shown below the name."
    )
    description = forms.CharField(
        required=False,
        max_length=catalogue.LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 10}),
        help_text="Markdown.",
    )
    kind = forms.ChoiceField(
        choices=Kind.choices,
        required=False,
        help_text="Replaced by what inspection finds.",
    )
    licence = forms.CharField(max_length=80, required=False)
    tags = WordsField(required=False, help_text="Separated by commas.")
    visibility = forms.ChoiceField(choices=Visibility.choices, widget=forms.RadioSelect)
    shared_with = PeopleField(
        required=False,
        label="Share a private model with",
        help_text="Sign-in names, separated by commas.",
    )
    shared_with_teams = TeamsField(
        required=False, label="… and with teams", help_text="Their names, separated by commas."
    )

    @classmethod
    def of(cls, model: Model, data: Any = None) -> EntryForm:
        initial = {
            field: getattr(model, field)
            for field in ("name", "summary", "description", "kind", "licence", "visibility")
        }
        initial["tags"] = [tag.name for tag in model.tags.all()]
        initial["shared_with"] = [user.username for user in model.shared_with.all()]
        initial["shared_with_teams"] = [team.name for team in model.shared_with_teams.all()]
        return cls(data, initial=initial)

    def clean_kind(self) -> str:
        return self.cleaned_data["kind"] or Kind.UNKNOWN


class UploadForm(forms.Form):
    """A new version of an own model or of a new one. Its files are taken from the request as they
    come, not through the form."""

    model = forms.ChoiceField(label="Model")
    model_name = forms.CharField(max_length=120, required=False, label="Name of the new model")
    summary = forms.CharField(max_length=240, required=False, label="In a sentence")
    kind = forms.ChoiceField(
        choices=[("", "Let the inspection say"), *_KINDS], required=False, label="What it is"
    )
    base = forms.ChoiceField(
        choices=[("", "Let the inspection say"), *_BASES], required=False, label="Made for"
    )
    tags = WordsField(required=False, help_text="Separated by commas.")
    licence = forms.CharField(max_length=80, required=False)
    visibility = forms.ChoiceField(
        choices=Visibility.choices, initial=Visibility.TEAM, required=False
    )
    version = forms.CharField(max_length=80, label="Version", initial="v1")
    trigger_words = WordsField(required=False, help_text="Separated by commas.")
    prompts = _own_prompts(2)
    notes = forms.CharField(
        required=False, max_length=20_000, widget=forms.Textarea(attrs={"rows": 3})
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        self.by = by
        own = [(model.slug, model.name) for model in editable_models(by)]
        self._choices: Sequence[tuple[str, str]] = [(NEW, "A new model"), *own]
        field = self.fields["model"]
        assert isinstance(field, forms.ChoiceField)
        field.choices = self._choices

    def clean(self) -> dict[str, Any]:
        data = super().clean() or {}
        if data.get("model") == NEW and not data.get("model_name"):
            self.add_error("model_name", "A new model needs a name.")
        return data


def editable_models(user: User) -> QuerySet[Model]:
    return Model.objects.filter(owner=user).order_by("name")


class VersionForm(forms.Form):
    """What is said about a version; its files are another matter."""

    name = forms.CharField(max_length=80, label="Version")
    trigger_words = WordsField(required=False, help_text="Separated by commas.")
    prompts = _own_prompts(3)
    notes = forms.CharField(
        required=False,
        max_length=catalogue.LONGEST_TEXT,
        widget=forms.Textarea(attrs={"rows": 6}),
    )

    @classmethod
    def of(cls, version: Version, data: Any = None) -> VersionForm:
        fields = ("name", "trigger_words", "prompts", "notes")
        return cls(data, initial={field: getattr(version, field) for field in fields})


class NoteForm(forms.Form):
    note = forms.CharField(required=False, max_length=5_000, widget=forms.Textarea)

    @classmethod
    def said(cls, data: Any) -> str:
        """The note in ``data``; ``UserError("field.invalid")``."""
        form = cls(data)
        if not form.is_valid():
            raise UserError("field.invalid", detail=" ".join(map(str, form.errors["note"])))
        return str(form.cleaned_data["note"])


class ProfileForm(_UserForm):
    class Meta:
        model = User
        fields = ["first_name", "last_name", "email", "notices_by_mail"]

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not settings.WEIGHHOUSE_MAIL:
            # The site has no way to send any.
            del self.fields["notices_by_mail"]


class OwnPasswordForm(PasswordChangeForm):
    def __init__(self, user: User, *args: Any, **kwargs: Any) -> None:
        super().__init__(user, *args, **kwargs)
        self.fields["old_password"].label = "Present password"
        self.fields["new_password1"].label = "New password"
        self.fields["new_password2"].label = "New password once more"
        # Two other forms stand on the same page.
        self.fields["old_password"].widget.attrs.pop("autofocus", None)


class TokenForm(forms.Form):
    name = forms.CharField(max_length=80, help_text="What it is for, such as “ComfyUI on my desk”.")
    scopes = forms.MultipleChoiceField(
        choices=Scope.choices, widget=forms.CheckboxSelectMultiple, initial=[Scope.READ]
    )
    days = forms.IntegerField(
        min_value=1,
        max_value=3650,
        required=False,
        initial=90,
        label="Valid for days",
        help_text="Empty: until revoked.",
    )

    def __init__(self, *args: Any, by: User, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        if not by.is_reviewer:
            field = self.fields["scopes"]
            assert isinstance(field, forms.MultipleChoiceField)
            field.choices = [(s.value, s.label) for s in Scope if s is not Scope.REVIEW]


class PersonForm(forms.Form):
    name = forms.CharField(max_length=150, label="Sign-in name")
    email = forms.EmailField(required=False)
    role = forms.ChoiceField(choices=Role.choices, initial=Role.MEMBER)


class RoleForm(forms.Form):
    role = forms.ChoiceField(choices=Role.choices)
