// The spec of a product: edited, checked, tried on past records, put in use, and as it was before.

import { ask, session } from "./station-api.js";
import { h, labelled, option, table } from "./station-dom.js";
import { notify, reportProblem, word } from "./station-parts.js";
import { askName, storedName } from "./station-session.js";
import { count, dateTime, t } from "./station-text.js";

// With a token the station knows who it is; without one the person says so, once.
async function whoAsks() {
  return session.tokens ? null : storedName() ?? askName();
}

function fromTo(before, after) {
  return before === after ? after : `${before} → ${after}`;
}

export function makeSpecEditor(product, changed) {
  const text = h("textarea", { class: "code", rows: 20, spellcheck: "false", "aria-label": t("products.spec"), oninput: doubt });
  const before = h("select", { onchange: () => show(versions[before.selectedIndex - 1]?.spec ?? inUse) });
  const check = h("button", { type: "button", onclick: tryIt }, t("spec.check"));
  const put = h("button", { type: "button", class: "main", disabled: true, onclick: putInUse }, t("spec.put"));
  const outcome = h("div", { class: "spec-outcome", role: "status" });
  const element = h("div", { class: "spec-editor" }, text,
    h("div", { class: "row" }, check, put, labelled(t("spec.before"), before)), outcome);
  let inUse = "";
  let versions = [];

  // What was checked is not what stands there now.
  function doubt() {
    put.disabled = true;
    outcome.replaceChildren();
  }

  function show(spec) {
    text.value = spec;
    doubt();
  }

  function goTo(line) {
    const start = text.value.split("\n").slice(0, line - 1).join("\n").length + (line > 1 ? 1 : 0);
    text.focus();
    text.setSelectionRange(start, start + (text.value.split("\n")[line - 1] ?? "").length);
  }

  function listFindings(findings) {
    return findings.length > 0 && h("ul", { class: "findings" }, findings.map(({ line, error, message }) =>
      h("li", { class: error ? "mistake" : "" },
        h("button", { type: "button", onclick: () => goTo(line) }, t("spec.line", { line })), ` ${message}`)));
  }

  function listChanges({ changes, changed: n, tried }) {
    const words = tried === 0 ? t("spec.untried") : t("spec.changed", { n: count(n), of: count(tried) });
    return [h("p", {}, words), changes.length > 0 && table("words",
      [t("spec.record"), t("field.decision"), t("field.action"), t("field.rule")],
      changes.map(({ record, action, new_decision: decision, new_action: newAction, new_rule: rule }) => [
        h("a", { href: `#/records/${record.id}` }, String(record.id)),
        fromTo(word("decision", record.decision), word("decision", decision)), fromTo(action ?? "–", newAction ?? "–"), rule ?? ""]),
      t("spec.changes"))];
  }

  async function tryIt() {
    check.disabled = true;
    const spec = text.value;
    try {
      const found = await ask(`/v1/products/${product}/spec/check`, { method: "POST", body: { spec } });
      if (text.value !== spec) return;
      const problem = !found.usable && h("p", { class: "mistake" }, t("spec.unusable"));
      outcome.replaceChildren(...[problem, listFindings(found.findings), found.usable && listChanges(found)].flat().filter(Boolean));
      put.disabled = !found.usable;
    } catch (error) {
      reportProblem(error);
    } finally {
      check.disabled = false;
    }
  }

  async function putInUse() {
    const who = await whoAsks();
    if (who === null && !session.tokens) return;
    put.disabled = true;
    try {
      await ask(`/v1/products/${product}/spec`, { method: "PUT", body: { spec: text.value, who } });
      inUse = text.value;
      notify(t("products.reloading"), "", "plain");
      outcome.replaceChildren();
      changed();
      await listVersions();
    } catch (error) {
      put.disabled = false;
      reportProblem(error);
    }
  }

  async function listVersions() {
    ({ specs: versions } = await ask(`/v1/products/${product}/specs`));
    before.replaceChildren(option("", t("spec.in-use"), ""),
      ...versions.map(({ id, time, who }) => option(String(id), `${dateTime(time)} · ${who}`, "")));
  }

  // What somebody is writing stays, whatever the station says meanwhile.
  function update(spec) {
    const untouched = text.value === inUse;
    inUse = spec ?? "";
    if (untouched) text.value = inUse;
    return listVersions();
  }

  return { element, update };
}
