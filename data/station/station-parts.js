// Pieces that several views are made of.

import { classesOf, knownProducts, pictureUrl } from "./station-api.js";
import { h, option, s } from "./station-dom.js";
import { figure, has, t } from "./station-text.js";

export const DECISIONS = ["normal", "negligible", "defect", "review", "failed"];

// Colour alone does not tell decisions apart: each has a shape of its own, and its word beside it.
const SHAPES = {
  normal: [["circle", { cx: 12, cy: 12, r: 11 }], "M6.5 12.5l4 4 7-8"],
  negligible: [["circle", { cx: 12, cy: 12, r: 11 }], "M6 13.5c2-4 4-4 6-1.5s4 2.5 6-1.5"],
  defect: [["path", { d: "M7.5 1h9L23 7.5v9L16.5 23h-9L1 16.5v-9z" }], "M8 8l8 8M16 8l-8 8"],
  review: [["path", { d: "M12 1.5L23.5 22.5H.5z" }], "M12 9v6.5M12 19v.1"],
  failed: [["path", { d: "M1.5 1.5h21v21h-21z" }], "M12 6v8M12 18v.1"],
};

export function icon(decision) {
  const [[name, attributes], mark] = SHAPES[decision] ?? SHAPES.failed;
  return s("svg", { class: "icon", viewBox: "0 0 24 24", "aria-hidden": "true" },
    s(name, { ...attributes, class: "shape" }), s("path", { class: "mark", d: mark }));
}

// The words of a newer station are shown as they are.
export function word(group, key) {
  return has(`${group}.${key}`) ? t(`${group}.${key}`) : String(key);
}

export function badge(decision) {
  return h("span", { class: `badge ${decision}` }, icon(decision), word("decision", decision));
}

export function className(product, key) {
  if (key === null || key === undefined) return "";
  return classesOf(product).find((known) => known.key === key)?.name ?? word("class", key);
}

export function describe({ product, class: key, decision }) {
  return className(product, key) || word("decision", decision);
}

export function verdictMark(verdict) {
  return verdict === "none" ? null : h("span", { class: "verdict-mark" }, `✓ ${word("verdict", verdict)}`);
}

// The threshold stands in the middle of the bar, so that bars of different detectors look alike.
export function meter(record) {
  const { score, threshold, decision } = record;
  const bar = h("span", {});
  const known = typeof score === "number" && threshold > 0;
  bar.style.width = known ? `${Math.min(100, Math.max(0, score / threshold * 50))}%` : 0;
  const words = scoreWords(record);
  return h("div", { class: `meter ${decision}`, role: "img", "aria-label": words, title: words }, bar);
}

export function scoreWords({ score, threshold }) {
  return typeof score === "number" ? t("score.against", { score: figure(score), threshold: figure(threshold) }) : t("score.none");
}

export function thumbnail({ id, product, decision }) {
  // Outlines would be of no use on a part that has nothing to outline.
  const view = decision === "normal" || decision === "failed" ? "plain" : "outline";
  const image = h("img", { src: pictureUrl(id, view, 256), alt: t("picture.alt", { id, product }), loading: "lazy", decoding: "async" });
  image.addEventListener("error", () => image.replaceWith(h("span", { class: "no-picture" }, "–")), { once: true });
  return image;
}

export function productOptions(selected) {
  const names = knownProducts().map(({ name }) => name);
  // A linked filter may name a product that is no longer set up but has records.
  if (selected && !names.includes(selected)) names.push(selected);
  return [option("", t("all"), selected ?? ""), ...names.map((name) => option(name, name, selected))];
}

// Whether the person says yes.
export function confirmed(question, lines, yes) {
  return new Promise((resolve) => {
    const dialog = h("dialog", { "aria-labelledby": "confirm-title", onclose: finish },
      h("form", { method: "dialog" },
        h("h2", { id: "confirm-title" }, question), lines.map((line) => (line instanceof Node ? line : h("p", {}, line))),
        h("div", { class: "row" },
          h("button", { class: "main", value: "yes" }, yes),
          h("button", { type: "button", onclick: () => dialog.close() }, t("cancel")))));

    function finish() {
      dialog.remove();
      resolve(dialog.returnValue === "yes");
    }

    document.body.append(dialog);
    dialog.showModal();
  });
}

// What is no problem goes by itself: it is soon no longer so.
const PLAIN_MS = 8000;
let hiding = 0;

// A calm bar at the foot: the page goes on.
export function notify(title, detail = "", kind = "problem") {
  const bar = document.querySelector("#notice");
  bar.className = kind;
  bar.replaceChildren(
    h("p", {}, h("strong", {}, title), detail && ` ${detail}`),
    h("button", { type: "button", onclick: clearNotice }, t("close")));
  bar.hidden = false;
  clearTimeout(hiding);
  if (kind === "plain") hiding = setTimeout(clearNotice, PLAIN_MS);
}

export function reportProblem(error) {
  if (error.title === undefined) throw error;
  if (error.status !== 401) notify(error.title, error.detail);
}

export function clearNotice() {
  document.querySelector("#notice").hidden = true;
}
