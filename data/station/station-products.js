// What is inspected, with which model, and what each class leads to.

import { ask, loadProducts, may } from "./station-api.js";
import { facts, h, table } from "./station-dom.js";
import { hear } from "./station-events.js";
import { count, t } from "./station-text.js";
import { notify, reportProblem, word } from "./station-parts.js";
import { makeSpecEditor } from "./station-spec.js";
import { makeVersions } from "./station-versions.js";

export function state(key) {
  return h("span", { class: `state ${key}` }, word("state", key));
}

function details(title, content) {
  return h("details", {}, h("summary", {}, title), content);
}

export function makeProducts() {
  const panels = new Map();
  const element = h("div", { class: "products" }, h("h1", { class: "unseen" }, t("view.products")));

  async function reload(name, button) {
    button.disabled = true;
    try {
      await ask(`/v1/products/${name}/reload`, { method: "POST" });
      notify(t("products.reloading"), "", "plain");
      update();
    } catch (error) {
      reportProblem(error);
    } finally {
      button.disabled = false;
    }
  }

  // What others inspect has its model, its spec and its teaching with them.
  function makePanel({ name, elsewhere }) {
    const changes = may("engineer") && !elsewhere;
    const head = h("div", {});
    const classes = h("div", {});
    const model = h("pre", { tabindex: 0 });
    const editor = changes && makeSpecEditor(name, update);
    const spec = editor ? editor.element : h("pre", { tabindex: 0 });
    const button = changes && h("button", { type: "button", onclick: () => reload(name, button) }, t("products.reload"));
    const versions = elsewhere ? null : makeVersions(name);
    const panel = h("section", { class: "panel" }, h("div", { class: "list-head" }, h("h2", {}, name), button), head, classes,
      versions?.element, details(t("products.model"), model), details(t("products.spec"), spec));
    return { panel, head, classes, model, spec, editor, versions };
  }

  function fillPanel({ head, classes }, product) {
    head.replaceChildren(h("p", {}, state(product.state), product.reason && ` ${product.reason}`),
      facts([[t("field.product"), product.object], [t("products.queued"), count(product.queued)]]));
    const title = t("field.class");
    classes.replaceChildren(product.classes.length === 0 ? h("p", { class: "soft" }, t("products.no-classes"))
      : table("words", [t("products.name"), t("products.key"), t("field.severity"), t("field.action")], product.classes.map(
        ({ key, name, severity, action }) => [name, h("code", {}, key), severity ? word("decision", severity) : "–", action ?? "–"]), title));
  }

  async function fillDetails({ model, spec, editor }, name) {
    const product = await ask(`/v1/products/${name}`);
    model.textContent = product.model;
    if (editor) await editor.update(product.spec);
    else spec.textContent = product.spec ?? t("products.no-spec");
  }

  async function update() {
    try {
      const products = await loadProducts();
      const names = products.map(({ name }) => name);
      for (const product of products) if (!panels.has(product.name)) panels.set(product.name, makePanel(product));
      for (const name of panels.keys()) if (!names.includes(name)) panels.delete(name);
      for (const product of products) fillPanel(panels.get(product.name), product);
      // Panels stay in place while nothing was added or removed: what is unfolded or focused remains so.
      const wanted = names.map((name) => panels.get(name).panel);
      const [heading, ...there] = element.children;
      if (wanted.length === 0) element.replaceChildren(heading, h("p", { class: "panel soft" }, t("products.none")));
      else if (wanted.length !== there.length || wanted.some((panel, index) => panel !== there[index])) element.replaceChildren(heading, ...wanted);
      await Promise.all(names.flatMap((name) => [fillDetails(panels.get(name), name), panels.get(name).versions?.update()]));
    } catch (error) {
      reportProblem(error);
    }
  }

  function takeJob({ detail: job }) {
    panels.get(job.product)?.versions?.takeJob(job);
  }

  const leave = hear([["station", update], ["caught-up", update], ["job", takeJob]]);
  return { element, update, leave };
}
