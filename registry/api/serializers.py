"""The shapes that go in and out."""

from __future__ import annotations

from typing import Any, cast

from django.contrib.auth.models import Group
from django.urls import reverse
from drf_spectacular.utils import extend_schema_field
from rest_framework import serializers

from registry import catalogue, lineage, naming, policies, reports, serving
from registry.api.smoke import SmokeOut, smoke_of
from registry.models import (
    ApiToken,
    Artifact,
    Event,
    Model,
    Notice,
    Preview,
    StepRun,
    User,
    Version,
)
from registry.models.catalogue import MOST_PROMPTS, MOST_TRIGGER_WORDS, PROMPT_LENGTH
from registry.pipeline import reinspection
from registry.states import ArtifactRole, EventKind, Kind, RunState, Stage, Visibility


def _address(serializer: serializers.BaseSerializer[Any], name: str, *args: object) -> str:
    """An absolute address, so that a client can follow it as it is."""
    return str(serializer.context["request"].build_absolute_uri(reverse(name, args=args)))


def _user(serializer: serializers.BaseSerializer[Any]) -> catalogue.Visitor:
    return cast(catalogue.Visitor, serializer.context["request"].user)


MOST_EVENTS = 500


class VersionBrief(serializers.ModelSerializer[Version]):
    """A version as its model lists it."""

    url = serializers.SerializerMethodField()

    class Meta:
        model = Version
        fields = (
            "id", "name", "stage", "kind", "base", "precision", "verdict",
            "created_at", "published_at", "url",
        )  # fmt: skip
        read_only_fields = fields

    def get_url(self, version: Version) -> str:
        return _address(self, "api:version", version.pk)


class ModelOut(serializers.ModelSerializer[Model]):
    owner = serializers.CharField(source="owner.username", read_only=True)
    tags = serializers.SerializerMethodField()
    versions = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Model
        fields = (
            "id", "slug", "name", "summary", "description", "kind", "base", "tags", "licence",
            "visibility", "owner", "created_at", "updated_at", "downloads", "versions", "url",
        )  # fmt: skip
        read_only_fields = fields

    def get_tags(self, model: Model) -> list[str]:
        return [tag.name for tag in model.tags.all()]

    @extend_schema_field(VersionBrief(many=True))
    def get_versions(self, model: Model) -> Any:
        # ``seen`` is prefetched with what the caller may know of; a new model has none.
        return VersionBrief(getattr(model, "seen", []), many=True, context=self.context).data

    def get_url(self, model: Model) -> str:
        return _address(self, "api:model", model.slug)


class ModelIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=120)
    summary = serializers.CharField(max_length=240, required=False, allow_blank=True)
    description = serializers.CharField(
        max_length=catalogue.LONGEST_TEXT, required=False, allow_blank=True
    )
    kind = serializers.ChoiceField(choices=Kind.choices, required=False)
    base = serializers.CharField(
        max_length=32, required=False, allow_blank=True, help_text="sd1, sdxl, …; held against it."
    )
    tags = serializers.ListField(
        child=serializers.CharField(max_length=40), max_length=catalogue.MOST_TAGS, required=False
    )
    licence = serializers.CharField(max_length=80, required=False, allow_blank=True)
    visibility = serializers.ChoiceField(choices=Visibility.choices, required=False)


class ModelChange(ModelIn):
    shared_with = serializers.SlugRelatedField(
        slug_field="username",
        queryset=User.objects.filter(is_active=True),
        many=True,
        required=False,
        help_text="Who sees a private model besides its owner.",
    )
    shared_with_teams = serializers.SlugRelatedField(
        slug_field="name",
        queryset=Group.objects.all(),
        many=True,
        required=False,
        help_text="Teams whose people see a private model.",
    )


