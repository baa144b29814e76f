// What a product's model learnt from reviews: the job that runs, the versions, how each was tried, and which is in use.

import { ask, classesOf, may } from "./station-api.js";
import { facts, h, table } from "./station-dom.js";
import { count, dateTime, percent, t } from "./station-text.js";
import { className, confirmed, notify, reportProblem, word } from "./station-parts.js";
import { signed } from "./station-answers.js";
import { startJob } from "./station-teach.js";

// With fewer images held back, one more or less that is right decides.
const FEW = 10;
const MARKS = { better: "▲", worse: "▼", same: "=", untested: "–" };
const ORIGINAL = 0;

/* ---- reports ---- */

// Never by colour alone: a mark and a word.
function judgement(key, words = word("judgement", key)) {
  return h("span", { class: `judgement ${key}` }, h("span", { "aria-hidden": "true" }, MARKS[key] ?? ""), ` ${words}`);
}

function judge({ held_back: held, right_before: before, right_after: after }) {
  if (held === 0) return "untested";
  if (after === before) return "same";
  return after > before ? "better" : "worse";
}

function sentence({ held_back: held, before, after }) {
  return held === 0 ? t("report.untested")
    : t("report.sentence", { held: count(held), before: count(before.right), after: count(after.right) });
}

function caution({ held_back: held }) {
  return held > 0 && held < FEW ? t("report.few", { held: count(held) }) : null;
}

function warning(words) {
  return words && h("p", { class: "caution" }, h("span", { "aria-hidden": "true" }, "⚠ "), words);
}

function classTable(product, classes) {
  const columns = [t("field.class"), t("report.added"), t("report.held-back"), t("report.before"), t("report.after"), t("report.change")];
  return table("figures by-class", columns, classes.map((row) => [className(product, row.class), count(row.added), count(row.held_back),
    count(row.right_before), count(row.right_after), judgement(judge(row))]), t("report.classes"));
}

function turn({ class: said, before, after }) {
  if (after === said) return judgement("better", t("report.mended"));
  return before === said ? judgement("worse", t("report.broken")) : judgement("same", t("report.still-wrong"));
}

function changeTable(product, changes) {
  const title = t("report.changes", { count: count(changes.length) });
  const name = (key) => (key === null ? "–" : className(product, key));
  const columns = [t("spec.record"), t("report.said"), t("report.answer-before"), t("report.answer-after"), t("report.change")];
  return changes.length > 0 && [h("h4", {}, title), table("words", columns, changes.map((change) => [
    h("a", { href: `#/records/${change.record}` }, String(change.record)), name(change.class), name(change.before), name(change.after),
    turn(change)]), title)];
}

function drawReport(product, report) {
  const { examples_before: examples, added, held_back: held, before, after, classes, changes } = report;
  const mean = ({ macro_accuracy: value }) => percent(value, 1);
  return h("div", { class: "report" }, h("p", {}, sentence(report)), warning(caution(report)),
    facts([[t("report.examples"), count(examples)], [t("report.added"), count(added)],
      [t("report.macro"), held > 0 ? `${mean(before)} → ${mean(after)}` : null]]),
    classes.length > 0 && [h("h4", {}, t("report.classes")), classTable(product, classes)],
    changeTable(product, changes), h("p", { class: "soft" }, t("report.held")));
}

/* ---- versions ---- */

function nameOf({ id }) {
  return id === ORIGINAL ? t("version.original") : t("version.name", { id });
}

function origin({ kind, who, time }) {
  return [word("version", kind), who, time && dateTime(time, { dateStyle: "medium", timeStyle: "short" })].filter(Boolean).join(" · ");
}

// Which of the versions, the latest first, waits to be put in use.
function offeredOf(versions) {
  const [latest] = versions;
  return latest && latest.id !== ORIGINAL && latest.available && !latest.in_use ? latest : null;
}

function question({ id }, back) {
  if (id === ORIGINAL) return t("version.original-question");
  return t(back ? "version.back-question" : "version.put-question", { id });
}

async function putInUse(product, version, back, changed) {
  const { id, report } = version;
  const said = report ? [sentence(report), warning(caution(report))] : [t("version.original-said")];
  const yes = t(back ? "version.back" : "version.put");
  if (!await confirmed(question(version, back), [...said, t("version.stays")].filter(Boolean), yes)) return;
  const body = await signed({ version: id });
  if (body === null) return;
  try {
    await ask(`/v1/products/${product}/version`, { method: "PUT", body });
    notify(t(id === ORIGINAL ? "version.original-reading" : "version.reading", { id }), "", "plain");
    await changed();
  } catch (error) {
    reportProblem(error);
  }
}

