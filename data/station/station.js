// The frame of the page: head, routes, language and theme.

import { askSession, doubts, loadProducts, may, session, signOut } from "./station-api.js";
import { h, option } from "./station-dom.js";
import { connect, disconnect, feed, station, watch } from "./station-events.js";
import { clock, getLanguage, languages, setLanguage, t } from "./station-text.js";
import { clearNotice, reportProblem, word } from "./station-parts.js";
import { askName, makeSignIn, renamed, storedName } from "./station-session.js";
import { makeAudit } from "./station-audit.js";
import { makeCharts } from "./station-charts.js";
import { makeLive } from "./station-live.js";
import { makeProducts } from "./station-products.js";
import { makeRecord } from "./station-record.js";
import { makeRecords } from "./station-records.js";
import { makeReview } from "./station-review.js";

const VIEWS = {
  live: { make: makeLive, role: "operator" },
  records: { make: makeRecords, role: "operator" },
  record: { make: makeRecord, role: "operator", under: "records" },
  review: { make: makeReview, role: "operator" },
  charts: { make: makeCharts, role: "operator" },
  products: { make: makeProducts, role: "operator" },
  audit: { make: makeAudit, role: "engineer" },
};

const RETRY_MS = 5000;

const main = document.querySelector("#main");
const top = document.querySelector("header.top");
const state = h("p", { class: "station-state", role: "status" });
const dark = matchMedia("(prefers-color-scheme: dark)");
let view = null;
let shown = null;
let signingIn = false;

/* ---- theme ---- */

function isDark() {
  const stored = localStorage.getItem("velm-theme");
  return stored === null ? dark.matches : stored === "dark";
}

function setTheme() {
  document.documentElement.dataset.theme = isDark() ? "dark" : "light";
}

function switchTheme({ currentTarget }) {
  localStorage.setItem("velm-theme", isDark() ? "light" : "dark");
  setTheme();
  nameTheme(currentTarget);
}

function nameTheme(button) {
  button.textContent = t(isDark() ? "theme.light" : "theme.dark");
  button.title = t(isDark() ? "theme.to-light" : "theme.to-dark");
}

/* ---- head ---- */

function stateWords() {
  const { connection, lostAt, readiness } = station;
  if (connection === "lost") return ["failed", t("connection.lost-since", { time: clock(lostAt) })];
  if (readiness === null) return ["starting", t("state.unknown")];
  const troubled = readiness.parts.filter((part) => part.state !== "ready");
  const reasons = troubled.map(({ name, state: key, reason, since }) =>
    t("state.part", { name, reason: [reason ?? word("state", key), since && t("state.since", { time: clock(since) })].filter(Boolean).join(", ") }));
  const connected = may("operator") ? [t(`connection.${connection}`)] : [];
  return [readiness.state, [word("state", readiness.state), ...reasons, ...connected].join(" · ")];
}

function drawState() {
  const [key, words] = stateWords();
  state.className = `station-state ${key}`;
  // Said again only when it changed, for it is read aloud.
  if (state.textContent !== words) state.textContent = words;
  state.title = words;
}

function person() {
  if (session.tokens) {
    if (session.role === null) return null;
    return [h("span", { class: "soft person", title: t("session.as", { name: session.name, role: t(`role.${session.role}`) }) }, session.name),
      h("button", { type: "button", onclick: leaveSession }, t("session.out"))];
  }
  if (storedName() === null) return null;
  return h("button", { type: "button", class: "person", title: t("who.change", { name: storedName() }), onclick: askName }, storedName());
}

function drawHead() {
  document.documentElement.lang = getLanguage();
  document.querySelector(".skip").textContent = t("skip");
  document.querySelector(".skip").href = location.hash;
  const theme = h("button", { type: "button", onclick: switchTheme });
  nameTheme(theme);
  const language = h("select", { "aria-label": t("language"), onchange: ({ target }) => changeLanguage(target.value) },
    Object.entries(languages).map(([key, words]) => option(key, words, getLanguage())));
  const links = Object.entries(VIEWS).filter(([, { under, role }]) => !under && may(role)).map(([name]) =>
    h("a", { href: `#/${name}`, "data-view": name }, t(`view.${name}`)));
  top.replaceChildren(h("div", { class: "bar" }, h("a", { class: "brand", href: "#/live" }, "velm"),
    h("nav", { "aria-label": t("views") }, links), h("div", { class: "tools" }, person(), language, theme)), state);
  markPlace();
  drawState();
}

function markPlace() {
  const place = VIEWS[shown]?.under ?? shown;
  for (const link of top.querySelectorAll("nav a")) {
    if (link.dataset.view === place) link.setAttribute("aria-current", "page");
    else link.removeAttribute("aria-current");
  }
}

function changeLanguage(language) {
  setLanguage(language);
  restart();
}

/* ---- routes ---- */

function readHash() {
  const address = location.hash || "#/live";
  const [path, query = ""] = address.slice(1).split("?");
  const [name, id] = path.split("/").slice(1);
  return { address, name: name === "records" && id ? "record" : name, id, query: Object.fromEntries(new URLSearchParams(query)) };
}

function setQuery(query) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  location.hash = `#/${shown}${known.length > 0 ? `?${new URLSearchParams(known)}` : ""}`;
}

function leaveView() {
  view?.leave?.();
  view = shown = null;
}

function route() {
  const { address, name, id, query } = readHash();
  if (signingIn) return;
  const known = name in VIEWS && may(VIEWS[name].role);
  if (!known) {
    leaveView();
    clearNotice();
    main.replaceChildren(h("p", { class: "panel" }, t("not-found")));
  } else if (name !== shown) {
    leaveView();
    clearNotice();
    shown = name;
    view = VIEWS[name].make({ setQuery });
    main.replaceChildren(view.element);
    scrollTo(0, 0);
  }
  document.title = `${shown === null ? "" : `${t(`view.${shown}`, { id })} – `}${t("title")}`;
  markPlace();
  view?.update(query, address, id);
}

/* ---- session ---- */

function showSignIn() {
  signingIn = true;
  leaveView();
  disconnect();
  drawHead();
  document.title = `${t("view.sign-in")} – ${t("title")}`;
  const form = makeSignIn(restart);
  main.replaceChildren(form.element);
  form.focus();
}

async function leaveSession() {
  try {
    await signOut();
    restart();
  } catch (error) {
    reportProblem(error);
  }
}

async function restart() {
  signingIn = false;
  leaveView();
  drawHead();
  if (!may("operator")) {
    showSignIn();
    return;
  }
  connect();
  try {
    // Views need the names of the classes.
    await loadProducts();
  } catch (error) {
    reportProblem(error);
  }
  route();
}

async function start() {
  try {
    await askSession();
    restart();
  } catch (error) {
    reportProblem(error);
    setTimeout(start, RETRY_MS);
  }
}

doubts.addEventListener("doubt", async () => {
  try {
    await askSession();
    if (!may("operator") && !signingIn) showSignIn();
  } catch {
    // The station is away, which its state says already.
  }
});
renamed.addEventListener("renamed", drawHead);
feed.addEventListener("connection", drawState);
feed.addEventListener("station", drawState);
addEventListener("hashchange", route);
dark.addEventListener("change", () => {
  setTheme();
  drawHead();
});
document.querySelector(".skip").addEventListener("click", (event) => {
  // The address holds the route, so the link itself must not change it.
  event.preventDefault();
  main.focus();
});

setTheme();
drawHead();
watch();
start();
