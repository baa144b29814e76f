// Who changed what.

import { ask } from "./station-api.js";
import { h } from "./station-dom.js";
import { dateTime, t } from "./station-text.js";
import { reportProblem } from "./station-parts.js";

const PAGE = 100;

function detailOf(detail) {
  if (detail === null || detail === undefined) return "";
  return typeof detail === "string" ? detail : JSON.stringify(detail);
}

export function makeAudit() {
  let before = null;
  const body = h("tbody", {});
  const empty = h("p", { class: "soft", hidden: true }, t("audit.none"));
  const more = h("button", { type: "button", class: "more", hidden: true, onclick: drawMore }, t("more"));
  const columns = [t("field.time"), t("audit.who"), t("audit.action"), t("audit.target"), t("audit.detail")];
  const element = h("div", {}, h("section", { class: "panel" }, h("h1", {}, t("view.audit")),
    h("div", { class: "scroll", tabindex: 0, role: "region", "aria-label": t("view.audit") },
      h("table", { class: "words audit" }, h("thead", {}, h("tr", {}, columns.map((column) => h("th", { scope: "col" }, column)))), body)),
    empty), more);

  async function drawMore() {
    more.disabled = true;
    try {
      const { entries } = await ask("/v1/audit", { query: { before, limit: PAGE } });
      body.append(...entries.map((entry) => h("tr", {}, h("td", {}, dateTime(entry.time)), h("td", {}, entry.who), h("td", {}, entry.action),
        h("td", {}, entry.target), h("td", {}, h("code", {}, detailOf(entry.detail))))));
      before = entries.at(-1)?.id ?? before;
      more.hidden = entries.length < PAGE;
      empty.hidden = body.childElementCount > 0;
    } catch (error) {
      reportProblem(error);
      more.hidden = false;
    } finally {
      more.disabled = false;
    }
  }

  return { element, update: drawMore };
}
