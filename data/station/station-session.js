// Signing in where the station has tokens; a name where it has none.

import { session, signIn } from "./station-api.js";
import { h, labelled } from "./station-dom.js";
import { t } from "./station-text.js";
import { clearNotice, reportProblem } from "./station-parts.js";

export function makeSignIn(onDone) {
  const token = h("input", { type: "password", name: "token", required: true, maxlength: 200, autocomplete: "current-password" });
  const wrong = h("p", { class: "wrong", role: "alert" });
  const button = h("button", { class: "main" }, t("session.in"));

  async function submit(event) {
    event.preventDefault();
    button.disabled = true;
    wrong.textContent = "";
    try {
      await signIn(token.value.trim());
      clearNotice();
      onDone();
    } catch (error) {
      if (error.status === 401) wrong.textContent = t("session.wrong");
      else reportProblem(error);
      token.select();
    } finally {
      button.disabled = false;
    }
  }

  // Whoever is signed in with a token that may not look needs another one.
  const explanation = session.role === "line" ? t("session.line", { name: session.name }) : t("session.explain");
  const element = h("form", { class: "panel sign-in", onsubmit: submit },
    h("h1", {}, t("view.sign-in")), h("p", {}, explanation), labelled(t("session.token"), token), wrong, button);
  return { element, focus: () => token.focus() };
}

export const renamed = new EventTarget();

export function storedName() {
  return localStorage.getItem("velm-who");
}

// The name, or null where the question was waved away.
export function askName() {
  return new Promise((resolve) => {
    const name = h("input", { name: "who", required: true, maxlength: 200, autocomplete: "name", value: storedName() ?? "" });
    const dialog = h("dialog", { "aria-label": t("who.title"), onclose: finish },
      h("form", { method: "dialog" },
        h("p", {}, t("who.explain")),
        labelled(t("who.title"), name),
        h("div", { class: "row" },
          h("button", { class: "main", value: "save" }, t("save")),
          h("button", { type: "button", onclick: () => dialog.close() }, t("cancel")))));

    function finish() {
      dialog.remove();
      const given = name.value.trim();
      if (dialog.returnValue !== "save" || given === "") return resolve(null);
      localStorage.setItem("velm-who", given);
      renamed.dispatchEvent(new Event("renamed"));
      resolve(given);
    }

    document.body.append(dialog);
    dialog.showModal();
  });
}
