"use strict";

// Cards are made when they come into view: a page of 20,000 images opens as fast as one of 20.
const CHUNK = 60;
const FIRST_ERRORS = 100;
const WORST_FIRST = ["defect", "review", "negligible", "normal"];

const $ = (selector) => document.querySelector(selector);
const controls = $(".controls");
const cards = $("#cards");
const more = $("#more");

const records = [];
const errors = [];
for (const script of document.querySelectorAll("script.record")) {
  const record = JSON.parse(script.textContent);
  if (record.failure !== undefined) {
    errors.push(record);
    continue;
  }
  record.order = records.length;
  record.pictures = script.nextElementSibling;
  record.search = `${record.folder}/${record.name}`.toLowerCase();
  records.push(record);
}

const compareNames = new Intl.Collator(undefined, { numeric: true }).compare;
const score = (record) => record.score ?? -Infinity;
const byScore = (a, b) => score(b) - score(a) || a.order - b.order || 0;
const orders = {
  "score-down": byScore,
  "score-up": (a, b) => byScore(b, a),
  decision: (a, b) => WORST_FIRST.indexOf(a.decision) - WORST_FIRST.indexOf(b.decision) || byScore(a, b),
  class: (a, b) => compareNames(a.class, b.class) || byScore(a, b),
  name: (a, b) => compareNames(a.name, b.name) || compareNames(a.folder, b.folder) || a.order - b.order,
  order: (a, b) => a.order - b.order,
};

let shown = [];
let drawn = 0;

function figure(value) {
  return value === null || value === undefined ? "none" : String(Number(value.toPrecision(4)));
}

function fillPictures(card, record) {
  const [contour, heatmap] = record.pictures.textContent.split(" ");
  for (const [name, data, what] of [["contour", contour, "with its regions outlined"], ["heatmap", heatmap, "with its scores as colours"]]) {
    const image = card.querySelector(`.${name}`);
    if (data) {
      image.src = `data:image/jpeg;base64,${data}`;
      image.alt = `${record.name}, ${what}`;
    } else {
      image.remove();
    }
  }
}

function addFact(list, term, value, className) {
  if (value === null || value === undefined || value === "") return;
  const dt = document.createElement("dt");
  const dd = document.createElement("dd");
  dt.textContent = term;
  dd.textContent = value;
  if (className) dd.className = className;
  list.append(dt, dd);
}

function fillLink(link, record) {
  link.textContent = record.name;
  if (record.uri) link.href = record.uri;
  link.title = `${record.folder}/${record.name}`;
}

function makeCard(record) {
  const card = $("#card").content.firstElementChild.cloneNode(true);
  const part = (name) => card.querySelector(`.${name}`);
  card.classList.add(record.decision);
  fillPictures(card, record);
  fillLink(part("name"), record);
  part("folder").textContent = record.folder;
  part("decision").textContent = record.decision;
  part("class").textContent = record.class === "good" ? "" : record.class;
  part("confidence").textContent = typeof record.confidence === "number" && record.class !== "good"
    ? `${Math.round(record.confidence * 100)} %` : "";
  const ratio = record.threshold > 0 ? Math.max(0, record.score / record.threshold / 2) : 0;
  card.querySelector(".meter span").style.width = `${Math.min(100, ratio * 100)}%`;
  part("meter").hidden = !(record.threshold > 0);
  part("figures").textContent = `score ${figure(record.score)}, threshold ${figure(record.threshold)}`;
  const list = card.querySelector("dl");
  addFact(list, "Action", record.action);
  addFact(list, "Severity", record.severity);
  addFact(list, "Label", record.agrees === false ? `${record.label} (differs)` : record.label, record.agrees === false ? "wrong" : "");
  addFact(list, "Rule", record.rule);
  addFact(list, "Reason", record.reason);
  addFact(list, "Problem", record.problem, "wrong");
  addFact(list, "Regions", record.regions || "");
  return card;
}

function drawMore() {
  const chunk = document.createDocumentFragment();
  for (const end = Math.min(drawn + CHUNK, shown.length); drawn < end; drawn++) chunk.append(makeCard(shown[drawn]));
  cards.append(chunk);
  more.hidden = drawn >= shown.length;
}

function matches(record, wanted) {
  if (wanted.decision && record.decision !== wanted.decision) return false;
  if (wanted.class && record.class !== wanted.class) return false;
  if (wanted.label && record.agrees !== (wanted.label === "agrees")) return false;
  return !wanted.name || record.search.includes(wanted.name);
}

function markTotals(decision) {
  for (const total of document.querySelectorAll(".total"))
    total.setAttribute("aria-pressed", String(total.dataset.decision === (decision || "all")));
}

function redraw() {
  const field = controls.elements;
  const wanted = {
    decision: field.decision.value,
    class: field.class.value,
    label: field.label.value,
    name: field.name.value.trim().toLowerCase(),
  };
  shown = records.filter((record) => matches(record, wanted)).sort(orders[field.sort.value]);
  markTotals(wanted.decision);
  $("#shown").textContent = shown.length === records.length
    ? `${records.length} inspected` : `${shown.length} of ${records.length} inspected`;
  cards.dataset.pictures = field.pictures.value;
  cards.replaceChildren();
  drawn = 0;
  drawMore();
}

function fillClasses() {
  const names = [...new Set(records.map((record) => record.class))].sort(compareNames);
  for (const name of names) controls.elements.class.add(new Option(name, name));
  $("#label-control").hidden = !records.some((record) => record.label !== undefined);
}

function drawErrors(list) {
  const body = $("#errors tbody");
  for (const record of list) {
    const row = body.insertRow();
    const link = document.createElement("a");
    fillLink(link, record);
    row.insertCell().append(link);
    row.insertCell().textContent = record.failure;
  }
}

function showErrors() {
  $("#errors").hidden = errors.length === 0;
  $(".total.errors").disabled = errors.length === 0;
  drawErrors(errors.slice(0, FIRST_ERRORS));
  const button = $("#more-errors");
  button.hidden = errors.length <= FIRST_ERRORS;
  button.textContent = `Show all ${errors.length}`;
  button.addEventListener("click", () => {
    button.hidden = true;
    drawErrors(errors.slice(FIRST_ERRORS));
  });
}

function pressTotal(event) {
  const decision = event.currentTarget.dataset.decision;
  if (decision === "errors") {
    $("#errors").scrollIntoView();
    return;
  }
  controls.elements.decision.value = decision === "all" ? "" : decision;
  redraw();
}

for (const total of document.querySelectorAll(".total")) total.addEventListener("click", pressTotal);
controls.addEventListener("submit", (event) => event.preventDefault());
controls.addEventListener("change", (event) => {
  if (event.target.name === "pictures") cards.dataset.pictures = event.target.value;
  else redraw();
});
let typing = 0;
controls.elements.name.addEventListener("input", () => {
  clearTimeout(typing);
  typing = setTimeout(redraw, 150);
});
more.addEventListener("click", drawMore);
new IntersectionObserver((entries) => {
  if (entries.some((entry) => entry.isIntersecting)) drawMore();
}, { rootMargin: "800px" }).observe(more);

fillClasses();
showErrors();
redraw();
