// One record with everything that is known of it.

import { ask } from "./station-api.js";
import { facts, h, table } from "./station-dom.js";
import { count, dateTime, figure, percent, t } from "./station-text.js";
import { badge, className, clearNotice, icon, meter, reportProblem, verdictMark, word } from "./station-parts.js";
import { makeViewer } from "./station-picture.js";
import { makeAnswers, sendReview, signed } from "./station-answers.js";
import { list, loadMore } from "./station-records.js";

// Records of one moment are in the answer as well, so a few are asked for.
const NEAR = 20;

async function neighboursInList(id) {
  const index = list.records.findIndex((record) => record.id === id);
  if (index < 0) return null;
  if (index === list.records.length - 1 && list.next !== null) await loadMore();
  list.visited = id;
  return [list.records[index - 1]?.id, list.records[index + 1]?.id];
}

// A record that was opened by its number has the records before and after it in time for neighbours: the newer one first,
// as in the list.
async function neighboursInTime({ id, time }) {
  const end = new Date(new Date(time).getTime() + 1000).toISOString();
  const [newer, older] = await Promise.all([
    ask("/v1/records", { query: { since: time, order: "oldest", limit: NEAR } }),
    ask("/v1/records", { query: { until: end, order: "newest", limit: NEAR } }),
  ]);
  const after = ({ records }) => records[records.findIndex((record) => record.id === id) + 1]?.id;
  return [after(newer), after(older)];
}

function section(title, ...content) {
  return h("section", { class: "panel" }, h("h2", {}, title), content);
}

function probabilityBars({ product, class: standing, inspection }) {
  const entries = Object.entries(inspection.probabilities ?? {}).sort(([, a], [, b]) => b - a);
  if (entries.length === 0) return null;
  return section(t("record.probabilities"), h("dl", { class: "bars" }, entries.map(([key, probability]) => {
    const bar = h("span", { class: "bar" });
    bar.style.width = `${probability * 100}%`;
    return [h("dt", { class: key === standing ? "standing" : "" }, className(product, key)),
      h("dd", {}, h("span", { class: "track" }, bar), h("span", {}, percent(probability, 1)))];
  })));
}

function regionTable({ regions }) {
  if (!regions?.length) return null;
  const columns = ["x", "y", "width", "height", "area", "elongation", "score"];
  return section(t("record.regions"), table("figures", ["", ...columns.map((column) => t(`region.${column}`))],
    regions.map((region, index) => [String(index + 1), ...columns.map((column) => figure(region[column]))]), t("record.regions")));
}

function timingTable({ timings_ms: timings }) {
  if (!timings) return null;
  return section(t("record.timings"), facts(Object.entries(timings).map(([stage, ms]) => [stage, `${figure(ms)} ${t("unit.ms")}`])));
}

function reviewList({ product, reviews }) {
  if (reviews.length === 0) return section(t("record.reviews"), h("p", { class: "soft" }, t("record.no-reviews")));
  return section(t("record.reviews"), h("ol", { class: "reviews" }, reviews.map((review) => h("li", {},
    h("strong", {}, word("verdict", review.verdict), review.class && ` → ${className(product, review.class)}`),
    h("span", { class: "soft" }, ` ${review.who} · ${dateTime(review.time)}`),
    review.note && h("p", {}, review.note)))));
}

function llmCost({ llm }) {
  return llm && Object.entries(llm).map(([name, value]) => `${name} ${value ?? "–"}`).join(", ");
}

function promptParts({ model, requests, cached, text, images, answer, failure }) {
  return [
    facts([
      [t("prompt.model"), model],
      [t("prompt.requests"), cached ? t("prompt.cached") : count(requests)],
      [t("prompt.images"), images.map((image) => word("prompt-image", image)).join("; ")],
      [t("prompt.failure"), failure && h("span", { class: "wrong" }, failure)],
    ]),
    h("h3", {}, t("prompt.answer")), h("pre", { class: "sent", tabindex: 0 }, answer ?? t("none")),
    h("h3", {}, t("prompt.text")), h("pre", { class: "sent", tabindex: 0 }, text),
  ];
}

// It is long, and seldom looked at: it is fetched when it is unfolded.
function promptPanel({ id, inspection }) {
  if (!inspection.llm) return null;
  const body = h("div", { class: "prompt" }, h("p", { class: "soft" }, t("loading")));
  const panel = h("details", { class: "panel" }, h("summary", {}, t("record.prompt")), body);
  let asked = false;
  panel.addEventListener("toggle", async () => {
    if (!panel.open || asked) return;
    asked = true;
    try {
      body.replaceChildren(...promptParts(await ask(`/v1/records/${id}/prompt`)));
    } catch (error) {
      asked = false;
      if (error.status !== 404) reportProblem(error);
      body.replaceChildren(h("p", { class: "soft" }, error.status === 404 ? t("prompt.none") : error.title));
    }
  });
  return panel;
}