function makeVersion(product, version, { current, offered, open, changed }) {
  const { id, report, available, in_use: used } = version;
  const back = current !== undefined && id < current.id;
  const usable = may("engineer") && available && !used;
  return h("li", { class: used ? "version used" : "version", "data-version": id },
    h("div", { class: "version-head" },
      h("p", {}, h("strong", {}, nameOf(version)), used && h("span", { class: "tag used" }, t("version.in-use")),
        version === offered && h("span", { class: "tag" }, t("version.offered")), report && judgement(report.judgement)),
      h("p", { class: "soft" }, origin(version), !available && ` · ${t("version.gone")}`),
      usable && h("button", { type: "button", class: version === offered ? "main" : "",
        onclick: () => putInUse(product, version, back, changed) }, t(back ? "version.back" : "version.put"))),
    report && h("details", { open: open || version === offered }, h("summary", {}, t("report.title")), drawReport(product, report)));
}

/* ---- jobs ---- */

function makeProgress({ id, who, created }) {
  const bar = h("progress", { "aria-label": t("job.progress") });
  const step = h("strong", { role: "status" });
  const number = h("span", { class: "soft" });
  const cancel = may("engineer") && h("button", { type: "button", onclick: stop }, t("cancel"));
  const element = h("div", { class: "job" }, h("p", {}, step, " ", number), bar,
    h("p", { class: "soft" }, t("job.by", { who, time: dateTime(created, { timeStyle: "short" }) })), cancel);

  async function stop() {
    cancel.disabled = true;
    cancel.textContent = t("job.cancelling");
    try {
      await ask(`/v1/jobs/${id}`, { method: "DELETE" });
    } catch (error) {
      cancel.disabled = false;
      cancel.textContent = t("cancel");
      reportProblem(error);
    }
  }

  function show({ kind, state, step: now, done, total }) {
    const words = `${word("job", kind)}: ${now ?? word("job", state)}`;
    // Said again only when it changed, for it is read aloud.
    if (step.textContent !== words) step.textContent = words;
    number.textContent = total > 0 ? t("job.count", { n: count(done), of: count(total) }) : "";
    if (total > 0) Object.assign(bar, { max: total, value: done });
    else bar.removeAttribute("value");
  }

  return { element, show };
}

function ending({ kind, state, error, ended }) {
  const time = dateTime(ended, { dateStyle: "medium", timeStyle: "short" });
  return t(`job.${state}`, { kind: word("job", kind), time, error: error ?? "" });
}

const runs = ({ state }) => state === "queued" || state === "running";

/* ---- all of a product ---- */

export function makeVersions(product) {
  const place = h("div", { class: "job-place" });
  const list = h("ol", { class: "versions" });
  const engineer = may("engineer");
  const kinds = engineer ? ["teach", "refit"] : [];
  const buttons = kinds.map((kind) => [kind, h("button", { type: "button", onclick: () => start(kind) }, t(`learn.${kind}`))]);
  const element = h("section", { class: "learn", "aria-label": t("learn.title") }, engineer && h("h3", {}, t("learn.title")),
    buttons.map(([kind, button]) => h("div", { class: "learn-way" }, button, h("p", { class: "soft" }, t(`learn.${kind}-means`)))),
    engineer && h("p", { class: "soft" }, t("learn.offered")), place, h("h3", {}, t("versions.title")), list);
  let job = null;
  let progress = null;
  let drawn = "";

  async function start(kind) {
    try {
      if (await startJob(product, kind)) await askJob();
    } catch (error) {
      reportProblem(error);
    }
  }

  function drawJob() {
    const running = job !== null && runs(job);
    for (const [, button] of buttons) button.disabled = running;
    if (running) {
      if (progress?.id !== job.id) {
        progress = { id: job.id, ...makeProgress(job) };
        place.replaceChildren(progress.element);
      }
      progress.show(job);
      return;
    }
    progress = null;
    place.replaceChildren(...(job !== null && job.state !== "done" ? [warning(ending(job))] : []));
  }

  // What is unfolded remains so, and what has the focus has it again.
  function drawVersions(versions) {
    // The reports name classes, which a spec that was read later may have named first.
    const words = JSON.stringify([versions, classesOf(product)]);
    if (words === drawn) return;
    drawn = words;
    const idOf = (node) => node?.closest("[data-version]")?.dataset.version;
    const open = Array.from(list.querySelectorAll("details[open]"), idOf);
    const focused = list.contains(document.activeElement) ? idOf(document.activeElement) : undefined;
    const state = { current: versions.find(({ in_use: used }) => used), offered: offeredOf(versions), changed: askVersions };
    list.replaceChildren(...versions.map((version) => makeVersion(product, version, { ...state, open: open.includes(String(version.id)) })));
    if (focused !== undefined) list.querySelector(`[data-version="${focused}"] :is(button, summary)`)?.focus();
  }

  async function askVersions() {
    const { versions } = await ask(`/v1/products/${product}/versions`);
    drawVersions(versions);
  }

  async function askJob() {
    const { jobs } = await ask("/v1/jobs", { query: { product } });
    job = jobs[0] ?? null;
    drawJob();
  }

  // A job that came to its end may have left a version.
  async function takeJob(next) {
    job = next;
    drawJob();
    if (runs(next)) return;
    try {
      await askVersions();
    } catch (error) {
      reportProblem(error);
    }
  }

  return { element, takeJob, update: () => Promise.all([askJob(), askVersions()]) };
}
