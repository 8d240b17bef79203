"""The database's tables, a file for each subject."""

from registry.models.artifacts import Artifact, Blob, BlobHash, Preview
from registry.models.catalogue import Model, Tag, Version
from registry.models.contents import Fingerprint, Likeness, TensorList
from registry.models.journal import Download, Event
from registry.models.notices import Notice
from registry.models.people import ApiToken, SignInAttempt, User
from registry.models.reports import Policy, Report
from registry.models.reviews import Decision, Review
from registry.models.runs import Reinspection, StepRun
from registry.models.smoke import Redraw, SmokeBase, SmokeTest
from registry.models.variants import Variant

__all__ = [
    "ApiToken",
    "Artifact",
    "Blob",
    "BlobHash",
    "Decision",
    "Download",
    "Event",
    "Fingerprint",
    "Likeness",
    "Model",
    "Notice",
    "Policy",
    "Preview",
    "Redraw",
    "Reinspection",
    "Report",
    "Review",
    "SignInAttempt",
    "SmokeBase",
    "SmokeTest",
    "StepRun",
    "Tag",
    "TensorList",
    "User",
    "Variant",
    "Version",
]
