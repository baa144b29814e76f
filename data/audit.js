"use strict";

// Cards are made when they come into view, as in the report: a page of thousands opens at once.
const CHUNK = 40;

const $ = (selector) => document.querySelector(selector);
const controls = $(".controls");
const cards = $("#findings");
const more = $("#more");

const findings = [...document.querySelectorAll("script.finding")].map((script) => JSON.parse(script.textContent));
for (const finding of findings)
  finding.search = [finding.path, ...finding.rows.flatMap((row) => row.images.map((image) => image.path))].join("\n").toLowerCase();

const title = (kind) => kind.replaceAll("_", " ");
const kinds = [...new Set(findings.map((finding) => finding.kind))]; // sorted by velm, worst first
const classes = [...new Set(findings.flatMap((finding) => [finding.label, finding.other]).filter((name) => name !== null))].sort();

let shown = [];
let drawn = 0;

function makeImage(image) {
  const figure = $("#image").content.firstElementChild.cloneNode(true);
  const link = figure.querySelector("a");
  const picture = figure.querySelector("img");
  const data = image.picture < 0 ? null : document.getElementById(`p${image.picture}`);
  if (image.uri) link.href = image.uri;
  if (data) {
    picture.src = `data:image/jpeg;base64,${data.textContent}`;
    picture.alt = image.path;
  } else {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "no picture";
    picture.replaceWith(none);
  }
  figure.querySelector("figcaption").textContent = image.path;
  return figure;
}

function makeRow(row, first) {
  const section = $("#row").content.firstElementChild.cloneNode(true);
  if (first) section.classList.add("subject");
  const n = row.images.length;
  const count = row.more > 0 ? `${n} of ${n + row.more}` : "";
  section.querySelector("h4").textContent = [row.title, count].filter((text) => text).join(", ");
  section.querySelector(".images").append(...row.images.map(makeImage));
  return section;
}

function makeCard(finding) {
  const card = $("#card").content.firstElementChild.cloneNode(true);
  const part = (name) => card.querySelector(`.${name}`);
  const doubted = finding.kind === "suspect_label" || finding.kind === "leak";
  part("kind").textContent = title(finding.kind);
  part("labels").textContent = [finding.label, finding.other].filter((name) => name !== null)
    .join(finding.kind === "suspect_label" ? " \u2192 " : ", ");
  part("score").textContent = finding.score === null ? "" : `score ${Number(finding.score.toPrecision(3))}`;
  part("message").textContent = finding.message;
  part("folder").textContent = finding.path ?? "";
  part("rows").append(...finding.rows.map((row, i) => makeRow(row, doubted && i === 0)));
  if (!finding.pictured) {
    const none = document.createElement("p");
    none.className = "none";
    none.textContent = "Only the first hundred findings of a kind have pictures.";
    part("rows").append(none);
  }
  return card;
}

function drawMore() {
  const chunk = document.createDocumentFragment();
  for (const end = Math.min(drawn + CHUNK, shown.length); drawn < end; drawn++) chunk.append(makeCard(shown[drawn]));
  cards.append(chunk);
  more.hidden = drawn >= shown.length;
}

function matches(finding, wanted) {
  if (wanted.kind && finding.kind !== wanted.kind) return false;
  if (wanted.class && finding.label !== wanted.class && finding.other !== wanted.class) return false;
  return !wanted.path || finding.search.includes(wanted.path);
}

function redraw() {
  const field = controls.elements;
  const wanted = { kind: field.kind.value, class: field.class.value, path: field.path.value.trim().toLowerCase() };
  shown = findings.filter((finding) => matches(finding, wanted));
  for (const total of document.querySelectorAll(".total"))
    total.setAttribute("aria-pressed", String(total.dataset.kind === wanted.kind));
  $("#shown").textContent = findings.length === 0 ? "Nothing was found."
    : shown.length === findings.length ? `${findings.length} findings` : `${shown.length} of ${findings.length} findings`;
  cards.replaceChildren();
  drawn = 0;
  drawMore();
}

function addTotal(kind, name, count) {
  const button = document.createElement("button");
  const number = document.createElement("span");
  const label = document.createElement("span");
  button.type = "button";
  button.className = count > 0 && kind ? "total some" : "total";
  button.dataset.kind = kind;
  number.className = "count";
  number.textContent = count;
  label.className = "name";
  label.textContent = name;
  button.append(number, " ", label);
  button.addEventListener("click", () => {
    controls.elements.kind.value = kind;
    redraw();
  });
  $(".totals").append(button);
}

addTotal("", "findings", findings.length);
for (const kind of kinds) {
  addTotal(kind, title(kind), findings.filter((finding) => finding.kind === kind).length);
  controls.elements.kind.add(new Option(title(kind), kind));
}
for (const name of classes) controls.elements.class.add(new Option(name, name));

controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", redraw);
let typing = 0;
controls.elements.path.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(redraw, 150);
});
more.addEventListener("click", drawMore);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) drawMore();
}, { rootMargin: "800px" }).observe(more);

redraw();
