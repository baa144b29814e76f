// How the line has done.

import { ask, knownProducts, loadProducts } from "./station-api.js";
import { h, labelled } from "./station-dom.js";
import { count, dateTime, figure, percent, t } from "./station-text.js";
import { className, productOptions, reportProblem, word } from "./station-parts.js";
import { chartPanel, line, pareto, stackedBars } from "./station-svg.js";

const HOUR_MS = 3600000;
const PERIODS = { hour: HOUR_MS, day: 24 * HOUR_MS, week: 168 * HOUR_MS, all: null };
const DEFAULT_PERIOD = "day";
const MOST_CLASSES = 10;
const GOOD = ["normal", "negligible"];

function yieldOf({ good, total }) {
  return total > 0 ? good / total : null;
}

// Classes of all products have one name where their products agree on it.
function nameOf(product, key) {
  if (product) return className(product, key);
  const owner = knownProducts().find(({ classes }) => classes.some((known) => known.key === key));
  return className(owner?.name, key);
}

function paretoChart({ classes }, product) {
  const title = t("charts.pareto");
  const rows = classes.filter(({ class: key }) => key !== null && key !== "good");
  if (rows.length === 0) return h("section", { class: "panel" }, h("h2", {}, title), h("p", { class: "soft" }, t("charts.pareto-none")));
  const total = rows.reduce((sum, row) => sum + row.count, 0);
  let sum = 0;
  const named = rows.map((row) => {
    sum += row.count;
    const name = nameOf(product, row.class);
    return { key: row.class, name, count: row.count, share: row.count / total, cumulative: sum / total,
      title: `${name}: ${count(row.count)} (${percent(row.count / total)}), ${t("charts.cumulative")} ${percent(sum / total)}` };
  });
  const query = product ? `&product=${encodeURIComponent(product)}` : "";
  return chartPanel(title, pareto({ label: title, rows: named.slice(0, MOST_CLASSES), format: count, percent }), {
    keys: [["classes", t("charts.count")], ["cumulative", t("charts.cumulative")]],
    columns: [t("field.class"), t("charts.count"), t("charts.share"), t("charts.cumulative")],
    rows: named.map((row) => [h("a", { href: `#/records?class=${encodeURIComponent(row.key)}${query}` }, row.name),
      count(row.count), percent(row.share, 1), percent(row.cumulative, 1)]),
  });
}

function histogram({ scores }, threshold) {
  const title = t("charts.scores");
  const rows = scores.map(({ low, high, good, other }) => ({ label: figure(low, 3), values: [good, other],
    title: `${figure(low, 3)}–${figure(high, 3)}: ${t("charts.good")} ${count(good)}, ${t("charts.not-good")} ${count(other)}` }));
  if (rows.length === 0) return null;
  const low = scores[0].low;
  const at = (threshold - low) / (scores.at(-1).high - low);
  const marks = at >= 0 && at <= 1 ? [{ at, words: t("charts.threshold", { value: figure(threshold) }) }] : [];
  return chartPanel(title, stackedBars({ label: title, rows, series: ["normal", "defect"], format: count, marks }), {
    keys: [["normal", t("charts.good")], ["defect", t("charts.not-good")]],
    columns: [t("charts.from"), t("charts.to"), t("charts.good"), t("charts.not-good")],
    rows: scores.map((bin) => [figure(bin.low, 3), figure(bin.high, 3), count(bin.good), count(bin.other)]),
  });
}

// What the language model took: money where its price is known, else requests.
function costChart(series, { requests, usd }, short, when) {
  if (requests === 0) return null;
  const priced = usd !== null;
  const title = t(priced ? "charts.cost-usd" : "charts.cost-requests");
  const value = ({ llm }) => (priced ? llm.usd ?? 0 : llm.requests);
  const format = (number) => (priced ? figure(number, 3) : count(number));
  const use = ({ llm }) => [count(llm.requests), count(llm.tokens), figure(llm.usd, 3)];
  const rows = series.map((span) => {
    const [asked, tokens, dollars] = use(span);
    return { label: short(span.time), values: [value(span)],
      title: `${when(span.time)}: ${asked} ${t("charts.requests")}, ${tokens} ${t("charts.tokens")}, ${dollars} USD` };
  });
  return chartPanel(title, stackedBars({ label: title, rows, series: ["classes"], format, whole: !priced }), {
    columns: [t("field.time"), t("charts.requests"), t("charts.tokens"), "USD"],
    rows: series.map((span) => [when(span.time), ...use(span)]),
  });
}

