"""The database's tables, a file for each subject."""

from registry.models.artifacts import Artifact, Blob, BlobHash, Preview
from registry.models.catalogue import Model, Tag, Version
from registry.models.journal import Download, Event
from registry.models.people import ApiToken, SignInAttempt, User
from registry.models.reports import Report, SmokeTest
from registry.models.reviews import Decision, Review
from registry.models.runs import StepRun

__all__ = [
    "ApiToken",
    "Artifact",
    "Blob",
    "BlobHash",
    "Decision",
    "Download",
    "Event",
    "Model",
    "Preview",
    "Report",
    "Review",
    "SignInAttempt",
    "SmokeTest",
    "StepRun",
    "Tag",
    "User",
    "Version",
]
