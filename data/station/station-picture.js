// The image of a record, with the heatmap faded over it and its regions outlined.

import { pictureUrl } from "./station-api.js";
import { h } from "./station-dom.js";
import { t } from "./station-text.js";

const SIZES = [512, 1024, 2048];

// How a person likes to look at images is the same in all views.
const wishes = { heat: Number(localStorage.getItem("velm-heat") ?? 0), outline: localStorage.getItem("velm-outline") !== "no" };

// A few sizes, so that the browser has most pictures already.
function sizeFor(element) {
  const wanted = Math.max(element.clientWidth, element.clientHeight) * devicePixelRatio;
  return SIZES.find((size) => size >= wanted * 0.8) ?? SIZES.at(-1);
}

async function load(url) {
  const image = new Image();
  image.src = url;
  await image.decode();
  return image;
}

export function makeViewer() {
  let record = null;
  let turn = 0;
  const kept = new Map();

  const base = h("div", { class: "layer" });
  const heat = h("div", { class: "layer" });
  const stage = h("div", { class: "stage" }, base, heat);
  const slider = h("input", { type: "range", min: 0, max: 100, step: 1, value: wishes.heat, oninput: fade });
  const outline = h("button", { type: "button", "aria-pressed": String(wishes.outline), onclick: toggle }, t("picture.outline"));
  const original = h("a", { target: "_blank", rel: "noopener" }, t("picture.original"));
  const element = h("figure", { class: "viewer" }, stage, h("div", { class: "viewer-controls" },
    h("label", { class: "fader" }, h("span", {}, t("picture.heatmap")), slider), outline, original));

  function baseUrl({ id }) {
    return pictureUrl(id, wishes.outline ? "outline" : "plain", sizeFor(stage));
  }

  function heatUrl({ id }) {
    return pictureUrl(id, "heatmap", sizeFor(stage));
  }

  // Null where it cannot be had, which may be otherwise the next time.
  function fetched(url) {
    if (!kept.has(url)) {
      kept.set(url, load(url).catch(() => {
        kept.delete(url);
        return null;
      }));
    }
    // The oldest go, for an image may take many megabytes.
    for (const old of kept.keys()) {
      if (kept.size <= 12) break;
      kept.delete(old);
    }
    return kept.get(url);
  }

  function place(layer, image, alt) {
    if (image) image.alt = alt;
    layer.replaceChildren(image ?? h("p", { class: "no-picture" }, t("picture.none")));
  }

  async function showHeat() {
    const mine = turn;
    heat.style.opacity = wishes.heat / 100;
    if (wishes.heat === 0 || heat.childElementCount > 0) return;
    const image = await fetched(heatUrl(record));
    if (mine === turn && image) place(heat, image, t("picture.alt-heatmap"));
  }

  function fade() {
    wishes.heat = slider.valueAsNumber;
    localStorage.setItem("velm-heat", wishes.heat);
    if (record) showHeat();
  }

  async function toggle() {
    wishes.outline = !wishes.outline;
    localStorage.setItem("velm-outline", wishes.outline ? "yes" : "no");
    outline.setAttribute("aria-pressed", String(wishes.outline));
    if (!record) return;
    const mine = turn;
    const image = await fetched(baseUrl(record));
    if (mine === turn) place(base, image, t("picture.alt", record));
  }

  // The image before stays, dimmed, until the next can be seen; true when it can, false when another was asked for since.
  async function show(next) {
    const mine = ++turn;
    stage.classList.add("waiting");
    const [image, heatmap] = await Promise.all([fetched(baseUrl(next)), wishes.heat > 0 ? fetched(heatUrl(next)) : null]);
    if (mine !== turn) return false;
    record = next;
    place(base, image, t("picture.alt", record));
    heat.replaceChildren();
    if (heatmap) place(heat, heatmap, t("picture.alt-heatmap"));
    showHeat();
    original.href = `/v1/records/${record.id}/image`;
    stage.classList.remove("waiting");
    return true;
  }

  function preload(next) {
    fetched(baseUrl(next));
    if (wishes.heat > 0) fetched(heatUrl(next));
  }

  return { element, show, preload };
}
