from __future__ import annotations

import pytest

from registry.portal.markdown import render


@pytest.mark.parametrize(
    "hostile",
    [
        "<script>alert(1)</script>",
        "<img src=x onerror=alert(1)>",
        "[x](javascript:alert(1))",
        "![x](https://elsewhere.example/pixel.png)",
        "<a href='x' onclick='y'>z</a>",
        "[x](data:text/html;base64,PHNjcmlwdD4=)",
    ],
)
def test_nothing_active_comes_out(hostile: str) -> None:
    html = render(hostile)

    for active in ("<script", "<img", 'href="javascript', 'href="data', "<a href='x' onclick"):
        assert active not in html


def test_headings_start_below_the_pages_own() -> None:
    assert "<h3>Title</h3>" in render("# Title")
    assert "<h1" not in render("# Title")


def test_links_lead_out_without_a_trace() -> None:
    assert 'rel="nofollow noopener noreferrer"' in render("[x](https://example.org)")


def test_lists_tables_and_code_are_shown() -> None:
    html = render("- a\n- b\n\n| x | y |\n|---|---|\n| 1 | 2 |\n\n`code`")

    assert "<li>a</li>" in html
    assert "<td>1</td>" in html
    assert "<code>code</code>" in html