class VersionIn(serializers.Serializer[Any]):
    name = serializers.CharField(max_length=80)
    notes = serializers.CharField(
        max_length=catalogue.LONGEST_TEXT, required=False, allow_blank=True
    )
    trigger_words = serializers.ListField(
        child=serializers.CharField(max_length=200),
        max_length=MOST_TRIGGER_WORDS,
        required=False,
    )
    prompts = serializers.ListField(
        child=serializers.CharField(max_length=PROMPT_LENGTH),
        max_length=MOST_PROMPTS,
        required=False,
        help_text="Drawn in the smoke test beside those that every model gets.",
    )


class NoteIn(serializers.Serializer[Any]):
    note = serializers.CharField(max_length=10_000, required=False, allow_blank=True, default="")


class UploadedOut(serializers.ModelSerializer[Artifact]):
    """What an upload answers."""

    size = serializers.IntegerField(source="blob.size", read_only=True)
    sha256 = serializers.CharField(source="blob_id", read_only=True)

    class Meta:
        model = Artifact
        fields: tuple[str, ...] = ("id", "name", "role", "size", "sha256")
        read_only_fields = fields


class UploadedManyOut(serializers.Serializer[Any]):
    artifacts = UploadedOut(many=True, read_only=True)


class ArtifactOut(UploadedOut):
    format = serializers.CharField(source="blob.format", read_only=True)
    verdict = serializers.SerializerMethodField(help_text="Null until the file was inspected.")
    policy = serializers.SerializerMethodField(help_text="What the verdict was found under.")
    servable = serializers.SerializerMethodField(help_text="Whether a download is allowed now.")
    report_url = serializers.SerializerMethodField()
    download_url = serializers.SerializerMethodField()

    class Meta(UploadedOut.Meta):
        fields = (
            *UploadedOut.Meta.fields,
            "format", "verdict", "policy", "servable", "downloads", "report_url", "download_url",
        )  # fmt: skip
        read_only_fields = fields

    def get_verdict(self, artifact: Artifact) -> str | None:
        return artifact.blob.verdict or None

    def get_policy(self, artifact: Artifact) -> str | None:
        return artifact.blob.policy or None

    def get_servable(self, artifact: Artifact) -> bool:
        return serving.refusal(artifact) is None

    def get_report_url(self, artifact: Artifact) -> str:
        return _address(self, "api:report", artifact.pk)

    def get_download_url(self, artifact: Artifact) -> str:
        return _address(self, "api:download", artifact.pk)


class FoundOut(ArtifactOut):
    """An artifact that a look-up found, with where it belongs."""

    model = serializers.CharField(source="version.model.slug", read_only=True)
    version = serializers.IntegerField(source="version_id", read_only=True)
    stage = serializers.ChoiceField(source="version.stage", choices=Stage.choices, read_only=True)

    class Meta(ArtifactOut.Meta):
        fields = (*ArtifactOut.Meta.fields, "model", "version", "stage")
        read_only_fields = fields


class PreviewOut(serializers.ModelSerializer[Preview]):
    role = serializers.ChoiceField(
        choices=("model", "base", "reference"),
        read_only=True,
        help_text="base: without the add-on; reference: what a VAE was given.",
    )
    small = serializers.SerializerMethodField()
    medium = serializers.SerializerMethodField()
    full = serializers.SerializerMethodField()

    class Meta:
        model = Preview
        fields = (
            "id", "position", "group", "role", "strength", "width", "height", "medium_width",
            "small_width", "prompt", "seed", "parameters", "small", "medium", "full",
        )  # fmt: skip
        read_only_fields = fields

    def get_small(self, preview: Preview) -> str:
        return _address(self, "api:preview", preview.pk, "small")

    def get_medium(self, preview: Preview) -> str:
        return _address(self, "api:preview", preview.pk, "medium")

    def get_full(self, preview: Preview) -> str:
        return _address(self, "api:preview", preview.pk, "full")


class EventOut(serializers.ModelSerializer[Event]):
    actor = serializers.SerializerMethodField(help_text="Null where the pipeline acted.")

    class Meta:
        model = Event
        fields = ("id", "at", "kind", "actor", "was", "to", "note")
        read_only_fields = fields

    def get_actor(self, event: Event) -> str | None:
        return event.actor.username if event.actor else None


