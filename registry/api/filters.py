"""What the catalogue can be narrowed down to."""

from __future__ import annotations

from django.contrib.auth.models import AnonymousUser
from django.db.models import Exists, OuterRef, QuerySet
from django_filters import rest_framework as filters

from registry import catalogue
from registry.models import Model
from registry.states import Kind


class ModelFilter(filters.FilterSet):
    search = filters.CharFilter(
        method="by_words",
        max_length=200,
        label="Words in the name, summary, tags or trigger words, or the start of a hash.",
    )
    kind = filters.ChoiceFilter(choices=Kind.choices, label="What the model is.")
    base = filters.CharFilter(lookup_expr="iexact", max_length=32, label="sd1, sd2, sdxl, …")
    precision = filters.CharFilter(
        method="by_precision", max_length=12, label="fp32, fp16, bf16, …"
    )
    tag = filters.CharFilter(field_name="tags__name", lookup_expr="iexact", max_length=40)
    owner = filters.CharFilter(field_name="owner__username", max_length=150)

    class Meta:
        model = Model
        fields: tuple[str, ...] = ()

    def _asking(self) -> catalogue.Visitor:
        return self.request.user if self.request else AnonymousUser()

    def by_words(self, models: QuerySet[Model], name: str, value: str) -> QuerySet[Model]:
        return catalogue.search(models, value, user=self._asking())

    def by_precision(self, models: QuerySet[Model], name: str, value: str) -> QuerySet[Model]:
        # Only of versions that the caller may see: a filter must not tell of hidden drafts.
        seen = catalogue.visible_versions(self._asking())
        return models.filter(Exists(seen.filter(model=OuterRef("pk"), precision__iexact=value)))
