// The gallery; its filters are in the address, so that a question can be linked.

import { ask, classesOf, exportUrl, knownProducts, loadProducts } from "./station-api.js";
import { h, labelled, option } from "./station-dom.js";
import { hear } from "./station-events.js";
import { count, dateTime, figure, t } from "./station-text.js";
import { badge, className, DECISIONS, meter, productOptions, reportProblem, thumbnail, verdictMark, word } from "./station-parts.js";
import { makePicks } from "./station-picks.js";

const PAGE = 60;
const ORDERS = ["newest", "oldest", "highest_score", "least_certain"];
const FILTERS = ["product", "station", "class", "decision", "reviewed", "min_score", "max_score", "since", "until"];
const NO_CLASS = ["unknown", "unclassified", "good"];

// The list that was last looked at: a record that is opened from it has its neighbours here.
export let list = { address: "#/records", query: {}, records: [], next: null, visited: null };

export async function loadMore() {
  const mine = list;
  const page = await ask("/v1/records", { query: { ...mine.query, limit: PAGE, cursor: mine.next } });
  mine.next = page.next;
  mine.records.push(...page.records);
  return page.records;
}

function classOptions(product, selected) {
  const known = product ? classesOf(product) : knownProducts().flatMap(({ classes }) => classes);
  const names = new Map(known.map(({ key, name }) => [key, name]));
  for (const key of NO_CLASS) names.set(key, word("class", key));
  if (selected && !names.has(selected)) names.set(selected, selected);
  return [option("", t("all"), selected ?? ""), ...Array.from(names, ([key, name]) => option(key, name, selected))];
}

// The control speaks of local time, the address of universal time.
function toControl(time) {
  const date = new Date(time);
  if (Number.isNaN(date.getTime())) return "";
  return new Date(date - date.getTimezoneOffset() * 60000).toISOString().slice(0, 16);
}

function cardContent(record) {
  const name = className(record.product, record.class);
  return [thumbnail(record),
    h("span", { class: "card-text" },
      h("span", { class: "card-line" }, badge(record.decision), h("span", { class: "soft" }, record.id)),
      h("strong", {}, name || "\u00a0"),
      meter(record),
      h("span", { class: "soft" }, `${record.product} · ${figure(record.score)}`),
      h("span", { class: "soft" }, dateTime(record.time, { dateStyle: "short", timeStyle: "medium" }))),
    verdictMark(record.verdict)];
}

