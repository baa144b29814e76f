// The last part that was inspected, large enough to be read from across the line.

import { ask, loadProducts } from "./station-api.js";
import { h, labelled } from "./station-dom.js";
import { hear, station } from "./station-events.js";
import { clock, count, figure, percent, t } from "./station-text.js";
import { className, icon, meter, productOptions, reportProblem, thumbnail, verdictMark, word } from "./station-parts.js";
import { makeViewer } from "./station-picture.js";

const STRIP = 12;

export function makeLive({ setQuery }) {
  let product = null;
  let recent = [];
  let held = null;
  let newer = 0;
  let shown = null;
  let busy = false;
  let again = false;

  const viewer = makeViewer();
  const verdict = h("div", { class: "verdict" });
  const details = h("div", { class: "live-details" });
  const strip = h("div", { class: "strip", role: "group", "aria-label": t("live.recent") });
  const heldText = h("span", {});
  const holding = h("div", { class: "holding" }, heldText, h("button", { type: "button", class: "main", onclick: follow }, t("live.follow")));
  const choice = h("select", { onchange: () => setQuery({ product: choice.value }) });
  const element = h("div", { class: "live" }, h("h1", { class: "unseen" }, t("view.live")),
    viewer.element,
    h("section", { class: "live-side", "aria-live": "polite" }, verdict, details),
    h("div", { class: "live-bar" }, labelled(t("field.product"), choice), holding),
    strip);

  function showNothing() {
    verdict.className = "verdict nothing";
    verdict.replaceChildren(h("p", { class: "verdict-word" }, t("live.waiting")), h("p", {}, t("live.waiting-detail")));
  }

  function showRecord(record) {
    const { inspection } = record;
    verdict.className = `verdict ${record.decision}`;
    verdict.replaceChildren(icon(record.decision),
      h("p", { class: "verdict-word" }, word("decision", record.decision)),
      h("p", { class: "verdict-means" }, word("means", record.decision)));
    const name = className(record.product, record.class);
    details.replaceChildren(
      h("p", { class: "live-class" }, name,
        name && typeof record.confidence === "number" && h("span", { class: "soft" }, ` ${percent(record.confidence)}`), verdictMark(record.verdict)),
      h("p", { class: "live-action" }, inspection.action ?? inspection.error ?? "–"),
      meter(record),
      h("p", { class: "soft score-line" }, h("span", {}, `${t("field.score")} ${figure(record.score)}`),
        h("span", {}, `${t("field.threshold")} ${figure(record.threshold)}`)),
      h("p", { class: "soft" }, `${record.product} · ${clock(record.time)} · `,
        h("a", { href: `#/records/${record.id}` }, t("live.open"), ` ${record.id}`)));
  }

  // On a fast line only the latest is shown: the ones that came while an image was fetched are in the strip. Image and
  // verdict change together.
  async function display() {
    again = true;
    if (busy) return;
    busy = true;
    while (again) {
      again = false;
      const wanted = held ?? recent[0];
      if (!wanted) {
        showNothing();
        continue;
      }
      try {
        const record = await ask(`/v1/records/${wanted.id}`);
        await viewer.show(record);
        shown = record;
        showRecord(record);
        markShown();
      } catch (error) {
        reportProblem(error);
      }
    }
    busy = false;
  }

  function markShown() {
    for (const card of strip.children) card.setAttribute("aria-pressed", String(Number(card.dataset.id) === shown?.id));
    holding.classList.toggle("idle", held === null);
    heldText.textContent = held === null ? "" : t("live.held", { id: held.id, count: count(newer) });
  }

  function makeCard(summary) {
    return h("button", { type: "button", class: `card ${summary.decision}`, "data-id": summary.id, "aria-pressed": "false",
      title: `${word("decision", summary.decision)} ${className(summary.product, summary.class)}`, onclick: () => hold(summary) },
      thumbnail(summary), h("span", { class: "card-line" }, icon(summary.decision), h("span", {}, clock(summary.time))));
  }

  function hold(summary) {
    held = summary;
    newer = 0;
    display();
  }

  function follow() {
    held = null;
    display();
  }

  async function refill() {
    try {
      const { records } = await ask("/v1/records", { query: { product, limit: STRIP } });
      recent = records;
      strip.replaceChildren(...recent.map(makeCard));
      display();
    } catch (error) {
      reportProblem(error);
    }
  }

  function add({ detail: summary }) {
    if (product && summary.product !== product) return;
    if (recent.some(({ id }) => id === summary.id)) return;
    recent = [summary, ...recent].slice(0, STRIP);
    // Only the ends of the strip change, so that the keyboard's focus stays where it is.
    strip.prepend(makeCard(summary));
    while (strip.children.length > STRIP) strip.lastElementChild.remove();
    if (held !== null) {
      newer++;
      markShown();
    } else {
      display();
    }
  }

  function amend({ detail: summary }) {
    if (summary.id === shown?.id) display();
  }

  async function learnProducts() {
    try {
      await loadProducts();
      choice.replaceChildren(...productOptions(product));
    } catch (error) {
      reportProblem(error);
    }
  }

  function update(query) {
    product = query.product ?? null;
    held = null;
    choice.replaceChildren(...productOptions(product));
    refill();
  }

  // A verdict that may be of an earlier part must not look like the latest one's.
  function markStale() {
    element.classList.toggle("stale", station.connection === "lost");
  }

  const leave = hear([["record", add], ["review", amend], ["caught-up", refill], ["station", learnProducts], ["connection", markStale]]);
  markShown();
  markStale();

  return { element, update, leave };
}
