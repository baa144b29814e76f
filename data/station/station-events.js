// What the station says by itself. One stream serves all views: a browser keeps only six connections to a server.

import { askReadiness, doubtSession } from "./station-api.js";

const CHECK_MS = 10000;
const RETRY_MS = 3000;

// Sends "record" and "review" with the summary as detail, "job" with the job, "station" when the readiness changes, "connection" when the
// connection does, and "caught-up" when records may have been missed and should be asked for.
export const feed = new EventTarget();
export const station = { connection: "connecting", lostAt: null, readiness: null };

// Has a view hear what it names, [[event, handle], …], and the keys where it takes any. Returns what ends that when one leaves it.
export function hear(watched, press) {
  for (const [name, handle] of watched) feed.addEventListener(name, handle);
  if (press) document.addEventListener("keydown", press);
  return () => {
    for (const [name, handle] of watched) feed.removeEventListener(name, handle);
    if (press) document.removeEventListener("keydown", press);
  };
}

let source = null;
let retry = 0;

function tell(name, detail) {
  feed.dispatchEvent(new CustomEvent(name, { detail }));
}

function setConnection(state) {
  if (state === station.connection) return;
  // Of a connection that comes and goes, the first loss says since when the page is old.
  if (state === "lost") station.lostAt = new Date();
  if (state === "open" && station.connection === "lost") tell("caught-up");
  station.connection = state;
  tell("connection");
}

function setReadiness(readiness) {
  station.readiness = readiness;
  tell("station");
}

function listen(name, handle) {
  source.addEventListener(name, ({ data }) => {
    try {
      handle(JSON.parse(data));
    } catch {
      // An event that cannot be read is one that was missed.
      tell("caught-up");
    }
  });
}

function open() {
  clearTimeout(retry);
  source?.close();
  source = new EventSource("/v1/events");
  source.addEventListener("open", () => setConnection("open"));
  source.addEventListener("error", () => {
    setConnection("lost");
    // The browser comes back by itself, unless the station answered with an error.
    if (source.readyState !== EventSource.CLOSED) return;
    retry = setTimeout(open, RETRY_MS);
    doubtSession();
  });
  listen("record", (summary) => tell("record", summary));
  listen("review", (summary) => tell("review", summary));
  listen("job", (job) => tell("job", job));
  listen("station", setReadiness);
}

// A network that is gone does not close the stream, so the station is asked now and then whether it is there.
async function check() {
  try {
    setReadiness(await askReadiness());
    if (source === null) setConnection("connecting");
    // A stream from before the loss may look open and be dead.
    else if (station.connection === "lost") open();
  } catch {
    setConnection("lost");
  }
}

// The state is everybody's to see, the stream only theirs who may look at records.
export function watch() {
  check();
  setInterval(check, CHECK_MS);
}

export function connect() {
  if (source === null) open();
}

export function disconnect() {
  clearTimeout(retry);
  source?.close();
  source = null;
  station.connection = "connecting";
}

addEventListener("offline", () => source && setConnection("lost"));
addEventListener("online", () => source && open());
