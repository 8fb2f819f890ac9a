"""The API reference and the welcome page in a real browser, as a person uses them."""

from __future__ import annotations

import json
from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.e2e.conftest import Site

pytestmark = pytest.mark.browser
PATIENCE_MS = 20_000
MESSAGES = "/admin/reference#getV1AccountAccountMessages"


class Watched:
    """A page that notes everything a clean page does not do."""

    def __init__(self, page: Page, site: Site) -> None:
        self.page = page
        self.wrong: list[str] = []
        page.on("console", lambda said: self.wrong.append(f"{said.type}: {said.text}"))
        page.on("pageerror", lambda error: self.wrong.append(f"error: {error}"))
        page.on("request", lambda request: self._look(request.url, site))

    def _look(self, url: str, site: Site) -> None:
        if not url.startswith((f"{site.url}/", "data:", "blob:")):
            self.wrong.append(f"outside: {url}")


@pytest.fixture(params=["light", "dark"])
def watched(browser: Browser, site: Site, request: pytest.FixtureRequest) -> Iterator[Watched]:
    context = browser.new_context(base_url=site.url, color_scheme=request.param)
    context.set_default_timeout(PATIENCE_MS)
    yield Watched(context.new_page(), site)
    context.close()


def _described(page: Page) -> list[tuple[str, str]]:
    document = page.request.get("/swagger.json").json()
    return [
        (f"{method.upper()} {path}", operation["operationId"])
        for path, methods in document["paths"].items()
        for method, operation in methods.items()
    ]


def test_every_operation_is_shown_without_an_error_or_an_outside_request(watched: Watched) -> None:
    page = watched.page
    page.goto("/admin/reference")
    operations = _described(page)
    expect(page.locator("#operations a")).to_have_count(len(operations))
    for name, operation in operations:
        page.goto(f"/admin/reference#{operation}")
        expect(page.locator(".endpoint")).to_have_text(name.replace(" ", ""))
        expect(page.get_by_role("button", name="Send")).to_be_visible()
    assert watched.wrong == []


def test_a_call_is_tried_and_its_answer_and_command_are_shown(watched: Watched, site: Site) -> None:
    page = watched.page
    page.goto(MESSAGES)
    page.get_by_label("Access token").fill(site.token)
    page.get_by_label("account").fill("demo")
    page.get_by_label("path").fill("INBOX")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".outcome .tag")).to_have_text("200 OK")
    answer = json.loads(page.get_by_label("Answer").inner_text())
    assert "Welcome to Postroom" in [message["subject"] for message in answer["messages"]]
    command = page.get_by_label("Command").inner_text()
    assert f"{site.url}/v1/account/demo/messages?path=INBOX" in command
    assert site.token not in command
    assert watched.wrong == []


def test_a_call_without_a_token_says_what_is_missing(watched: Watched) -> None:
    page = watched.page
    page.goto("/admin/reference#getV1Accounts")
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".outcome .tag")).to_have_text("401 Unauthorized")
    expect(page.locator(".outcome")).to_contain_text("Type an access token")


def test_the_page_is_usable_by_keyboard_alone(watched: Watched, site: Site) -> None:
    page = watched.page
    page.goto("/admin/reference")
    expect(page.locator("#operations a").first).to_be_visible()
    page.keyboard.press("/")
    page.keyboard.type("list accounts")
    expect(page.locator("#operations a")).to_have_count(1)
    page.keyboard.press("ArrowDown")
    page.keyboard.press("Enter")
    expect(page.locator("main h2")).to_have_text("List accounts")
    assert page.evaluate("window.scrollY") == 0
    page.get_by_label("Access token").fill(site.token)
    page.locator("form:has(button.send) summary").focus()
    page.keyboard.press("Control+Enter")
    expect(page.locator(".outcome .tag")).to_have_text("200 OK")


def test_inner_fields_unfold(watched: Watched) -> None:
    page = watched.page
    page.goto("/admin/reference#postV1Account")
    row = page.locator(".documentation tr", has=page.locator("th code", has_text="oauth2"))
    row.locator("summary").first.click()
    expect(row.locator("th code", has_text="provider").first).to_be_visible()


def test_a_body_of_the_document_is_filled_in_and_can_be_sent(watched: Watched, site: Site) -> None:
    page = watched.page
    page.goto("/admin/reference#postV1AccountAccountSubmit")
    page.get_by_label("Access token").fill(site.token)
    page.get_by_label("account").fill("demo")
    assert "to" in json.loads(page.get_by_label("Body (JSON)").input_value())
    page.get_by_role("button", name="Send").click()
    expect(page.locator(".outcome .tag")).to_have_text("200 OK")
    expect(page.get_by_label("Answer")).to_contain_text("Queued for delivery")


def test_a_download_can_be_saved_under_its_name(watched: Watched, site: Site) -> None:
    page = watched.page
    headers = {"Authorization": f"Bearer {site.token}"}
    listing = page.request.get("/v1/account/demo/messages?path=INBOX", headers=headers).json()
    attachment = next(m for m in listing["messages"] if m.get("attachments"))["attachments"][0]
    page.goto("/admin/reference#getV1AccountAccountAttachmentAttachment")
    page.get_by_label("Access token").fill(site.token)
    page.get_by_label("account").fill("demo")
    page.get_by_label("attachment").fill(attachment["id"])
    page.get_by_role("button", name="Send").click()
    with page.expect_download() as download:
        page.get_by_role("link", name="Save as invoice.csv").click()
    assert download.value.suggested_filename == "invoice.csv"


@pytest.mark.parametrize("path", ["/", "/admin/reference", MESSAGES])
def test_nothing_is_wider_than_a_phone(watched: Watched, path: str) -> None:
    page = watched.page
    page.set_viewport_size({"width": 360, "height": 740})
    page.goto(path)
    page.locator("main h1, main h2").first.wait_for()
    assert page.evaluate("document.documentElement.scrollWidth") <= 360
    assert watched.wrong == []
