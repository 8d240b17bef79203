from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest
import schemathesis
from django.test import Client
from hypothesis import HealthCheck, Phase, given, settings
from hypothesis import strategies as st
from schemathesis.core.failures import Failure
from schemathesis.specs.openapi.checks import (
    content_type_conformance,
    response_schema_conformance,
    status_code_conformance,
)

from registry.models import ApiToken
from registry.states import Role, Scope
from registry.wsgi import application
from tests.registry import making

ROOT = Path(__file__).resolve().parents[3]


def test_the_schema_is_valid_and_says_everything() -> None:
    ran = subprocess.run(
        [sys.executable, "manage.py", "spectacular", "--validate", "--fail-on-warn"],
        cwd=ROOT,
        capture_output=True,
        text=True,
    )
    assert ran.returncode == 0, ran.stderr
    assert "/api/v1/models/{slug}:" in ran.stdout
    assert "/api/v1/models/:" not in ran.stdout


@pytest.mark.django_db
def test_the_documentation_is_served() -> None:
    assert Client().get("/api/schema/").status_code == 200
    page = Client().get("/api/docs/")
    assert page.status_code == 200
    assert b"swagger" in page.content.lower()


@pytest.mark.django_db(transaction=True)
def test_the_api_keeps_to_its_own_schema() -> None:
    """Schemathesis makes up requests from the schema: none may fail on our side, or answer with
    what the schema does not say."""
    admin = making.person(Role.ADMIN)
    _, secret = ApiToken.issue(admin, name="test", scopes=Scope.values)
    making.judged(making.artifact(making.version(making.model(admin))))
    schema = schemathesis.openapi.from_wsgi("/api/schema/?format=json", application)
    operations = [result.ok() for result in schema.get_all_operations()]
    assert len(operations) > 20
    checks = [status_code_conformance, content_type_conformance, response_schema_conformance]

    @settings(
        max_examples=120,
        deadline=None,
        phases=[Phase.generate],
        derandomize=True,
        suppress_health_check=list(HealthCheck),
        database=None,
    )
    @given(st.data())
    def run(data: st.DataObject) -> None:
        operation = data.draw(st.sampled_from(operations))
        case = data.draw(operation.as_strategy())
        response = case.call(headers={"Authorization": f"Bearer {secret}"})
        assert response.status_code < 500
        try:
            case.validate_response(response, checks=checks)
        except Failure as failure:
            raise AssertionError(f"{operation.label}: {failure}") from failure

    run()
