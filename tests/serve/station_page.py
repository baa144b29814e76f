"""The station's page in a browser, as a person uses it: station_page.py URL FOLDER.

The station at URL has at least six records of a product "disc" with the classes of the made-up parts, none reviewed.
Pictures of the views go to FOLDER. The first thing that is not as it should be ends it with a message.
"""

import json
import re
import sys
import urllib.request

from playwright.sync_api import expect, sync_playwright

url, folder = sys.argv[1:]


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
    cards.first.click()
    expect(page).to_have_url(re.compile(r"#/records/\d+"))
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


def languages(page):
    go(page, "live")
    page.locator("header select").select_option("ja")
    expect(page.locator("html")).to_have_attribute("lang", "ja")
    look(page, "japanese")
    page.locator("header select").select_option("en")
    expect(page.locator("html")).to_have_attribute("lang", "en")


def run(browser, width, height):
    page = browser.new_page(viewport={"width": width, "height": height}, locale="en-GB")
    problems = []
    page.on("pageerror", lambda error: problems.append(str(error)))
    page.on("console", lambda message: problems.append(message.text) if message.type == "error" else None)
    page.add_init_script("localStorage.setItem('velm-who', 'a tester')")
    for step in (live, filters, review, charts, spec, languages):
        step(page)
        wide = page.evaluate("document.documentElement.scrollWidth > document.documentElement.clientWidth")
        assert not wide, f"{step.__name__}: wider than {width} pixels"
    assert not problems, problems
    page.close()


with sync_playwright() as playwright:
    browser = playwright.chromium.launch(executable_path="/usr/bin/chromium", args=["--no-sandbox"])
    run(browser, 1280, 800)
    run(browser, 768, 1024)
    browser.close()