class ProgressOut(serializers.Serializer[Any]):
    """Work under way; all null where there is none."""

    step = serializers.CharField(allow_null=True, help_text="inspect, convert or smoke")
    percent = serializers.IntegerField(allow_null=True)
    state = serializers.CharField(allow_null=True, help_text="waiting or running")
    activity = serializers.CharField(allow_blank=True)


class ProblemOut(serializers.Serializer[Any]):
    code = serializers.CharField()
    detail = serializers.CharField()
    step = serializers.CharField()


class SafetyOut(serializers.Serializer[Any]):
    """What the version's verdict rests on."""

    verdict = serializers.CharField(allow_null=True, help_text="The worst of its uploads'.")
    policy = serializers.CharField(
        allow_null=True, help_text="The policy of that verdict; null where files differ in it."
    )
    policy_in_force = serializers.CharField(allow_null=True)


class ReinspectionOut(serializers.Serializer[Any]):
    state = serializers.ChoiceField(
        choices=("none", "due", "running", "failed"),
        help_text="failed: the earlier verdict stands, and a person is asked.",
    )


class KinOut(serializers.Serializer[Any]):
    """Another file that shares something with the version's main one, and that the caller may know
    of."""

    component = serializers.CharField(help_text="Of this file; “file” for all of it.")
    others_component = serializers.CharField(source="others", help_text="What it is there.")
    relation = serializers.ChoiceField(choices=("identical", "similar", "close"))
    share = serializers.FloatField(help_text="Of the numbers, how many lie in equal tensors.")
    distance = serializers.FloatField(
        allow_null=True, help_text="How far apart the values lie: 0 alike, 0.7 unrelated."
    )
    release = serializers.CharField(
        allow_blank=True, help_text="The published file that the other is, by its digest."
    )
    stands_for = serializers.CharField(allow_blank=True, help_text="sd1.5, …")
    artifact = serializers.IntegerField(source="artifact.pk")
    name = serializers.CharField(source="artifact.name")
    version = serializers.IntegerField(source="artifact.version_id")
    version_name = serializers.CharField(source="artifact.version.name")
    model = serializers.CharField(source="artifact.version.model.slug")


class ConflictOut(serializers.Serializer[Any]):
    artifact = serializers.IntegerField()
    # The contract's word; a serializer has an attribute of that name.
    source = serializers.ChoiceField(choices=("name", "claim"))  # type: ignore[assignment]
    about = serializers.CharField(help_text="kind, base, precision, …")
    says = serializers.CharField()
    message = serializers.CharField()


class NameOut(serializers.Serializer[Any]):
    artifact = serializers.IntegerField()
    suggested = serializers.CharField(help_text="For `?name=` of its download.")


class CollisionOut(serializers.Serializer[Any]):
    """A published embedding that prompts call by the same word."""

    artifact = serializers.IntegerField(source="pk")
    name = serializers.CharField()
    version = serializers.IntegerField(source="version_id")
    model = serializers.CharField(source="version.model.slug")


class NamingOut(serializers.Serializer[Any]):
    conflicts = ConflictOut(many=True)
    collisions = CollisionOut(many=True)
    names = NameOut(many=True)