// The charts over time share their spans.
function timeCharts({ series, llm }) {
  const long = new Date(series.at(-1).time) - new Date(series[0].time) > 36 * HOUR_MS;
  const short = (time) => dateTime(time, long ? { month: "numeric", day: "numeric" } : { hour: "2-digit", minute: "2-digit" });
  const when = (time) => dateTime(time, { dateStyle: "short", timeStyle: "short" });
  const others = ({ total, good, defect }) => total - good - defect;

  function one(name, value, format, max) {
    const title = t(name);
    const rows = series.map((span) => ({ label: short(span.time), value: value(span), title: `${when(span.time)}: ${format(value(span))}` }));
    return chartPanel(title, line({ label: title, rows, format, max }), {
      columns: [t("field.time"), title], rows: series.map((span) => [when(span.time), format(value(span))]),
    });
  }

  const title = t("charts.decisions");
  const keys = [["normal", t("charts.good")], ["defect", t("charts.defect")], ["review", t("charts.other")]];
  const values = (span) => [span.good, span.defect, others(span)];
  const rows = series.map((span) => ({ label: short(span.time), values: values(span),
    title: `${when(span.time)}: ${keys.map(([, words], index) => `${words} ${count(values(span)[index])}`).join(", ")}` }));
  const decisions = chartPanel(title, stackedBars({ label: title, rows, series: keys.map(([key]) => key), format: count }), {
    keys, columns: [t("field.time"), ...keys.map(([, words]) => words)],
    rows: series.map((span) => [when(span.time), ...values(span).map(count)]),
  });

  return [
    decisions,
    one("charts.yield-time", yieldOf, percent, 1),
    one("charts.mean-score", (span) => span.mean_score, (value) => figure(value, 3)),
    one("charts.latency", (span) => span.mean_ms, (value) => figure(value, 3)),
    costChart(series, llm, short, when),
  ];
}

function totals({ total, decisions, reviewed, llm }) {
  const good = GOOD.reduce((sum, key) => sum + (decisions[key] ?? 0), 0);
  const tile = (words, value, className = "") => h("div", { class: `total ${className}` }, h("dt", {}, words), h("dd", {}, value));
  return h("dl", { class: "totals" }, tile(t("charts.total"), count(total)), tile(t("charts.yield"), percent(yieldOf({ good, total }), 1)),
    Object.entries(decisions).map(([key, number]) => tile(word("decision", key), count(number), key)),
    typeof reviewed === "number" && tile(t("charts.reviewed"), count(reviewed)),
    llm.requests > 0 && tile(t("charts.asked"), count(llm.requests)),
    llm.usd !== null && tile(t("charts.cost"), figure(llm.usd, 3)));
}

export function makeCharts({ setQuery }) {
  let query = {};
  let turn = 0;
  const choice = h("select", { onchange: () => setQuery({ ...query, product: choice.value }) });
  const periods = h("div", { class: "switch", role: "group", "aria-label": t("charts.period") }, Object.keys(PERIODS).map((period) =>
    h("button", { type: "button", "data-period": period, onclick: () => setQuery({ ...query, period }) }, t(`charts.${period}`))));
  const body = h("div", { class: "charts" }, h("p", { class: "soft" }, t("loading")));
  const element = h("div", {}, h("h1", { class: "unseen" }, t("view.charts")),
    h("div", { class: "list-head" }, labelled(t("field.product"), choice), periods), body);

  // Thresholds are each product's own, so a line is drawn only where there is one product.
  async function askThreshold(product) {
    if (product === null) return null;
    const { records } = await ask("/v1/records", { query: { product, limit: 20 } });
    return records.find(({ threshold }) => threshold !== null)?.threshold ?? null;
  }

  async function update(next) {
    query = next;
    const mine = ++turn;
    const period = query.period in PERIODS ? query.period : DEFAULT_PERIOD;
    choice.replaceChildren(...productOptions(query.product));
    for (const button of periods.children) button.setAttribute("aria-pressed", String(button.dataset.period === period));
    body.classList.add("waiting");
    try {
      await loadProducts();
      const since = PERIODS[period] === null ? null : new Date(Date.now() - PERIODS[period]).toISOString();
      const only = query.product ?? (knownProducts().length === 1 ? knownProducts()[0].name : null);
      const [stats, threshold] = await Promise.all([ask("/v1/stats", { query: { product: query.product, since } }), askThreshold(only)]);
      if (mine !== turn) return;
      choice.replaceChildren(...productOptions(query.product));
      body.replaceChildren(totals(stats), stats.total === 0 ? h("p", { class: "panel soft" }, t("charts.empty"))
        : h("div", { class: "chart-grid" }, paretoChart(stats, query.product), timeCharts(stats), histogram(stats, threshold)),
        only === null && stats.total > 0 ? h("p", { class: "soft" }, t("charts.mixed")) : "");
    } catch (error) {
      reportProblem(error);
    } finally {
      if (mine === turn) body.classList.remove("waiting");
    }
  }

  return { element, update };
}
