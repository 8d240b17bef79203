"""What the text encoders make of an embedding, against diffusers' own loader."""

from __future__ import annotations

from typing import Any

import pytest

from tests.scanner.smoke.addons import pipelines

torch = pytest.importorskip("torch")

from scanner.smoke.addons.embedding import Embedding  # noqa: E402

PROMPT = "a red circle"


def encoded(pipeline: Any, prompt: str) -> Any:
    with torch.inference_mode():
        held = pipeline.encode_prompt(
            prompt=prompt, device=torch.device("cpu"), num_images_per_prompt=1,
            do_classifier_free_guidance=False,
        )  # fmt: skip
    return [item for item in held if item is not None]


def same(first: Any, second: Any) -> bool:
    return all(torch.equal(one, two) for one, two in zip(first, second, strict=True))


def test_sd1_as_diffusers_loads_it() -> None:
    vectors = torch.randn(3, 32)
    ours, theirs = pipelines.sd1(), pipelines.sd1()
    embedding = Embedding(ours, {"emb_params": vectors}, "style-x")
    with embedding.at(1.0):
        found = encoded(ours, embedding.words(f"Style-X, {PROMPT}"))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(theirs, "tokenizer", embedding_free(theirs.tokenizer))
        theirs.load_textual_inversion(vectors, token="style-x")
        wanted = encoded(theirs, f"style-x, {PROMPT}")
    assert all(torch.allclose(one, two, atol=2e-5) for one, two in zip(found, wanted, strict=True))


def embedding_free(tokenizer: Any) -> Any:
    """One tokenizer serves every pipeline; diffusers adds its words for good."""
    import copy

    return copy.deepcopy(tokenizer)


def test_sdxl_as_diffusers_loads_it() -> None:
    vectors = {"clip_l": torch.randn(2, 32), "clip_g": torch.randn(2, 48)}
    ours, theirs = pipelines.sdxl(), pipelines.sdxl()
    embedding = Embedding(ours, vectors, "style-x")
    assert embedding.fit.applied == ("clip_l", "clip_g")
    with embedding.at(1.0):
        found = encoded(ours, embedding.words(f"style-x, {PROMPT}"))
    for number, name in (("", "clip_l"), ("_2", "clip_g")):
        tokenizer = embedding_free(getattr(theirs, f"tokenizer{number}"))
        encoder = getattr(theirs, f"text_encoder{number}")
        theirs.load_textual_inversion(
            vectors[name], token="style-x", text_encoder=encoder, tokenizer=tokenizer
        )
        setattr(theirs, f"tokenizer{number}", tokenizer)
    wanted = encoded(theirs, f"style-x, {PROMPT}")
    assert all(torch.allclose(one, two, atol=2e-5) for one, two in zip(found, wanted, strict=True))


def test_it_is_gone_afterwards() -> None:
    pipeline = pipelines.sd1()
    before, words = encoded(pipeline, PROMPT), len(pipeline.tokenizer)
    table = pipeline.text_encoder.get_input_embeddings()
    embedding = Embedding(pipeline, {"emb_params": torch.randn(1, 32)}, "x")
    with embedding.at(0.5):
        assert len(pipeline.tokenizer) == words + 1
    assert pipeline.text_encoder.get_input_embeddings() is table
    assert len(pipeline.tokenizer) == words
    assert same(encoded(pipeline, PROMPT), before)


def test_half_strength_weighs_what_was_made_of_it_alone() -> None:
    pipeline = pipelines.sd1()
    embedding = Embedding(pipeline, {"emb_params": torch.randn(2, 32)}, "thing")
    made = []
    for strength in (1.0, 0.5):
        with embedding.at(strength):
            made.append(encoded(pipeline, embedding.words("a thing here"))[0][0])
    ratio = made[1] / made[0]
    # Start, "a", the two vectors, "here".
    assert torch.allclose(ratio[2:4], torch.tensor(0.5))
    assert torch.equal(made[0][:2], made[1][:2])
    assert torch.equal(made[0][4:], made[1][4:])


@pytest.mark.parametrize("base", ["sd1", "sdxl"])
def test_half_strength_weighs_it_in_the_negative_prompt_too(base: str) -> None:
    pipeline = getattr(pipelines, base)()
    name, width = ("emb_params", 32) if base == "sd1" else ("clip_l", 32)
    embedding = Embedding(pipeline, {name: torch.randn(2, width)}, "thing")
    made = []
    for strength in (1.0, 0.5):
        with embedding.at(strength), torch.inference_mode():
            # Positionally and by name, as the pipelines themselves ask.
            asked = {"prompt": [PROMPT], "device": torch.device("cpu"), "num_images_per_prompt": 1,
                     "do_classifier_free_guidance": True,
                     "negative_prompt": [embedding.words("a thing here")]}  # fmt: skip
            if base == "sd1":
                made.append(pipeline.encode_prompt(*asked.values()))
            else:
                made.append(pipeline.encode_prompt(**asked))
    assert torch.equal(made[0][0], made[1][0])
    ratio = made[1][1][0] / made[0][1][0]
    assert torch.allclose(ratio[2:4], torch.tensor(0.5))
    assert torch.equal(made[0][1][0, 4:], made[1][1][0, 4:])


def test_a_prompt_without_it_is_left_alone() -> None:
    pipeline = pipelines.sd1()
    before = encoded(pipeline, PROMPT)
    embedding = Embedding(pipeline, {"emb_params": torch.randn(2, 32)}, "thing")
    with embedding.at(0.5):
        assert same(encoded(pipeline, PROMPT), before)


@pytest.mark.parametrize(
    ("state", "fit"),
    [
        ({"emb_params": (2, 768)}, ((), (), ("emb_params",))),
        ({"clip_l": (2, 32), "clip_g": (2, 48)}, (("clip_l",), ("clip_g",), ())),
        ({"<one>": (32,), "<two>": (32,)}, (("<one>",), ("<two>",), ())),
        ({"odd": (2, 2, 32)}, ((), (), ("odd",))),
    ],
)
def test_what_fits(state: dict[str, tuple[int, ...]], fit: tuple[tuple[str, ...], ...]) -> None:
    vectors = {name: torch.zeros(shape) for name, shape in state.items()}
    found = Embedding(pipelines.sd1(), vectors, "x").fit
    assert (found.applied, found.unmatched, found.misfit) == fit