export function makeRecords({ setQuery }) {
  const controls = h("div", { class: "filters" });
  const cards = h("div", { class: "gallery" });
  const shown = h("p", { class: "soft", role: "status" });
  const more = h("button", { type: "button", class: "more", onclick: drawMore }, t("more"));
  const exports = h("p", { class: "exports" });
  const picking = h("button", { type: "button", "aria-pressed": "false", "aria-keyshortcuts": "S", onclick: () => pick(!isPicking()) },
    t("records.select"));
  let stations = [];
  const picks = makePicks({ show: drawCards, everything: () => list.records, end: () => pick(false) });
  const element = h("div", { class: "records" },
    h("h1", { class: "unseen" }, t("view.records")),
    h("section", { class: "panel", "aria-label": t("records.filters") }, controls),
    h("div", { class: "list-head" }, shown, exports, picking), picks.element, cards, more);

  function isPicking() {
    return !picks.element.hidden;
  }

  // While records are picked a click on one picks it, instead of opening it.
  function makeCard(record) {
    const attributes = { class: `card ${record.decision}`, "data-id": record.id };
    if (!isPicking()) return h("a", { ...attributes, href: `#/records/${record.id}` }, cardContent(record));
    const toggle = ({ currentTarget }) => currentTarget.setAttribute("aria-pressed", String(picks.toggle(record)));
    return h("button", { ...attributes, type: "button", "aria-pressed": String(picks.has(record.id)), onclick: toggle },
      h("span", { class: "pick-mark", "aria-hidden": "true" }), cardContent(record));
  }

  // The card that had the focus has it again.
  function drawCards() {
    const { id } = cards.contains(document.activeElement) ? document.activeElement.dataset : {};
    cards.replaceChildren(...list.records.map(makeCard));
    if (id) cards.querySelector(`[data-id="${id}"]`)?.focus();
  }

  function pick(on) {
    picks.element.hidden = !on;
    picking.setAttribute("aria-pressed", String(on));
    drawCards();
  }

  function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]") || event.target.closest("input, select, textarea")) return;
    if (event.key === "Escape" && isPicking()) pick(false);
    else if (event.key.toLowerCase() === "s") pick(!isPicking());
    else return;
    event.preventDefault();
  }

  function takeReview({ detail: record }) {
    const index = list.records.findIndex(({ id }) => id === record.id);
    if (index < 0) return;
    list.records[index] = record;
    const card = cards.querySelector(`[data-id="${record.id}"]`);
    const focused = card === document.activeElement;
    const fresh = makeCard(record);
    card?.replaceWith(fresh);
    if (focused) fresh.focus();
  }

  // A class may be new, or have another name.
  async function takeProducts() {
    const words = () => JSON.stringify(knownProducts().map(({ name, classes }) => [name, classes]));
    const before = words();
    try {
      await loadProducts();
    } catch {
      return; // The state says so already.
    }
    if (words() === before) return;
    drawControls();
    drawCards();
  }

  async function takeStations() {
    try {
      ({ stations } = await ask("/v1/stations"));
    } catch {
      return; // The list says so already.
    }
    drawControls();
  }

  function stationSelects() {
    const { station } = list.query;
    // A linked filter may name one that has no records any more.
    const names = station && !stations.includes(station) ? [...stations, station] : stations;
    return names.length === 0 ? []
      : [select("station", [option("", t("all"), ""), ...names.map((name) => option(name, name, station))])];
  }

  function change(name, value) {
    const query = { ...list.query, [name]: value };
    // A class of another product would leave an empty list.
    if (name === "product") delete query.class;
    setQuery(query);
  }

  function select(name, options) {
    return labelled(t(`field.${name}`), h("select", { onchange: ({ target }) => change(name, target.value) }, options));
  }

  function score(name, text) {
    return labelled(text, h("input", { type: "number", step: "any", inputmode: "decimal", value: list.query[name] ?? "",
      onchange: ({ target }) => change(name, target.value) }));
  }

  function moment(name) {
    const value = list.query[name] ? toControl(list.query[name]) : "";
    return labelled(t(`field.${name}`), h("input", { type: "datetime-local", value,
      onchange: ({ target }) => change(name, target.value && new Date(target.value).toISOString()) }));
  }

  function drawControls() {
    const { query } = list;
    const every = option("", t("all"), "");
    // What had the focus has it again, for a filter is often changed a few times by the keyboard.
    const focused = Array.from(controls.querySelectorAll("select, input")).indexOf(document.activeElement);
    controls.replaceChildren(
      select("product", productOptions(query.product)),
      ...stationSelects(),
      select("class", classOptions(query.product, query.class)),
      select("decision", [every, ...DECISIONS.map((key) => option(key, t(`decision.${key}`), query.decision))]),
      select("reviewed", [option("", t("all"), ""), option("true", t("yes"), query.reviewed), option("false", t("no"), query.reviewed)]),
      score("min_score", t("field.min-score")),
      score("max_score", t("field.max-score")),
      moment("since"),
      moment("until"),
      select("order", ORDERS.map((key) => option(key, t(`order.${key}`), query.order ?? "newest"))),
      h("button", { type: "button", onclick: () => setQuery({}) }, t("records.reset")));
    controls.querySelectorAll("select, input")[focused]?.focus();
  }

  function drawExports() {
    const question = Object.fromEntries(FILTERS.map((name) => [name, list.query[name]]));
    const link = (format, text) => h("a", { href: exportUrl({ ...question, format }), download: "" }, text);
    exports.replaceChildren(`${t("records.export")}: `, link("csv", "CSV"), link("jsonl", "JSON Lines"), link("coco", "COCO"));
  }

  function drawState() {
    const { length } = list.records;
    more.hidden = list.next === null;
    shown.textContent = length === 0 ? t("records.empty")
      : t(list.next === null ? "records.shown" : "records.shown-more", { count: count(length) });
  }

  async function drawMore() {
    const mine = list;
    more.disabled = true;
    try {
      const records = await loadMore();
      if (mine !== list) return;
      cards.append(...records.map(makeCard));
      drawState();
    } catch (error) {
      reportProblem(error);
      if (mine !== list) return;
      shown.textContent = "";
      more.hidden = false;
    } finally {
      more.disabled = false;
    }
  }

  function update(query, address) {
    const { visited } = list;
    // Who comes back from a record finds the list as it was left; who comes another way, a new one.
    const back = visited !== null && list.address === address;
    list = back ? { ...list, visited: null } : { address, query, records: [], next: null, visited: null };
    drawControls();
    drawExports();
    drawCards();
    if (back) {
      drawState();
      cards.querySelector(`[data-id="${visited}"]`)?.focus();
    } else {
      more.hidden = true;
      shown.textContent = t("loading");
      drawMore();
    }
  }

  takeStations();
  const leave = hear([["review", takeReview], ["station", takeProducts]], press);

  return { element, update, leave };
}
