"""The portal in a browser: accessible, in every width and theme, and with its script."""

from __future__ import annotations

from pathlib import Path

import pytest
from axe_playwright_python.sync_playwright import Axe
from django.utils import timezone
from playwright.sync_api import Browser, Page, expect
from pytest_django.live_server_helper import LiveServer

from registry import notices, reports, warm
from registry.models import Model, Redraw, Reinspection, SmokeBase, SmokeTest, StepRun, Version
from registry.pipeline import reinspection, runs, steps
from registry.states import Role, RunState, Stage, Step
from tests.registry import making
from tests.registry.pictures import Engine

pytestmark = [pytest.mark.browser, pytest.mark.django_db(transaction=True)]

WIDTHS = (1280, 390, 360)
RULES = {"runOnly": ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa", "best-practice"]}
FINDING = {
    "rule": "dangerous-call", "severity": "malicious", "message": "os.system is called.",
    "member": "archive/data.pkl", "offset": 80, "member_offset": 16, "opcode": "REDUCE",
    "global": "os.system", "argument": "('touch marker',)", "window": ["10: MARK", "16: REDUCE"],
}  # fmt: skip


@pytest.fixture(autouse=True)
def no_workers(monkeypatch: pytest.MonkeyPatch) -> None:
    """Nobody works on what is handed in: the pages show it as it was left."""
    monkeypatch.setattr(runs, "ring", lambda run: None)


@pytest.fixture
def site(live_server: LiveServer) -> str:
    return str(live_server.url)


def sign_in(page: Page, site: str) -> None:
    making.person(Role.ADMIN, "boss")
    page.goto(f"{site}/sign-in/")
    page.get_by_label("Name").fill("boss")
    page.get_by_label("Password").fill(making.PASSWORD)
    page.get_by_role("button", name="Sign in").click()
    expect(page.get_by_role("heading", level=1)).to_be_visible()


def rich_version() -> Version:
    """A version in quarantine whose page has something in every part."""
    version = making.in_stage(Stage.QUARANTINED, verdict="malicious")
    file = version.artifacts.get()
    report = file.blob.report()
    assert report is not None
    reports.store(
        file.blob,
        report.data
        | {
            "safety": {
                "verdict": "malicious",
                "findings": [FINDING, {**FINDING, "rule": "odd", "severity": "suspicious"}],
                "globals": [{"name": "os.system", "count": 1, "tier": "dangerous"}],
                "decompiled": "from os import system\nsystem('touch marker')",
            },
            "health": [
                {"issue": "nan", "severity": "error", "message": "Not finite.", "tensors": ["a"]}
            ],
            "ledger": {
                "rows": [
                    {"what": "UNet fp16", "bytes": file.blob.size - 40},
                    {"what": "EMA fp16", "bytes": 40, "removable": True},
                ],
                "removable": 40,
                "summary": "All of it is UNet.",
                "anomalies": ["It is smaller than any model."],
                "words": ["pruned", "fp16"],
            },
            "identity": {
                "kind": "checkpoint",
                "base": "sdxl",
                "uses": ["generating"],
                "trigger_words": ["ink wash"],
                "suggested_tags": ["crane"],
                "metadata": {"sd_merge_recipe": "A * 0.5 + " + "B" * 300},
                "conflicts": ["ss_network_dim is 8, but the ranks are 4."],
            },
        },
    )
    making.listed(file)
    Model.objects.filter(pk=version.model_id).update(claimed_kind="lora")
    parent = making.in_stage(Stage.PUBLISHED, making.version(making.model(name="Parent")))
    making.printed(parent.artifacts.get(), unet=[1.0, 2.0], vae_encoder=[3.0], vae_decoder=[4.0])
    making.printed(file, unet=[1.0, 2.5], vae_encoder=[3.0], vae_decoder=[4.0])
    SmokeTest.objects.create(
        artifact=file,
        verdict="skipped",
        data={
            "reason": "Nothing clean to draw with.",
            "checks": [{"name": "a", "outcome": "warned", "message": "Grey.", "value": 0.1}],
        },
    )
    return version


def drawn_version() -> Version:
    """A LoRA in review that was drawn on a base model, with a contact sheet, and is being drawn
    once more; another waits for a base."""
    engine = Engine("sd1")
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(warm, "smoke", engine)
        SmokeBase.objects.create(base="sd1", artifact=making.checkpoint("sd1"))
        version, other = (making.in_stage(Stage.IN_REVIEW) for _ in range(2))
        for shown, wants in ((version, "sd1"), (other, "sdxl")):
            engine.wants = wants
            outcome = steps.smoke(shown, lambda *_: None)
            assert outcome.commit
            outcome.commit()
    return version


def new_policy() -> Version:
    """A policy in force under which one file got worse and one cannot be inspected, and everybody
    has been told; a version whose report is under the earlier one."""
    stale, worse, lost = (making.in_stage(Stage.PUBLISHED) for _ in range(3))
    reinspection.announce("a-newer-policy")
    for version, state in ((worse, RunState.DONE), (lost, RunState.FAILED)):
        Reinspection.objects.create(
            blob=version.artifacts.get().blob, policy="a-newer-policy", state=state, was="clean",
            became="malicious", error_detail="blob.lost " * 20, finished_at=timezone.now(),
        )  # fmt: skip
        notices.stuck(version, "blob.lost")
        notices.worse(version, "a" * 200)
    return stale


def problems(page: Page) -> list[str]:
    """What axe objects to, with where."""
    found = Axe().run(page, options=RULES).response["violations"]
    return [
        f"{violation['id']}: {node['html'][:160]} ({node['failureSummary'][:200]})"
        for violation in found
        for node in violation["nodes"]
    ]


@pytest.mark.slow
@pytest.mark.parametrize("theme", ["light", "dark"])
def test_every_page_is_accessible(browser_page: Page, site: str, theme: str) -> None:
    page = browser_page
    page.emulate_media(color_scheme=theme, reduced_motion="reduce")  # type: ignore[arg-type]
    page.goto(f"{site}/sign-in/")
    assert problems(page) == []
    sign_in(page, site)
    published = making.in_stage(Stage.PUBLISHED, making.version(making.model(tags=["calm"])))
    running = making.in_stage(Stage.RECEIVED)
    StepRun.objects.create(
        version=running, step=Step.INSPECT, state=RunState.RUNNING, percent=42, activity="Hashing"
    )
    making.in_stage(Stage.IN_REVIEW)
    addresses = [
        "/", "/?search=nothing", "/upload/", "/review/", "/account/", "/people/", "/nowhere/",
        published.model.get_absolute_url(), f"{published.model.get_absolute_url()}edit/",
        published.get_absolute_url(), running.get_absolute_url(),
        rich_version().get_absolute_url(), making.version().get_absolute_url(),
        new_policy().get_absolute_url(), "/notices/", "/policy/",
        drawn_version().get_absolute_url(), "/bases/",
    ]  # fmt: skip

    for address in addresses:
        page.goto(site + address)
        for details in page.locator("details:not(.drop)").all():
            details.evaluate("element => { element.open = true }")
        assert problems(page) == [], address


@pytest.mark.slow
def test_no_page_is_wider_than_its_window(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    addresses = ["/", "/upload/", "/review/", "/account/", "/people/", "/notices/", "/policy/"]
    addresses.append(rich_version().get_absolute_url())
    addresses.append(new_policy().get_absolute_url())
    addresses += [drawn_version().get_absolute_url(), "/bases/"]

    for width in WIDTHS:
        page.set_viewport_size({"width": width, "height": 800})
        for address in addresses:
            page.goto(site + address)
            beyond = page.evaluate("document.documentElement.scrollWidth - innerWidth")
            assert beyond <= 0, (address, width)


def test_tensors_are_found_while_one_types(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    page.goto(site + rich_version().get_absolute_url())
    browser = page.get_by_role("region", name="Tensors", exact=True)
    expect(browser.get_by_text("251 tensors", exact=True)).to_be_visible()

    page.get_by_label("Name", exact=True).press_sequentially("layer.24")
    expect(browser.get_by_text("11 tensors of 251")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_be_focused()
    page.get_by_label("Shape").fill("25, *")
    expect(browser.get_by_text("1 tensor of 251")).to_be_visible()
    expect(browser.get_by_text("layer.24.weight")).to_be_visible()

    page.get_by_label("Name", exact=True).fill("")
    page.get_by_label("Shape").fill("")
    expect(browser.get_by_text("251 tensors", exact=True)).to_be_visible()
    page.get_by_label("Component").select_option("unet")
    expect(browser.get_by_text("250 tensors of 251")).to_be_visible()
    browser.get_by_role("link", name="Next").click()
    expect(browser.get_by_text("2 of 5")).to_be_visible()
    expect(browser.get_by_text("layer.50.weight")).to_be_visible()
    page.get_by_label("Shape").fill("wide")
    expect(browser.get_by_role("alert")).to_contain_text("A shape is like")


def test_tensors_are_found_without_a_script(browser: Browser, site: str) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site)
    page.goto(site + rich_version().get_absolute_url())
    page.get_by_label("Name", exact=True).fill("layer.24")
    page.get_by_label("Component").select_option("unet")
    page.get_by_role("button", name="Look").click()
    expect(page.get_by_text("11 tensors of 251")).to_be_visible()
    expect(page.get_by_label("Name", exact=True)).to_have_value("layer.24")
    context.close()


def test_the_theme_is_remembered(browser_page: Page, site: str) -> None:
    page = browser_page
    page.emulate_media(color_scheme="light")
    page.goto(f"{site}/sign-in/")

    page.get_by_role("button", name="Switch between light and dark").click()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")
    page.reload()
    expect(page.locator("html")).to_have_attribute("data-theme", "dark")


def test_several_files_are_uploaded_with_progress_and_handed_in(
    browser_page: Page, site: str, tmp_path: Path
) -> None:
    page = browser_page
    sign_in(page, site)
    files = []
    for salt, name in enumerate(("one.safetensors", "two.safetensors")):
        (tmp_path / name).write_bytes(making.safetensors(salt))
        files.append(tmp_path / name)
    page.goto(f"{site}/upload/")
    page.get_by_label("Name of the new model").fill("Dreamglass")
    page.get_by_label("Choose files").set_input_files(files)
    expect(page.locator("[data-queue] li")).to_have_count(2)

    page.get_by_role("button", name="Upload and hand in").click()

    expect(page.get_by_text("Handed in. You can watch it here.")).to_be_visible()
    version = Version.objects.get()
    assert version.stage == Stage.RECEIVED
    assert version.artifacts.count() == 2


def test_a_refused_file_says_why_and_the_draft_is_kept(
    browser_page: Page, site: str, tmp_path: Path
) -> None:
    page = browser_page
    sign_in(page, site)
    (tmp_path / "empty.ckpt").write_bytes(b"")
    (tmp_path / "good.safetensors").write_bytes(making.safetensors())
    page.goto(f"{site}/upload/")
    page.get_by_label("Name of the new model").fill("Dreamglass")
    page.get_by_label("Choose files").set_input_files(
        [tmp_path / "empty.ckpt", tmp_path / "good.safetensors"]
    )

    page.get_by_role("button", name="Upload and hand in").click()

    expect(page.get_by_text("The file is empty.")).to_be_visible()
    page.get_by_role("link", name="Open the draft").click()
    expect(page.get_by_text("good.safetensors").first).to_be_visible()
    assert Version.objects.get().stage == Stage.DRAFT


def test_files_are_dropped_onto_the_form(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    page.goto(f"{site}/upload/")

    page.evaluate(
        """() => {
            const data = new DataTransfer();
            data.items.add(new File(["x"], "dropped.pt"));
            document.querySelector("[data-dropzone]")
                .dispatchEvent(new DragEvent("drop", {dataTransfer: data, bubbles: true}));
        }"""
    )

    expect(page.locator("[data-queue]")).to_contain_text("dropped.pt")


def test_the_rail_moves_by_itself(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    version = making.in_stage(Stage.RECEIVED)
    run = StepRun.objects.create(version=version, step=Step.INSPECT, state=RunState.RUNNING)
    page.goto(site + version.get_absolute_url())

    StepRun.objects.filter(pk=run.pk).update(percent=42, activity="Hashing")
    expect(page.locator("#rail")).to_contain_text("42 %, Hashing", timeout=10_000)

    StepRun.objects.filter(pk=run.pk).update(state=RunState.DONE)
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)
    expect(page.locator("#rail")).to_contain_text("waiting for a person", timeout=10_000)
    expect(page.get_by_text("Publish", exact=True)).to_be_visible()
    expect(page.locator("#rail")).not_to_have_attribute("hx-trigger", "every 2s")


def test_a_picture_is_enlarged_with_its_parameters(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    version = drawn_version()
    page.goto(site + version.get_absolute_url())
    # Room is kept before a picture is there: nothing jumps.
    small = page.locator(".side-by-side img").first
    assert small.evaluate("image => image.width / image.height") == pytest.approx(4 / 3, rel=0.02)

    page.get_by_role("link", name="Picture 2, strength 0.5: a red circle").click()
    dialog = page.get_by_role("dialog")
    expect(dialog).to_contain_text("Picture 2, strength 0.5")
    expect(dialog).to_contain_text("Sampler: Euler a")
    assert problems(page) == []
    page.keyboard.press("ArrowRight")
    expect(dialog).to_contain_text("Picture 3, strength 1")
    page.keyboard.press("Escape")
    expect(dialog).to_have_count(0)
    expect(page.get_by_role("link", name="Picture 3, strength 1: a red circle")).to_be_focused()

    page.get_by_role("link", name="All pictures of the smoke test").click()
    expect(page.get_by_role("dialog").get_by_role("img")).to_be_visible()
    page.get_by_role("button", name="Close").click()
    expect(page.get_by_role("dialog")).to_have_count(0)


def test_new_pictures_appear_by_themselves(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    version = drawn_version()
    row = Redraw.objects.create(version=version, state=RunState.RUNNING, percent=10)
    page.goto(site + version.get_absolute_url())
    smoke = page.get_by_role("region", name="Smoke test")
    Redraw.objects.filter(pk=row.pk).update(percent=42, activity="Drawing")
    expect(smoke).to_contain_text("42 %, drawing", timeout=10_000)
    version.previews.filter(position=2).delete()
    Redraw.objects.filter(pk=row.pk).update(state=RunState.DONE)
    expect(smoke.get_by_role("img")).to_have_count(2, timeout=10_000)
    expect(smoke.get_by_role("button", name="Draw again")).to_be_visible()


def test_searching_narrows_the_shelf_while_typing(browser_page: Page, site: str) -> None:
    page = browser_page
    sign_in(page, site)
    for name in ("Dreamglass", "Inkwash"):
        making.in_stage(Stage.PUBLISHED, making.version(making.model(name=name)))
    page.goto(f"{site}/")

    page.get_by_role("searchbox").press_sequentially("ink")

    expect(page.get_by_text("Dreamglass")).to_have_count(0)
    expect(page.get_by_text("Inkwash")).to_be_visible()
    expect(page).to_have_url(f"{site}/?search=ink")


def test_everything_works_without_the_script(browser: Browser, site: str, tmp_path: Path) -> None:
    context = browser.new_context(java_script_enabled=False)
    page = context.new_page()
    sign_in(page, site)
    (tmp_path / "one.safetensors").write_bytes(making.safetensors())
    page.goto(f"{site}/upload/")
    page.get_by_label("Name of the new model").fill("Dreamglass")
    page.get_by_label("Choose files").set_input_files(tmp_path / "one.safetensors")
    page.get_by_role("button", name="Upload and hand in").click()
    expect(page.get_by_text("Handed in. You can watch it here.")).to_be_visible()
    version = Version.objects.get()
    making.judged(version.artifacts.get())
    Version.objects.filter(pk=version.pk).update(stage=Stage.IN_REVIEW)

    page.goto(site + version.get_absolute_url())
    page.get_by_text("Publish", exact=True).click()
    page.get_by_role("button", name="Publish now").click()

    expect(page.get_by_text("Published. It can be downloaded now.")).to_be_visible()
    with page.expect_download() as download:
        page.get_by_role("link", name="Download one.safetensors").click()
    assert Path(download.value.path()).read_bytes() == making.safetensors()
    context.close()
