// Records that are picked in the gallery, and what is done with them.

import { h } from "./station-dom.js";
import { count, t } from "./station-text.js";
import { teachClass } from "./station-teach.js";

// show() is called when picks have changed all at once; everything() gives the records that are shown.
export function makePicks({ show, everything, end }) {
  const picked = new Map();
  const number = h("strong", {});
  const mixed = h("span", {});
  const teach = h("button", { type: "button", class: "main", onclick: teachPicked }, t("picks.teach"));
  const none = h("button", { type: "button", onclick: clear }, t("picks.none"));
  const element = h("section", { class: "panel picks", "aria-label": t("picks.title"), hidden: true },
    h("div", { class: "row" }, h("p", { role: "status" }, number, " ", mixed), teach,
      h("button", { type: "button", onclick: pickAll }, t("picks.all")), none,
      h("button", { type: "button", onclick: end }, t("picks.done"))),
    h("p", { class: "soft keys" }, t("picks.hint")));

  function draw() {
    const products = Array.from(new Set(Array.from(picked.values(), ({ product }) => product)));
    number.textContent = t("picks.count", { count: count(picked.size) });
    mixed.textContent = products.length > 1 ? t("picks.mixed", { products: products.join(", ") }) : "";
    teach.disabled = products.length !== 1;
    none.disabled = picked.size === 0;
  }

  // Whether the record is picked now.
  function toggle(record) {
    if (!picked.delete(record.id)) picked.set(record.id, record);
    draw();
    return picked.has(record.id);
  }

  function clear() {
    picked.clear();
    draw();
    show();
  }

  function pickAll() {
    for (const record of everything()) picked.set(record.id, record);
    draw();
    show();
  }

  async function teachPicked() {
    if (await teachClass(Array.from(picked.values()))) clear();
  }

  draw();
  return { element, toggle, has: (id) => picked.has(id) };
}
