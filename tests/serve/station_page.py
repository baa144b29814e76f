"""The station's page in a browser, as a person uses it: station_page.py URL FOLDER.

The station at URL has 17 records of a product "disc" with the classes of the made-up parts, none reviewed: of good parts
and defect ones in turn, the first four of those with a scratch, the next four with a dent.
Pictures of the views go to FOLDER. The first thing that is not as it should be ends it with a message.
"""

import json
import re
import sys
import urllib.request

from playwright.sync_api import expect, sync_playwright

url, folder = sys.argv[1:]
# Answers that are to be shown, of which the browser's console tells too.
EXPECTED = re.compile(r"\((Bad Request|Conflict)\)")


def get(path):
    with urllib.request.urlopen(url + path) as answer:
        return json.load(answer)


def post(path, body, kind):
    request = urllib.request.Request(url + path, body, {"Content-Type": kind})
    with urllib.request.urlopen(request) as answer:
        return json.load(answer)


def look(page, name):
    page.screenshot(path=f"{folder}/{name}.png")


def go(page, view):
    page.goto(f"{url}/#/{view}")


def live(page):
    go(page, "live")
    last = get("/v1/records?limit=1")["records"][0]
    expect(page.locator(".verdict-word")).not_to_be_empty()
    expect(page.locator(".live-details")).to_contain_text(str(last["id"]))
    # A part that comes now is shown without a click.
    with urllib.request.urlopen(f"{url}/v1/records/{last['id']}/image") as answer:
        image = answer.read()
    new = post("/v1/products/disc/inspections?name=now", image, "image/png")
    expect(page.locator(".live-details")).to_contain_text(str(new["id"]))
    look(page, "live")


def filters(page):
    go(page, "records")
    cards = page.locator(".gallery .card")
    everything = len(get("/v1/records?limit=500")["records"])
    expect(cards).to_have_count(everything)
    decision, count = next(item for item in get("/v1/stats")["decisions"].items() if item[1] < everything)
    page.get_by_label("Decision").select_option(decision)
    expect(cards).to_have_count(count)
    assert f"decision={decision}" in page.url
    look(page, "records")
    # The filter is in the address: a reload keeps it.
    page.reload()
    expect(cards).to_have_count(count)
    page.get_by_role("button", name="Clear filters").click()
    page.get_by_label("Station").select_option("line 2")
    expect(cards).to_have_count(1)
    assert "station=line" in page.url
    cards.first.click()
    expect(page).to_have_url(re.compile(r"#/records/\d+"))
    expect(page.locator(".record-facts")).to_contain_text("line 2")
    look(page, "record")


def review(page):
    go(page, "review")
    first = get("/v1/records?limit=3&order=least_certain&reviewed=false")["records"]
    expect(page.locator(".review-facts")).to_contain_text(f"Record {first[0]['id']}")
    look(page, "review")
    for key, record in zip("cg2", first):
        # An answer counts once the picture is there to be judged.
        expect(page.locator(".review-facts")).to_contain_text(f"Record {record['id']}")
        page.wait_for_function("[...document.querySelectorAll('.review img')].every(image => image.complete)")
        with page.expect_response(lambda response: "/reviews" in response.url):
            page.keyboard.press(key)
    verdicts = [get(f"/v1/records/{record['id']}") for record in first]
    assert [record["verdict"] for record in verdicts] == ["confirm", "good", "correct"], verdicts
    classes = get("/v1/products/disc")["classes"]
    assert verdicts[2]["class"] == classes[1]["key"]
    with page.expect_response(lambda response: "/reviews" in response.url):
        page.keyboard.press("u")
    assert get(f"/v1/records/{first[2]['id']}")["verdict"] == "none"


def charts(page):
    go(page, "charts")
    total = get("/v1/stats")["total"]
    expect(page.locator("main")).to_contain_text(str(total))
    assert page.locator("main svg").count() >= 4
    look(page, "charts")


def spec(page):
    go(page, "products")
    page.get_by_text("The spec").click()
    editor = page.locator("textarea.code")
    expect(editor).to_have_value(re.compile("classes:"))
    before = editor.input_value()
    editor.fill(before + "\nodd: 1\n")
    page.get_by_role("button", name="Check and try").click()
    expect(page.locator(".findings")).to_contain_text("odd")
    expect(page.get_by_role("button", name="Put in use")).to_be_disabled()
    look(page, "spec-mistake")
    # Nothing classifies here, so every anomaly is for a person to look at: another action for that changes those.
    n = get("/v1/stats")["decisions"]["review"]
    action = f"ask anna {page.viewport_size['width']}"
    editor.fill(re.sub(r"(?m)^unknown:.*\n", "", before).rstrip() + f"\nunknown: {{action: {action}}}\n")
    page.get_by_role("button", name="Check and try").click()
    expect(page.locator(".spec-outcome")).to_contain_text(f"{n} would have been decided otherwise")
    expect(page.locator(".spec-outcome tbody tr")).to_have_count(n)
    look(page, "spec")
    with page.expect_response(lambda response: response.request.method == "PUT" and response.status == 202):
        page.get_by_role("button", name="Put in use").click()
    for _ in range(100):
        if action in get("/v1/products/disc")["spec"]:
            break
        page.wait_for_timeout(100)
    assert action in get("/v1/products/disc/specs")["specs"][0]["spec"]
    assert get("/v1/audit")["entries"][0]["action"] == "spec"


