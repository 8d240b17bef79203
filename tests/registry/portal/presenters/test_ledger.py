from __future__ import annotations

from registry.portal.presenters import ledger


def test_the_bar_adds_up_to_its_width() -> None:
    bar = ledger.view(
        {
            "rows": [
                {"what": "VAE fp16", "bytes": 100, "removable": False},
                {"what": "EMA copy of the UNet", "bytes": 500, "removable": True},
                {"what": "UNet fp16", "bytes": 390, "removable": False},
            ],
            "unexplained": 10,
            "removable": 500,
            "lossless_minimum": 490,
            "summary": "x",
            "anomalies": ["The VAE is in fp32."],
        },
        1000,
    )

    assert bar is not None
    assert sum(segment.width for segment in bar.segments) == ledger.WIDTH
    assert [segment.what for segment in bar.segments] == [
        "UNet fp16",
        "VAE fp16",
        "Unexplained",
        "EMA copy of the UNet",
    ]
    assert [segment.tone for segment in bar.segments] == ["unet", "vae", "junk", "ema"]
    assert [segment.removable for segment in bar.segments] == [False, False, False, True]
    assert bar.anomalies == ("The VAE is in fp32.",)


def test_a_row_of_a_few_bytes_can_still_be_seen() -> None:
    rows = [{"what": "UNet", "bytes": 10**9}, {"what": "Header", "bytes": 1}]

    bar = ledger.view({"rows": rows, "summary": ""}, 10**9 + 1)

    assert bar is not None
    assert bar.segments[1].width == ledger.LEAST
    assert bar.segments[1].share == "under 1 %"


def test_no_ledger_no_bar() -> None:
    assert ledger.view(None, 10) is None
    assert ledger.view({}, 10) is None
