// What picked records show: a new class, which joins the product's spec, or one that is there.

import { ask, classesOf, may } from "./station-api.js";
import { h, labelled, option } from "./station-dom.js";
import { count, t } from "./station-text.js";
import { thumbnail, word } from "./station-parts.js";
import { sendReview, signed } from "./station-answers.js";

const SHOWN = 6;
const RESERVED = ["good", "unknown", "unclassified"];
const ACTIONS = { defect: "reject", negligible: "pass" };

// Latin letters lose their accents; those of other scripts are good keys as they are.
function plain(name) {
  const letters = name.trim().toLowerCase().normalize("NFD").replace(/(\p{Script=Latin})\p{M}+/gu, "$1").normalize("NFC");
  return letters.replace(/[^\p{L}\p{N}\p{M}]+/gu, "_").replace(/^_+|_+$/g, "");
}

// The key of a class that is called so, and that no class has yet.
export function keyOf(name, taken) {
  const key = plain(name);
  let free = key;
  for (let number = 2; taken.includes(free) || RESERVED.includes(free); number++) free = `${key}_${number}`;
  return free;
}

// False where the person did not want to be named.
export async function startJob(product, kind) {
  const body = await signed({ kind });
  if (body === null) return false;
  await ask(`/v1/products/${product}/jobs`, { method: "POST", body });
  return true;
}

function makeNewClass(product) {
  const known = classesOf(product);
  const taken = known.map(({ key }) => key);
  const input = (each, more) => h("input", { name: each, required: true, maxlength: 200, autocomplete: "off", ...more });
  const name = input("name", { oninput: deriveKey });
  const key = input("key", { spellcheck: "false", autocapitalize: "off", oninput: keepKey });
  const description = h("textarea", { name: "description", required: true, maxlength: 2000, rows: 3,
    placeholder: t("teach.description-hint") });
  const severity = h("select", { name: "severity", onchange: deriveAction },
    Object.keys(ACTIONS).map((each) => option(each, word("decision", each), "defect")));
  const action = input("action", { list: "teach-actions", value: ACTIONS.defect });
  const actions = Array.from(new Set(known.map((each) => each.action)), (each) => option(each, each));
  const element = h("fieldset", { class: "fields" }, labelled(t("teach.name"), name), labelled(t("teach.key"), key),
    labelled(t("teach.description"), description),
    h("div", { class: "pair" }, labelled(t("field.severity"), severity), labelled(t("field.action"), action)),
    h("datalist", { id: "teach-actions" }, actions));
  let own = false;

  function deriveKey() {
    if (!own) key.value = keyOf(name.value, taken);
  }

  // An emptied key follows the name again.
  function keepKey() {
    own = key.value !== "";
  }

  // What the person wrote stays.
  function deriveAction() {
    if (Object.values(ACTIONS).includes(action.value)) action.value = ACTIONS[severity.value];
  }

  // The spec has each of them on one line.
  const texts = () => Object.fromEntries([key, name, description, severity, action].map((control) =>
    [control.name, control.value.trim().replace(/\s+/g, " ")]));
  return { element, texts };
}

function makeKnownClass(product, onchange) {
  const choice = h("select", { name: "class", onchange }, classesOf(product).map(({ key, name }) => option(key, name)));
  return { element: h("fieldset", { class: "fields" }, labelled(t("field.class"), choice)), choice };
}

function pictures(records) {
  const more = records.length - SHOWN;
  return h("div", { class: "teach-pictures" }, records.slice(0, SHOWN).map(thumbnail),
    more > 0 && h("span", { class: "soft" }, t("teach.more", { count: count(more) })));
}

