"""What is in a blob, told apart from its report: large, and read by few pages."""

from __future__ import annotations

from django.db import models

from registry.models.artifacts import Blob


class TensorList(models.Model):
    """A file's tensors, as the scanner listed them. ``packed`` is compressed JSON: nothing asks the
    database for a single tensor, and a page shows one file's at a time."""

    blob = models.OneToOneField(
        Blob, on_delete=models.CASCADE, primary_key=True, related_name="tensor_list"
    )
    total = models.PositiveIntegerField()
    #: Of the ``total``, those for which the scanner's list had no room.
    left_out = models.PositiveIntegerField(default=0)
    packed = models.BinaryField()

    def __str__(self) -> str:
        return f"{self.total} tensors of {self.blob_id[:12]}"


class Fingerprint(models.Model):
    """The values of one component of a blob, so told that two can be compared without the files.

    Only what has the same ``places`` can be compared: the method, the order of the tensors and, of
    a VAE, the half. ``digest`` is empty unless every value was seen.
    """

    blob = models.ForeignKey(Blob, on_delete=models.CASCADE, related_name="fingerprints")
    component = models.CharField(max_length=24)
    places = models.CharField(max_length=120)
    digest = models.CharField(max_length=64, blank=True, db_index=True)
    #: The published file that the blob is, by its digest, and the release that it stands for.
    release = models.CharField(max_length=120, blank=True)
    stands_for = models.CharField(max_length=32, blank=True)
    packed = models.BinaryField()
    #: Whether it was held against those that were there before.
    compared = models.BooleanField(default=False)

    class Meta:
        constraints = [
            models.UniqueConstraint(
                fields=["blob", "component"], name="fingerprint_once_a_component"
            )
        ]
        indexes = [models.Index(fields=["places", "digest"], name="fingerprint_by_digest")]

    def __str__(self) -> str:
        return f"{self.component} of {self.blob_id[:12]}"


class Likeness(models.Model):
    """How alike two components are that are not the same; kept both ways round.

    ``share`` of their numbers lies in equal tensors, 0 to 1. ``distance`` says how far apart their
    values lie, 0 to about 1, None where nothing could be compared.
    """

    one = models.ForeignKey(Fingerprint, on_delete=models.CASCADE, related_name="likenesses")
    other = models.ForeignKey(Fingerprint, on_delete=models.CASCADE, related_name="+")
    share = models.FloatField()
    distance = models.FloatField(null=True)

    class Meta:
        verbose_name_plural = "likenesses"
        constraints = [
            models.UniqueConstraint(fields=["one", "other"], name="likeness_once_a_pair")
        ]

    def __str__(self) -> str:
        return f"{self.one} and {self.other}: {self.share:.0%}"