function everything(record) {
  const { inspection } = record;
  const detected = className(record.product, record.detected_class);
  return [
    section(t("record.inspection"), facts([
      [t("field.error"), inspection.error && h("span", { class: "wrong" }, inspection.error)],
      [t("field.warning"), inspection.warning],
      [t("field.class"), className(record.product, record.class)],
      [t("field.detected"), record.class === record.detected_class ? "" : detected || t("none")],
      [t("field.confidence"), record.confidence === null ? "" : percent(record.confidence, 1)],
      [t("field.action"), inspection.action],
      [t("field.severity"), inspection.severity && word("decision", inspection.severity)],
      [t("field.rule"), inspection.rule],
      [t("field.score"), record.score === null ? "" : figure(record.score)],
      [t("field.threshold"), record.threshold === null ? "" : figure(record.threshold)],
      [t("field.ratio"), record.threshold > 0 && typeof record.score === "number" ? figure(record.score / record.threshold, 3) : ""],
      [t("field.classifier"), inspection.classifier],
      [t("field.stage"), inspection.stage],
      [t("field.stage-reason"), inspection.stage_reason],
      [t("field.reason"), inspection.reason],
      [t("field.fallback"), inspection.fallback && t("field.fallback-yes")],
      [t("field.llm"), llmCost(inspection)],
      [t("field.look"), inspection.look],
    ])),
    probabilityBars(record),
    regionTable(inspection),
    timingTable(inspection),
    section(t("record.facts"), facts([
      [t("field.product"), record.product],
      [t("field.time"), dateTime(record.time)],
      [t("field.part"), record.part],
      [t("field.station"), record.station],
      [t("field.key"), record.key],
      [t("field.image"), inspection.image],
      [t("field.type"), record.media_type],
      [t("field.bytes"), `${count(record.image_bytes)} B`],
      [t("field.sha256"), h("code", {}, record.image_sha256)],
    ])),
    reviewList(record),
    promptPanel(record),
    h("details", { class: "panel" }, h("summary", {}, t("record.raw")), h("pre", { tabindex: 0 }, JSON.stringify(record, null, 2))),
  ];
}

export function makeRecord() {
  let record = null;
  let wanted = 0;
  const viewer = makeViewer();
  const answers = makeAnswers({ keys: false, answer: review });
  const takeBack = h("button", { type: "button", onclick: () => review({ verdict: "none" }) }, t("answer.take-back"));
  const head = h("div", { class: "record-head" }, t("loading"));
  const steps = h("nav", { class: "steps" });
  const rest = h("div", { class: "record-facts" });
  const judge = h("section", { class: "panel" }, h("h2", {}, t("answer.title")), answers.element, takeBack);
  const element = h("div", { class: "record" }, h("div", { class: "list-head" }, head, steps),
    h("div", { class: "record-main" }, viewer.element, judge), rest);
  judge.hidden = true;

  function draw() {
    const name = className(record.product, record.class);
    head.className = `record-head ${record.decision}`;
    head.replaceChildren(icon(record.decision), h("div", {},
      h("h1", {}, t("view.record", { id: record.id })),
      h("p", {}, badge(record.decision), name && h("strong", {}, ` · ${name} `), verdictMark(record.verdict))),
    meter(record));
    answers.show(record);
    takeBack.hidden = record.verdict === "none";
    judge.hidden = false;
    rest.replaceChildren(...everything(record).filter(Boolean));
  }

  function step(id, text, rel) {
    return id === undefined ? h("span", { class: "button off" }, text) : h("a", { class: "button", href: `#/records/${id}`, rel }, text);
  }

  async function drawSteps(mine) {
    const [before, after] = await neighboursInList(record.id) ?? await neighboursInTime(record);
    if (mine !== wanted) return;
    steps.replaceChildren(step(before, `← ${t("record.older")}`, "prev"),
      h("a", { class: "button", href: list.address }, t("record.list")), step(after, `${t("record.newer")} →`, "next"));
  }

  async function review(body) {
    const reviewed = await signed(body);
    if (reviewed === null) return;
    const mine = wanted;
    try {
      const next = await sendReview(record.id, reviewed);
      clearNotice();
      if (mine !== wanted) return;
      record = next;
      // The list that it was opened from says the same.
      const entry = list.records.find(({ id }) => id === record.id);
      if (entry) Object.assign(entry, { class: record.class, verdict: record.verdict });
      draw();
    } catch (error) {
      reportProblem(error);
    }
  }

  async function update(query, address, id) {
    const mine = wanted = Number(id);
    try {
      const next = await ask(`/v1/records/${wanted}`);
      if (!await viewer.show(next) || mine !== wanted) return;
      record = next;
      draw();
      await drawSteps(mine);
    } catch (error) {
      reportProblem(error);
    }
  }

  return { element, update };
}
