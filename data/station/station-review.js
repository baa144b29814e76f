// The review queue: one record at a time, one key an answer.

import { ask, loadProducts } from "./station-api.js";
import { h, labelled } from "./station-dom.js";
import { hear } from "./station-events.js";
import { count, dateTime, percent, t } from "./station-text.js";
import { badge, className, clearNotice, meter, productOptions, reportProblem, scoreWords } from "./station-parts.js";
import { makeViewer } from "./station-picture.js";
import { makeAnswers, sendReview, signed } from "./station-answers.js";

const PAGE = 30;
const AHEAD = 3;
const LOW = 8;
const LINGER_MS = 250;

// What belongs to one question; answers that come for an earlier one find their own.
function begin(product) {
  return { product, queue: [], current: null, cursor: null, ended: false, filling: null, left: null, skipped: [], history: [], seen: new Set() };
}

export function makeReview({ setQuery }) {
  let work = begin(null);
  let visible = false;
  // Reviews leave one after another, so that an undo never overtakes its answer.
  let sending = Promise.resolve();

  const viewer = makeViewer();
  const answers = makeAnswers({ keys: true, answer });
  const summary = h("div", { class: "review-facts" });
  const why = h("p", { class: "why" });
  const remaining = h("span", { class: "soft", role: "status" });
  const last = h("span", { class: "soft", role: "status" });
  const choice = h("select", { onchange: () => setQuery({ product: choice.value }) });
  const undoButton = key("U", t("answer.undo"), undo);
  const card = h("div", { class: "review-card", tabindex: -1 }, viewer.element,
    h("section", { class: "panel review-side" }, summary, answers.element,
      h("div", { class: "row" }, key("S", t("answer.skip"), skip), undoButton),
      h("p", { class: "soft keys" }, t("answer.keys")), why));
  const again = h("button", { type: "button", class: "main", onclick: takeSkipped });
  const undoLast = key("U", t("answer.undo"), undo);
  const done = h("section", { class: "panel done" }, h("h2", {}, t("review.done")), h("p", {}, t("review.done-detail")),
    h("div", { class: "row" }, again, undoLast));
  const element = h("div", { class: "review" }, h("h1", { class: "unseen" }, t("view.review")),
    h("div", { class: "list-head" }, labelled(t("field.product"), choice), last, remaining), card, done);
  card.hidden = done.hidden = true;

  function key(letter, text, onclick) {
    return h("button", { type: "button", onclick, "aria-keyshortcuts": letter }, h("kbd", { "aria-hidden": "true" }, letter), h("span", {}, text));
  }

  async function fetchPage(mine) {
    const { product, cursor } = mine;
    try {
      const page = await ask("/v1/records", { query: { order: "least_certain", reviewed: false, product, limit: PAGE, cursor } });
      mine.cursor = page.next;
      mine.ended = page.next === null;
      const fresh = page.records.filter(({ id }) => !mine.seen.has(id));
      for (const { id } of fresh) mine.seen.add(id);
      mine.queue.push(...fresh);
    } catch (error) {
      mine.ended = true;
      reportProblem(error);
    }
    mine.filling = null;
  }

  function fill(mine) {
    mine.filling ??= fetchPage(mine);
    return mine.filling;
  }

  function drawLeft() {
    remaining.textContent = work.left === null ? "" : t("review.left", { count: count(work.left) });
  }

  function addLeft(number) {
    if (work.left !== null) work.left = Math.max(0, work.left + number);
    drawLeft();
  }

  async function askLeft() {
    const mine = work;
    try {
      const { total, reviewed } = await ask("/v1/stats", { query: { product: mine.product } });
      mine.left = typeof reviewed === "number" ? total - reviewed : null;
      drawLeft();
    } catch (error) {
      reportProblem(error);
    }
  }

  function drawSummary(record) {
    const name = className(record.product, record.class);
    summary.replaceChildren(
      badge(record.decision),
      h("p", { class: "live-class" }, name, typeof record.confidence === "number" && h("span", { class: "soft" }, ` ${percent(record.confidence)}`)),
      meter(record),
      h("p", { class: "soft" }, scoreWords(record)),
      h("p", { class: "soft" }, `${record.product} · ${dateTime(record.time)} · `,
        h("a", { href: `#/records/${record.id}` }, t("view.record", { id: record.id }))));
  }

  // What was said of it is for those who think twice: who answers at once does not make the station say it.
  function explain(record) {
    why.textContent = "";
    setTimeout(async () => {
      if (record !== work.current) return;
      try {
        const { inspection } = await ask(`/v1/records/${record.id}`);
        if (record === work.current) why.textContent = inspection.error ?? inspection.reason ?? inspection.rule ?? "";
      } catch (error) {
        reportProblem(error);
      }
    }, LINGER_MS);
  }

  function drawDone() {
    card.hidden = true;
    done.hidden = false;
    again.hidden = work.skipped.length === 0;
    again.textContent = t("review.again", { count: count(work.skipped.length) });
    undoLast.disabled = work.history.length === 0;
  }

  function preloadNext(mine) {
    for (const record of mine.queue.slice(0, AHEAD)) viewer.preload(record);
  }

  // Answers count only for an image that can be seen: until then, and while nothing is left, keys do nothing.
  async function advance() {
    const mine = work;
    visible = false;
    while (mine.queue.length === 0 && !mine.ended) await fill(mine);
    if (mine !== work) return;
    const record = mine.current = mine.queue.shift() ?? null;
    undoButton.disabled = mine.history.length === 0;
    if (record === null) {
      drawDone();
      return;
    }
    done.hidden = true;
    card.hidden = false;
    if (!await viewer.show(record) || mine !== work) return;
    drawSummary(record);
    answers.show(record);
    explain(record);
    // A button keeps the focus after a click, and Enter would press it again.
    if (document.activeElement === document.body || card.contains(document.activeElement)) card.focus({ preventScroll: true });
    visible = true;
    preloadNext(mine);
    if (mine.queue.length < LOW && !mine.ended) fill(mine).then(() => preloadNext(mine));
  }

  function putBack(record) {
    if (work.current !== null) work.queue.unshift(work.current);
    work.queue.unshift(record);
    advance();
  }

  function send(record, review, onProblem) {
    sending = sending.then(() => sendReview(record.id, review)).then(clearNotice, (error) => {
      reportProblem(error);
      onProblem();
    });
  }

  async function answer(body, words) {
    if (!visible) return;
    visible = false;
    const mine = work;
    const record = mine.current;
    const review = await signed(body);
    if (mine !== work) return;
    if (review === null) {
      visible = true;
      return;
    }
    const entry = { record, sent: true };
    mine.history.push(entry);
    last.textContent = t("review.last", { id: record.id, what: words });
    addLeft(-1);
    // What was not kept is asked again.
    send(record, review, () => {
      if (mine !== work || !mine.history.includes(entry)) return;
      mine.history = mine.history.filter((other) => other !== entry);
      last.textContent = "";
      addLeft(1);
      putBack(record);
    });
    advance();
  }

  function skip() {
    if (!visible) return;
    work.history.push({ record: work.current, sent: false });
    work.skipped.push(work.current);
    advance();
  }

  async function undo() {
    const mine = work;
    const entry = mine.history.at(-1);
    if (entry === undefined) return;
    const { record } = entry;
    if (entry.sent) {
      const review = await signed({ verdict: "none" });
      if (review === null || mine !== work) return;
      send(record, review, () => {});
      last.textContent = t("review.undone", { id: record.id });
      addLeft(1);
    }
    mine.history.pop();
    mine.skipped = mine.skipped.filter((other) => other !== record);
    putBack(record);
  }

  function takeSkipped() {
    work.queue = work.skipped;
    work.skipped = [];
    advance();
  }

  function press(event) {
    if (event.ctrlKey || event.altKey || event.metaKey || event.repeat || event.defaultPrevented) return;
    if (document.querySelector("dialog[open]")) return;
    const pressed = event.key.toLowerCase();
    if (event.target === answers.note) {
      if (pressed !== "enter" && pressed !== "escape" || event.isComposing) return;
      card.focus({ preventScroll: true });
    } else if (event.target.closest("input, select, textarea")) {
      return;
    } else if (pressed === "enter" && event.target.closest("button, a, summary")) {
      return;
    } else if (pressed === "u") {
      undo();
    } else if (!visible) {
      return;
    } else if (pressed === "s") {
      skip();
    } else if (!answers.press(pressed)) {
      return;
    }
    event.preventDefault();
  }

  function wake({ detail: record }) {
    if (work.product && record.product !== work.product) return;
    addLeft(1);
    work.ended = false;
    if (!done.hidden && work.filling === null) advance();
  }

  function dropReviewed({ detail: record }) {
    if (record.verdict === "none") return;
    const before = work.queue.length;
    work.queue = work.queue.filter(({ id }) => id !== record.id);
    addLeft(work.queue.length - before);
  }

  async function update(query) {
    const mine = work = begin(query.product ?? null);
    visible = false;
    last.textContent = "";
    choice.replaceChildren(...productOptions(mine.product));
    askLeft();
    try {
      await loadProducts();
    } catch (error) {
      reportProblem(error);
    }
    if (mine !== work) return;
    choice.replaceChildren(...productOptions(mine.product));
    advance();
  }

  const leave = hear([["record", wake], ["review", dropReviewed], ["caught-up", askLeft]], press);

  return { element, update, leave };
}
