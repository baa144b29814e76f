// What a person can say of a record, by button or key.

import { ask, classesOf, session } from "./station-api.js";
import { h } from "./station-dom.js";
import { t } from "./station-text.js";
import { describe } from "./station-parts.js";
import { askName, storedName } from "./station-session.js";

export function sendReview(id, body) {
  return ask(`/v1/records/${id}/reviews`, { method: "POST", body });
}

// A review's body, or null where the person did not want to be named.
export async function signed(body) {
  if (session.tokens) return body;
  const who = storedName() ?? await askName();
  return who === null ? null : { ...body, who };
}

function button(text, key, onclick, className) {
  return h("button", { type: "button", class: className, onclick, "aria-keyshortcuts": key },
    key && h("kbd", { "aria-hidden": "true" }, key), h("span", {}, text));
}

// answer({verdict, class, note}, words) is called for each answer; with keys, the buttons show them.
export function makeAnswers({ keys, answer }) {
  let record = null;
  const element = h("div", { class: "answers" });
  const note = h("input", { maxlength: 4000, placeholder: t("answer.note-hint"), "aria-label": t("answer.note") });

  function give(body, words) {
    answer({ ...body, note: note.value.trim() || null }, words);
  }

  function confirm() {
    give({ verdict: "confirm" }, describe(record));
  }

  function good() {
    give({ verdict: "good" }, t("class.good"));
  }

  function choose({ key, name }) {
    if (key === record.class) confirm();
    else give({ verdict: "correct", class: key }, name);
  }

  function show(next) {
    record = next;
    note.value = "";
    const hint = (key) => (keys ? key : null);
    element.replaceChildren(
      h("div", { class: "first" },
        button(t("answer.confirm", { what: describe(record) }), hint("C"), confirm, "main"),
        button(t("answer.good"), hint("G"), good)),
      h("div", { class: "choices", role: "group", "aria-label": t("answer.classes") },
        classesOf(record.product).map((known, index) =>
          button(known.name, index < 9 ? hint(String(index + 1)) : null, () => choose(known), known.key === record.class ? "current" : ""))),
      h("label", { class: "note-field" }, h("span", {}, keys && h("kbd", {}, "N"), ` ${t("answer.note")}`), note));
  }

  // True where the key was an answer.
  function press(key) {
    const known = /^[1-9]$/.test(key) ? classesOf(record.product)[key - 1] : undefined;
    if (known) choose(known);
    else if (key === "enter" || key === "c") confirm();
    else if (key === "g") good();
    else if (key === "n") note.focus();
    else return false;
    return true;
  }

  return { element, note, show, press };
}
