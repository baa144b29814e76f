// The station's HTTP API, its problems, and who is asking.

import { t } from "./station-text.js";

const PATIENCE_MS = 30000;
const READINESS_PATIENCE_MS = 5000;
const ROLES = ["line", "operator", "engineer"];

export const session = { role: null, name: null, tokens: false };
export const doubts = new EventTarget();

export class Problem extends Error {
  constructor(title, detail = "", status = 0) {
    super(title);
    this.title = title;
    this.detail = detail;
    this.status = status;
  }
}

function queryOf(query) {
  const known = Object.entries(query).filter(([, value]) => value !== null && value !== undefined && value !== "");
  return known.length > 0 ? `?${new URLSearchParams(known)}` : "";
}

async function problemOf(response) {
  try {
    const { title, detail } = await response.json();
    return new Problem(String(title), detail === undefined ? "" : String(detail), response.status);
  } catch {
    return new Problem(`${response.status} ${response.statusText}`, "", response.status);
  }
}

async function send(path, { method = "GET", query = {}, body, patience = PATIENCE_MS } = {}) {
  try {
    return await fetch(path + queryOf(query), {
      method,
      headers: body === undefined ? {} : { "Content-Type": "application/json" },
      body: body === undefined ? undefined : JSON.stringify(body),
      signal: AbortSignal.timeout(patience),
    });
  } catch (error) {
    if (error.name === "TimeoutError") throw new Problem(t("problem.slow"));
    throw new Problem(t("problem.unreachable"), t("problem.unreachable-detail"));
  }
}

// The cookie may have ended, or the station was given tokens meanwhile.
export function doubtSession() {
  doubts.dispatchEvent(new Event("doubt"));
}

export async function ask(path, options) {
  const response = await send(path, options);
  if (!response.ok) {
    const problem = await problemOf(response);
    if (response.status === 401 && path !== "/v1/session") doubtSession();
    throw problem;
  }
  if (response.status === 202 || response.status === 204) return null;
  try {
    return await response.json();
  } catch {
    throw new Problem(t("problem.odd"));
  }
}

// Not ready is an answer here, not a problem.
export async function askReadiness() {
  const response = await send("/readyz", { patience: READINESS_PATIENCE_MS });
  if (!response.ok && response.status !== 503) throw await problemOf(response);
  return response.json();
}

export function may(role) {
  if (!session.tokens) return true;
  return ROLES.indexOf(session.role) >= ROLES.indexOf(role);
}

export async function askSession() {
  Object.assign(session, await ask("/v1/session"));
}

export async function signIn(token) {
  Object.assign(session, await ask("/v1/session", { method: "POST", body: { token } }));
}

export async function signOut() {
  await ask("/v1/session", { method: "DELETE" });
  await askSession();
}

export function pictureUrl(id, view, size) {
  return `/v1/records/${id}/picture${queryOf({ view, size })}`;
}

export function exportUrl(query) {
  return `/v1/records/export${queryOf(query)}`;
}

let products = [];
let asked = 0;
let answered = 0;

export async function loadProducts() {
  const question = ++asked;
  const answer = await ask("/v1/products");
  // One that a later answer has overtaken is old.
  if (question > answered) {
    answered = question;
    ({ products } = answer);
  }
  return products;
}

export function knownProducts() {
  return products;
}

export function classesOf(product) {
  return products.find(({ name }) => name === product)?.classes ?? [];
}