// Resolves when it is closed: true where the records were said to be of a class.
export function teachClass(records) {
  const { product } = records[0];
  const kept = new Set();
  const making = makeNewClass(product);
  const known = makeKnownClass(product, () => kept.clear());
  const wrong = h("p", { class: "wrong", role: "alert" });
  const progress = h("p", { class: "soft", role: "status" });
  const save = h("button", { class: "main" });
  const form = h("form", { onsubmit: submit });
  const dialog = h("dialog", { class: "teach", "aria-labelledby": "teach-title" }, form);
  let done = false;

  function choice(value, words, disabled) {
    return h("label", { class: "choice" },
      h("input", { type: "radio", name: "which", value, onchange: choose, disabled }), h("span", {}, words));
  }

  function draw() {
    const none = classesOf(product).length === 0;
    form.replaceChildren(h("h2", { id: "teach-title" }, t("teach.title")),
      h("p", {}, t("teach.records", { count: count(records.length), product })), pictures(records),
      h("div", { class: "row", role: "radiogroup", "aria-labelledby": "teach-title" },
        choice("new", t("teach.new"), !may("engineer")), choice("existing", t("teach.existing"), none)),
      may("engineer") ? "" : h("p", { class: "soft" }, t("teach.new-engineer")),
      making.element, known.element, wrong, progress,
      h("div", { class: "row" }, save, h("button", { type: "button", onclick: () => dialog.close() }, t("cancel"))));
    form.elements.which.value = may("engineer") ? "new" : "existing";
    choose();
  }

  function isNew() {
    return form.elements.which.value === "new";
  }

  // What is hidden is not asked for either.
  function choose() {
    for (const [{ element }, shown] of [[making, isNew()], [known, !isNew()]]) {
      element.hidden = element.disabled = !shown;
    }
    save.disabled = !isNew() && known.choice.length === 0;
    save.textContent = t(isNew() ? "teach.save-new" : "teach.save-existing");
    wrong.textContent = "";
  }

  async function add(body) {
    await ask(`/v1/products/${product}/classes`, { method: "POST", body: { ...body, records: records.map(({ id }) => id) } });
    return t("teach.saved-new", { name: body.name, product, count: count(records.length) });
  }

  // One after another; a second try leaves out those that were kept.
  async function sayOfAll(body) {
    for (const { id } of records) {
      if (kept.has(id)) continue;
      await sendReview(id, body);
      kept.add(id);
      progress.textContent = t("teach.sending", { n: count(kept.size), of: count(records.length) });
    }
    const { name } = classesOf(product).find(({ key }) => key === body.class);
    return t("teach.saved-existing", { name, count: count(records.length) });
  }

  function sayWrong(error) {
    if (error.title === undefined) throw error;
    // Whoever has to sign in again cannot do so below a dialog.
    if (error.status === 401) dialog.close();
    const before = kept.size > 0 ? t("teach.kept", { n: count(kept.size), of: count(records.length) }) : "";
    progress.textContent = "";
    wrong.textContent = [error.title, error.detail, before].filter(Boolean).join(" ");
  }

  async function submit(event) {
    event.preventDefault();
    wrong.textContent = "";
    const adding = isNew();
    const body = await signed(adding ? making.texts() : { verdict: "correct", class: known.choice.value });
    if (body === null) return;
    save.disabled = true;
    try {
      const words = await (adding ? add(body) : sayOfAll(body));
      done = true;
      askStart(words);
    } catch (error) {
      sayWrong(error);
    } finally {
      save.disabled = false;
    }
  }

  async function start(event) {
    const { currentTarget: button } = event;
    button.disabled = true;
    try {
      if (await startJob(product, "teach")) {
        dialog.close();
        location.hash = "#/products";
      }
    } catch (error) {
      sayWrong(error);
    } finally {
      button.disabled = false;
    }
  }

  function askStart(words) {
    wrong.textContent = "";
    kept.clear();
    const engineer = may("engineer");
    const first = h("button", { type: "button", class: "main", onclick: engineer ? start : () => dialog.close() },
      t(engineer ? "teach.start" : "close"));
    form.replaceChildren(h("h2", { id: "teach-title" }, t("teach.title")), h("p", { role: "status" }, words),
      h("p", {}, t(engineer ? "teach.now" : "teach.later")), wrong,
      h("div", { class: "row" }, first, engineer && h("button", { type: "button", onclick: () => dialog.close() }, t("teach.not-now"))));
    first.focus();
  }

  return new Promise((resolve) => {
    dialog.addEventListener("close", () => {
      dialog.remove();
      resolve(done || kept.size > 0);
    });
    draw();
    document.body.append(dialog);
    dialog.showModal();
    form.querySelector("fieldset:not([hidden]) input, fieldset:not([hidden]) select").focus();
  });
}