class VersionOut(serializers.ModelSerializer[Version]):
    model = serializers.CharField(source="model.slug", read_only=True)
    created_by = serializers.CharField(source="created_by.username", read_only=True)
    trigger_words = serializers.ListField(child=serializers.CharField(), read_only=True)
    prompts = serializers.ListField(child=serializers.CharField(), read_only=True)
    safety = serializers.SerializerMethodField()
    reinspection = serializers.SerializerMethodField()
    progress = serializers.SerializerMethodField()
    problem = serializers.SerializerMethodField(help_text="Why a person is needed, or null.")
    artifacts = serializers.SerializerMethodField()
    naming = serializers.SerializerMethodField()
    lineage = serializers.SerializerMethodField()
    smoke = serializers.SerializerMethodField(help_text="Null before the smoke test.")
    previews = serializers.SerializerMethodField()
    events = serializers.SerializerMethodField()
    url = serializers.SerializerMethodField()

    class Meta:
        model = Version
        fields = (
            "id", "name", "model", "stage", "stage_since", "progress", "problem", "kind", "base",
            "precision", "verdict", "safety", "reinspection", "notes", "trigger_words",
            "prompts", "created_by", "created_at", "published_at", "artifacts", "naming",
            "lineage", "smoke", "previews", "events", "url",
        )  # fmt: skip
        read_only_fields = fields

    @extend_schema_field(ProgressOut)
    def get_progress(self, version: Version) -> dict[str, object]:
        live = StepRun.objects.filter(
            version=version, state__in=[RunState.WAITING, RunState.RUNNING]
        ).first()
        if live is None:
            return {"step": None, "percent": None, "state": None, "activity": ""}
        return {
            "step": live.step,
            "percent": live.percent,
            "state": live.state,
            "activity": live.activity,
        }

    @extend_schema_field(SafetyOut)
    def get_safety(self, version: Version) -> dict[str, object]:
        used = version.artifacts.values_list("blob__policy", flat=True)
        found = set(used.order_by().distinct())
        return {
            "verdict": version.verdict or None,
            "policy": (found.pop() or None) if len(found) == 1 else None,
            "policy_in_force": policies.in_force() or None,
        }

    @extend_schema_field(ReinspectionOut)
    def get_reinspection(self, version: Version) -> dict[str, object]:
        return {"state": reinspection.state_of(version)}

    @extend_schema_field(ProblemOut(allow_null=True))
    def get_problem(self, version: Version) -> Any:
        return version.problem or None

    @extend_schema_field(ArtifactOut(many=True))
    def get_artifacts(self, version: Version) -> Any:
        files = Artifact.objects.filter(version=version).select_related("blob", "version")
        return ArtifactOut(files, many=True, context=self.context).data

    @extend_schema_field(NamingOut)
    def get_naming(self, version: Version) -> Any:
        files = list(version.artifacts.select_related("blob", "version__model"))
        told = reports.of_files(files)
        return {
            "conflicts": [
                {"artifact": file.pk, **conflict._asdict()}
                for file in files
                if file.role == ArtifactRole.UPLOAD and file.blob_id in told
                for conflict in naming.conflicts(file, told[file.blob_id].data)
            ],
            "collisions": CollisionOut(
                [o for found in naming.collisions(files, _user(self)).values() for o in found],
                many=True,
            ).data,
            "names": [
                {"artifact": file.pk, "suggested": name}
                for file in files
                if file.blob_id in told
                and (name := naming.suggested(file, told[file.blob_id].data))
            ],
        }

    @extend_schema_field(KinOut(many=True))
    def get_lineage(self, version: Version) -> Any:
        main = reports.main_file(version.artifacts.select_related("blob"))
        kin = lineage.of(main, _user(self)) if main else ()
        return KinOut(kin, many=True).data

    @extend_schema_field(SmokeOut(allow_null=True))
    def get_smoke(self, version: Version) -> Any:
        return smoke_of(version, self.context["request"])

    @extend_schema_field(PreviewOut(many=True))
    def get_previews(self, version: Version) -> Any:
        pictures = Preview.objects.filter(version=version)
        return PreviewOut(pictures, many=True, context=self.context).data

    @extend_schema_field(EventOut(many=True))
    def get_events(self, version: Version) -> Any:
        return EventOut(_events(version, _user(self)), many=True, context=self.context).data

    def get_url(self, version: Version) -> str:
        return _address(self, "api:version", version.pk)


def _events(version: Version, user: catalogue.Visitor) -> list[Event]:
    """The journal, newest first: all of it for whoever works on the version, its moves without the
    reviewers' notes for other members."""
    if not isinstance(user, User):
        return []
    events = Event.objects.filter(version=version).select_related("actor")
    if user.is_reviewer or user.pk in {version.created_by_id, version.model.owner_id}:
        return list(events[:MOST_EVENTS])
    moves = list(events.filter(kind=EventKind.MOVED)[:MOST_EVENTS])
    for event in moves:
        event.note = ""
    return moves