def pick(page, records):
    go(page, "records")
    page.locator(".gallery .card").first.wait_for()
    page.keyboard.press("s")
    for record in records:
        page.locator(f'.gallery [data-id="{record}"]').press("Space")
    expect(page.locator(".picks")).to_contain_text(f"{len(records)} picked")


def wait_for_version(page, wanted):
    for _ in range(200):
        used = next(version for version in get("/v1/products/disc/versions")["versions"] if version["in_use"])
        if used["id"] == wanted:
            return
        page.wait_for_timeout(100)
    raise AssertionError(f"version {wanted} does not come into use")


def use(page, version, button):
    page.locator(f'[data-version="{version}"]').get_by_role("button", name=button).click()
    question = page.locator("dialog[open]")
    said = question.inner_text()
    question.get_by_role("button", name=button).click()
    wait_for_version(page, version)
    expect(page.locator(f'[data-version="{version}"]')).to_contain_text("In use", timeout=20000)
    return said


def teach(page):
    scratches, blots = [2, 4], [10, 12, 14, 16]
    pick(page, scratches)
    page.get_by_role("button", name="Teach a class").click()
    page.get_by_label("A class of the spec").check()
    page.locator("dialog select[name=class]").select_option("scratch")
    page.get_by_role("button", name="Set the class").click()
    page.get_by_role("button", name="Not now").click()
    assert [get(f"/v1/records/{record}")["class"] for record in scratches] == ["scratch"] * len(scratches)
    # What was picked is not picked any more.
    expect(page.locator(".picks")).to_contain_text("0 picked")
    page.keyboard.press("Escape")
    expect(page.locator(".picks")).to_be_hidden()
    pick(page, blots)
    look(page, "picked")
    page.get_by_role("button", name="Teach a class").click()
    page.get_by_label("Name", exact=True).fill("Öl: blot")
    expect(page.get_by_label("Key")).to_have_value("ol_blot")
    page.get_by_label("Key").fill("scratch")
    page.get_by_label("What tells it apart").fill('a soft "blot" of oil: # dark')
    page.get_by_label("Action").fill("wash")
    look(page, "teach")
    # A key that is taken is said where it was written.
    page.get_by_role("button", name="Add the class").click()
    expect(page.locator("dialog .wrong")).to_contain_text("scratch")
    page.get_by_label("Key").fill("blot")
    page.get_by_role("button", name="Add the class").click()
    expect(page.locator("dialog")).to_contain_text("“Öl: blot” is a class of disc now")
    page.get_by_role("button", name="Start teaching").click()
    expect(page).to_have_url(re.compile("#/products"))
    expect(page.locator("table").first).to_contain_text("Öl: blot", timeout=20000)
    # The job ends by itself, and leaves a version that nobody uses yet.
    offered = page.locator(".version", has_text="Offered")
    expect(offered).to_be_visible(timeout=90000)
    expect(page.locator(".job")).to_have_count(0)
    made = get("/v1/products/disc/versions")["versions"][0]
    assert made["kind"] == "teach" and not made["in_use"] and made["report"]["held_back"] >= 1, made
    row = offered.locator(".by-class tr", has_text="Öl: blot")
    expect(row).to_contain_text(re.compile("better|worse|the same"))
    expect(offered.locator(".caution")).to_contain_text("too few")
    look(page, "offered")
    said = use(page, made["id"], "Put in use")
    assert f"held back: {made['report']['held_back']}" in said and "too few" in said, said
    look(page, "used")
    use(page, 0, "Go back to this")
    page.get_by_role("button", name="Teach from reviews").click()
    expect(page.get_by_role("button", name="Add reviewed good images")).to_be_disabled()
    page.locator(".job").get_by_role("button", name="Cancel").click()
    expect(page.locator(".job-place")).to_contain_text("was cancelled", timeout=60000)
    look(page, "cancelled")
    go(page, "audit")
    expect(page.locator(".audit tbody tr").first).to_contain_text("Version put in use")
    look(page, "audit")


def languages(page):
    go(page, "live")
    page.locator("header select").select_option("ja")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    look(page, "japanese")
    page.locator("header select").select_option("en")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def run(browser, width, height, steps):
    page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" and not EXPECTED.search(message.text) else None)
    page.add_init_script("localStorage.setItem('velm-who', 'a tester')")
    for step in steps:
        step(page)
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{step.__name__}: wider than {width} pixels"
    assert not problems, problems
    page.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    run(browser, 1280, 800, (live, filters, review, charts, spec, languages))
    run(browser, 768, 1024, (live, filters, review, charts, spec, languages, teach))
    browser.close()
