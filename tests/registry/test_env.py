from __future__ import annotations

import pytest

from registry import env
from registry.env import Email, EnvError


@pytest.mark.parametrize(
    "text, expected",
    [
        ("", Email("none")),
        ("console:", Email("console")),
        ("file:///var/mail/out", Email("file", path="/var/mail/out")),
        ("smtp://localhost", Email("smtp", "localhost", 25)),
        ("smtps://mail.example.org", Email("smtps", "mail.example.org", 465)),
        (
            "smtp+tls://me%40example.org:p%2Fw@mail.example.org:2525",
            Email("smtp+tls", "mail.example.org", 2525, "me@example.org", "p/w"),
        ),
    ],
)
def test_a_mail_server_is_an_address(text: str, expected: Email) -> None:
    assert env.parse_email(text) == expected


@pytest.mark.parametrize("text", ["mail.example.org", "http://x", "smtp://", "smtp://x:notaport"])
def test_what_is_no_mail_server_is_said_without_its_password(text: str) -> None:
    with pytest.raises(EnvError, match="WEIGHHOUSE_EMAIL") as refused:
        env.read({"WEIGHHOUSE_EMAIL": text, "WEIGHHOUSE_SECRET_KEY": "x"})
    assert text not in str(refused.value).replace("smtp+tls://user:password@host:587", "")
