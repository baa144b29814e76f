// Charts, drawn as SVG from the figures of the station. Each mark has its figures as a title, each chart a table.

import { h, s, table } from "./station-dom.js";
import { t } from "./station-text.js";

const WIDTH = 620;
const HEIGHT = 250;
const LEFT = 52;
const RIGHT = 46;
const TOP = 14;
const BOTTOM = 30;
const inner = { width: WIDTH - LEFT - RIGHT, height: HEIGHT - TOP - BOTTOM };

// A round number not below the value, and steps that lead to it.
function roundScale(value, whole) {
  if (!(value > 0)) return { max: 1, step: whole ? 1 : 0.5 };
  const rough = value / 4;
  const power = 10 ** Math.floor(Math.log10(rough));
  let step = [1, 2, 2.5, 5, 10].find((factor) => factor * power >= rough * 0.999) * power;
  if (whole) step = Math.max(1, Math.ceil(step));
  return { max: Math.ceil(value / step - 1e-9) * step, step };
}

function yAt(value, max) {
  return TOP + inner.height * (1 - value / max);
}

function text(x, y, anchor, words, className = "") {
  return s("text", { x, y, "text-anchor": anchor, class: className }, words);
}

function axisY({ max, step }, format) {
  const parts = [];
  for (let value = 0; value <= max * 1.0001; value += step) {
    const y = yAt(value, max);
    parts.push(s("line", { class: "grid", x1: LEFT, x2: WIDTH - RIGHT, y1: y, y2: y }), text(LEFT - 8, y + 4, "end", format(value)));
  }
  return parts;
}

// Only so many words as have room below the axis.
function axisX(labels, room) {
  const every = Math.max(1, Math.ceil(labels.length / room));
  const width = inner.width / labels.length;
  return labels.map((words, index) => (index % every === 0 ? text(LEFT + width * (index + 0.5), HEIGHT - 8, "middle", words) : null))
    .filter(Boolean);
}

function frame(label, ...parts) {
  return s("svg", { class: "chart", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, role: "img", "aria-label": label }, ...parts);
}

function titled(shape, title) {
  shape.append(s("title", {}, title));
  return shape;
}

// rows: {label, title, values}; series: the classes of the values, from the bottom up; whole: they are numbers of things.
export function stackedBars({ label, rows, series, format, ticks = 6, marks = [], whole = true }) {
  const scale = roundScale(Math.max(...rows.map(({ values }) => values.reduce((sum, value) => sum + value, 0))), whole);
  const step = inner.width / rows.length;
  const gap = step > 5 ? 1 : 0;
  const bars = rows.map(({ title, values }, index) => {
    const group = titled(s("g", {}), title);
    let below = 0;
    values.forEach((value, kind) => {
      const top = yAt(below + value, scale.max);
      const height = yAt(below, scale.max) - top;
      if (value > 0) group.append(s("rect", { class: series[kind], x: LEFT + step * index + gap, width: step - 2 * gap, y: top, height }));
      below += value;
    });
    group.append(s("rect", { class: "hit", x: LEFT + step * index, width: step, y: TOP, height: inner.height }));
    return group;
  });
  const lines = marks.flatMap(({ at, words }) => {
    const x = LEFT + inner.width * at;
    return [s("line", { class: "threshold", x1: x, x2: x, y1: TOP, y2: TOP + inner.height }),
      text(x + (at > 0.7 ? -6 : 6), TOP + 10, at > 0.7 ? "end" : "start", words, "threshold")];
  });
  return frame(label, ...axisY(scale, format), ...axisX(rows.map((row) => row.label), ticks), ...bars, ...lines);
}

// rows: {label, title, value}; a null leaves a gap, for no record is not a record of nothing.
export function line({ label, rows, format, max }) {
  const scale = max === undefined ? roundScale(Math.max(0, ...rows.map(({ value }) => value ?? 0)), false) : { max, step: max / 4 };
  const step = inner.width / rows.length;
  const points = rows.map(({ value }, index) => (value === null ? null : [LEFT + step * (index + 0.5), yAt(value, scale.max)]));
  const path = points.map((point, index) => (point ? `${points[index - 1] ? "L" : "M"}${point[0].toFixed(1)} ${point[1].toFixed(1)}` : "")).join("");
  return frame(label, ...axisY(scale, format), ...axisX(rows.map((row) => row.label), 6), s("path", { class: "line", d: path }),
    ...points.filter(Boolean).map(([cx, cy]) => s("circle", { class: "dot", cx, cy, r: 2.5 })),
    ...rows.map(({ title }, index) =>
      titled(s("rect", { class: "hit", x: LEFT + step * index, width: step, y: TOP, height: inner.height }), title)));
}

// rows: {name, title, count}, the most frequent first.
export function pareto({ label, rows, format, percent }) {
  const total = rows.reduce((sum, { count }) => sum + count, 0);
  const scale = roundScale(rows[0].count, true);
  const step = inner.width / rows.length;
  const width = Math.min(step * 0.7, 70);
  let sum = 0;
  const points = rows.map(({ count }, index) => {
    sum += count;
    return [LEFT + step * (index + 0.5), yAt(sum, total)];
  });
  const room = Math.max(3, Math.floor(step / 7.5));
  const short = (name) => (name.length > room ? `${name.slice(0, room - 1)}…` : name);
  return frame(label, ...axisY(scale, format),
    ...[0, 0.5, 1].map((share) => text(WIDTH - RIGHT + 8, yAt(share, 1) + 4, "start", percent(share))),
    ...rows.map(({ name, title, count }, index) => {
      const y = yAt(count, scale.max);
      return titled(s("g", {}, s("rect", { class: "classes", x: LEFT + step * (index + 0.5) - width / 2, width, y, height: TOP + inner.height - y }),
        text(LEFT + step * (index + 0.5), HEIGHT - 8, "middle", short(name))), title);
    }),
    s("polyline", { class: "line cumulative", points: points.map((point) => point.map((value) => value.toFixed(1)).join(",")).join(" ") }),
    ...points.map(([cx, cy], index) => titled(s("circle", { class: "dot cumulative", cx, cy, r: 4 }), rows[index].title)));
}

export function legend(entries) {
  return h("ul", { class: "legend" }, entries.map(([className, words]) => h("li", { class: className }, words)));
}

export function chartPanel(title, drawing, { keys = [], columns, rows }) {
  return h("section", { class: "panel" }, h("h2", {}, title), keys.length > 0 && legend(keys), drawing,
    h("details", {}, h("summary", {}, t("charts.table")), table("figures", columns, rows, title)));
}
