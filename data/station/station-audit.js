// Who changed what.

import { ask } from "./station-api.js";
import { h } from "./station-dom.js";
import { dateTime, t } from "./station-text.js";
import { reportProblem, word } from "./station-parts.js";

const PAGE = 100;

// The station's own words; those of a newer one are shown as they are.
function targetOf(target) {
  const [, kind, name] = /^(record|product) (.+)$/.exec(target) ?? [];
  if (kind === "record") return h("a", { href: `#/records/${name}` }, t("view.record", { id: name }));
  return kind === "product" ? t("audit.product", { name }) : target;
}

function valueOf(name, value) {
  if (name === "verdict") return word("verdict", value);
  if (name === "version" && value === 0) return t("version.original");
  return typeof value === "string" ? value : JSON.stringify(value);
}

function detailOf(detail) {
  if (detail === null || typeof detail !== "object") return detail ?? "";
  const known = Object.entries(detail).filter(([, value]) => value !== null);
  return known.map(([name, value]) => `${word("detail", name)}: ${valueOf(name, value)}`).join(" · ");
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
      body.append(...entries.map((entry) => h("tr", {}, h("td", {}, dateTime(entry.time)), h("td", {}, entry.who),
        h("td", {}, word("audited", entry.action)), h("td", {}, targetOf(entry.target)), h("td", {}, detailOf(entry.detail)))));
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
