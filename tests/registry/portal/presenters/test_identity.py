from __future__ import annotations

from registry.portal.presenters import identity

BARE = {"kind": "unknown", "base": None, "components": {}}


def rows(**data: object) -> dict[str, str]:
    view = identity.view({**BARE, **data})
    assert view is not None
    return dict(view.rows)


def test_an_undecided_base_says_so() -> None:
    assert rows()["Base"] == "not known from the file"


def test_candidates_are_named() -> None:
    assert rows(base="sd1", candidates=["sd1.4", "sd1.5"])["Could be"] == "SD 1.4, SD 1.5"


def test_an_adapter_tells_its_rank_and_what_it_changes() -> None:
    adapter = {
        "algorithm": "locon", "naming": "kohya", "ranks": {"32": 264}, "alpha": 16.0,
        "targets": ["unet", "text_encoder"], "dora": True,
    }  # fmt: skip

    found = rows(kind="lora", adapter=adapter)

    assert found["Method"] == "locon, DoRA"
    assert found["Rank"] == "32 (×264)"
    assert found["Alpha"] == "16"
    assert found["Changes"] == "UNet, Text encoder"


def test_an_embedding_and_a_hypernetwork_tell_their_widths() -> None:
    embedding = {"vectors": 8, "tokens": ["*"], "dims": {"clip_l": 768}}
    hypernetwork = {"dims": [320, 640], "layers": [1, 2, 1], "activation": "linear"}

    assert rows(kind="embedding", embedding=embedding)["Width"] == "768 (clip_l)"
    assert rows(kind="hypernetwork", hypernetwork=hypernetwork)["Layers"] == "1 · 2 · 1"


def test_missing_tensors_are_named_and_absent_components_listed() -> None:
    view = identity.view(
        {
            **BARE,
            "components": {
                "unet": {"state": "partial", "missing": ["a.weight"], "misshapen": ["b.weight"]},
                "vae": {"state": "absent"},
            },
        }
    )

    assert view is not None
    assert view.parts[0].missing == ("a.weight",)
    assert view.parts[0].misshapen == ("b.weight",)
    assert view.absent == "VAE"


def test_without_a_report_there_is_nothing_to_show() -> None:
    assert identity.view(None) is None