class TensorsIn(serializers.Serializer[Any]):
    """What to look for in a file's tensors."""

    search = serializers.CharField(
        max_length=200, default="", help_text="Words that have to be in the name."
    )
    component = serializers.CharField(max_length=40, default="", help_text="unet, vae, other, …")
    dtype = serializers.CharField(max_length=20, default="", help_text="F16, F32, …")
    shape = serializers.CharField(
        max_length=200, default="", help_text="320,4,3,3; * is any; one number is found anywhere."
    )
    limit = serializers.IntegerField(min_value=1, max_value=1_000, default=100)
    cursor = serializers.IntegerField(
        min_value=0, max_value=10_000_000, default=0, help_text="From `next`."
    )


class TensorOut(serializers.Serializer[Any]):
    name = serializers.CharField()
    dtype = serializers.CharField()
    shape = serializers.ListField(child=serializers.IntegerField())
    component = serializers.CharField(help_text="A component, or what else it is for.")
    bytes = serializers.IntegerField()


class TensorsOut(serializers.Serializer[Any]):
    total = serializers.IntegerField(help_text="Tensors of the file.")
    left_out = serializers.IntegerField(help_text="Of them, how many were not listed.")
    found = serializers.IntegerField(help_text="How many are what was asked for.")
    components = serializers.DictField(child=serializers.IntegerField())
    dtypes = serializers.DictField(child=serializers.IntegerField())
    next = serializers.CharField(allow_null=True)
    results = TensorOut(many=True)


class TokenOut(serializers.ModelSerializer[ApiToken]):
    scopes = serializers.ListField(child=serializers.CharField(), read_only=True)

    class Meta:
        model = ApiToken
        fields = ("name", "hint", "scopes", "created_at", "expires_at", "last_used_at")
        read_only_fields = fields


class MeOut(serializers.ModelSerializer[User]):
    # Not an EmailField: people without an address have an empty one.
    email = serializers.CharField(read_only=True)
    token = serializers.SerializerMethodField(help_text="Null in a portal session.")

    class Meta:
        model = User
        fields = ("username", "email", "role", "token")
        read_only_fields = fields

    @extend_schema_field(TokenOut(allow_null=True))
    def get_token(self, user: User) -> Any:
        token = self.context["request"].auth
        return TokenOut(token).data if isinstance(token, ApiToken) else None


class NoticeOut(serializers.ModelSerializer[Notice]):
    version = serializers.IntegerField(source="version_id", read_only=True, allow_null=True)
    link = serializers.SerializerMethodField(help_text="A page of the portal, or null.")

    class Meta:
        model = Notice
        fields = ("id", "at", "kind", "subject", "text", "note", "version", "link", "read_at")
        read_only_fields = fields

    def get_link(self, notice: Notice) -> str | None:
        if not notice.link or not notice.version_id:
            return None
        return str(self.context["request"].build_absolute_uri(notice.link))


class ReadOut(serializers.Serializer[Any]):
    read = serializers.IntegerField(help_text="How many were unread.")


class PolicyProgressOut(serializers.Serializer[Any]):
    """How far every stored file has been inspected under the policy in force."""

    policy = serializers.CharField(allow_blank=True, help_text="Empty before it is known.")
    since = serializers.DateTimeField(allow_null=True)
    percent = serializers.IntegerField()
    under_way = serializers.BooleanField()
    total = serializers.IntegerField(help_text="Files in use that were ever inspected.")
    done = serializers.IntegerField()
    left = serializers.IntegerField()
    running = serializers.IntegerField()
    failed = serializers.IntegerField(help_text="Given up after three attempts.")
    worse = serializers.IntegerField()
    better = serializers.IntegerField()


class ErrorOut(serializers.Serializer[Any]):
    """Every error. ``code`` is stable; further fields depend on it."""

    code = serializers.CharField()
    detail = serializers.CharField()
