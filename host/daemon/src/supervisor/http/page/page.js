// The status page: what /events says, drawn. It only looks.
//
// Everything it is told may come from a module or from the network: it becomes text (`textContent`), never markup.

"use strict";

const HOUR_MS = 3_600_000;
const ENTRIES_SHOWN = 25;
const SVG = "http://www.w3.org/2000/svg";

// What a word means to somebody who is on call.
const TONES = new Map([
  ["MASTER", "good"], ["BACKUP", "calm"], ["FAULT", "bad"], ["INIT", "odd"],
  ["up", "good"], ["down", "bad"], ["unknown", "odd"], ["pending", "none"],
  ["passing", "good"], ["warning", "odd"], ["failing", "bad"], ["error", "bad"], ["none", "none"],
]);
const LEGEND = [
  ["good", "MASTER, up"], ["calm", "BACKUP"], ["bad", "FAULT, down"], ["odd", "INIT, unknown"], ["none", "pending"],
];

const model = {
  status: null,
  nodes: [],
  timeline: { since: Date.now(), entries: [] },
  // Added to this browser's clock, it is the daemon's.
  ahead: 0,
};

const now = () => Date.now() + model.ahead;
const tone = (word) => TONES.get(word) ?? "none";
const byId = (id) => document.getElementById(id);

/** An element with properties and children; a child that is no element becomes text. */
function make(name, properties = {}, ...children) {
  const element = document.createElement(name);
  for (const [key, value] of Object.entries(properties)) {
    if (key === "label") element.dataset.label = value;
    else element[key] = value;
  }
  element.append(...children.filter((child) => child !== null && child !== undefined));
  return element;
}

/** An SVG element with attributes and children. */
function draw(name, attributes, ...children) {
  const element = document.createElementNS(SVG, name);
  for (const [key, value] of Object.entries(attributes)) element.setAttribute(key, value);
  element.append(...children);
  return element;
}

const badge = (word) => make("span", { className: `badge ${tone(word)}` }, word);

function clock(milliseconds) {
  return new Date(milliseconds - model.ahead).toLocaleTimeString([], { hour12: false });
}

/** How long ago, in the unit that matters. */
function age(milliseconds) {
  const seconds = Math.max(0, Math.floor((now() - milliseconds) / 1000));
  if (seconds < 60) return `${seconds} s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)} min`;
  if (seconds < 86_400) return `${Math.floor(seconds / 3600)} h ${Math.floor((seconds % 3600) / 60)} min`;
  return `${Math.floor(seconds / 86_400)} d ${Math.floor((seconds % 86_400) / 3600)} h`;
}

/** A time of the status with its age, kept right by `refreshAges`. */
function since(text) {
  if (!text) return make("span", { className: "faint" }, "never");
  const at = Date.parse(text);
  const element = make("time", { dateTime: text, title: new Date(at - model.ahead).toLocaleString() }, age(at));
  element.dataset.at = String(at);
  return element;
}

function refreshAges() {
  for (const element of document.querySelectorAll("time[data-at]")) {
    element.textContent = age(Number(element.dataset.at));
  }
}

function duration(microseconds) {
  if (microseconds < 1000) return `${microseconds} µs`;
  if (microseconds < 1_000_000) return `${(microseconds / 1000).toFixed(1)} ms`;
  return `${(microseconds / 1_000_000).toFixed(2)} s`;
}

/** The name of the node with an address, and the address. */
function who(address) {
  const node = model.nodes.find((node) => node.address === address);
  return node ? `${node.name} (${address})` : address;
}

function showInstances(status) {
  const groups = Object.entries(status["sync-groups"]).map(([name, group]) => [`sync group ${name}`, group]);
  const cards = Object.entries(status.instances).map(([name, instance]) => {
    const { base, effective } = instance.priority;
    const facts = [
      ["Priority", effective === base ? `${base}` : `${effective} (${base} by the file)`],
      ["Addresses", instance["virtual-addresses"].join(", ") || "none"],
      ["On", `${instance.interface}, VRID ${instance["virtual-router-id"]}, version ${instance.version}`],
    ];
    if (instance.master && instance.state !== "MASTER") {
      facts.push(["MASTER", `${who(instance.master.address)}, priority ${instance.master.priority}`]);
    }
    const tracked = Object.entries({ ...instance.tracks, ...instance.interfaces });
    if (tracked.length > 0) {
      const words = tracked.map(([what, track]) => {
        const weight = track.weight === 0 ? "" : ` (${track.weight > 0 ? "+" : "−"}${Math.abs(track.weight)})`;
        return `${what} ${track.standing}${weight}`;
      });
      facts.push(["Tracks", words.join(", ")]);
    }
    const drained = instance.drained ? badge("drained") : null;
    return card(name, instance, facts, drained);
  });
  for (const [name, group] of groups) cards.push(card(name, group, [["Members", group.members.join(", ")]], null));
  byId("instances").replaceChildren(...cards);
  const states = Object.values(status.instances).map((instance) => instance.state);
  const worst = ["FAULT", "INIT", "MASTER", "BACKUP"].find((state) => states.includes(state));
  document.title = `${worst ? `${worst} · ` : ""}${status.node} · vrrp-host`;
}

function card(name, subject, facts, more) {
  const list = make("dl");
  for (const [term, text] of facts) list.append(make("dt", {}, term), make("dd", {}, text));
  list.append(make("dt", {}, "Since"), make("dd", {}, since(subject.since)));
  const top = make("div", { className: "top" }, make("h3", {}, name), more, badge(subject.state));
  const reason = make("p", { className: "reason" }, subject.reason);
  return make("article", { className: `card ${tone(subject.state)}` }, top, reason, list);
}

function showNodes(status) {
  byId("nodes-section").hidden = model.nodes.length === 0;
  const instances = Object.entries(status.instances);
  const cards = model.nodes.map((node) => {
    const isThis = node.name === status.node;
    const holds = instances.filter(([, instance]) =>
      isThis ? instance.state === "MASTER" : instance.state !== "MASTER" && instance.master?.address === node.address && node.address);
    const names = holds.map(([name]) => name);
    const has = names.length > 0 ? `MASTER of ${names.join(", ")}` : "MASTER of nothing";
    const top = make("div", { className: "top" }, make("h3", {}, node.name), isThis ? make("span", { className: "faint" }, "this node") : null);
    const address = make("p", { className: "faint" }, node.address ?? "no address in the file");
    return make("article", { className: `card ${names.length > 0 ? "good" : "none"}` }, top, address, make("p", {}, has));
  });
  byId("nodes").replaceChildren(...cards);
}

const cell = (label, className, ...children) => make("td", { label, className }, make("div", {}, ...children));

function showChecks(status) {
  const checks = Object.entries(status.checks);
  byId("checks-section").hidden = checks.length === 0;
  const rows = checks.map(([name, check]) => {
    const { progress } = check;
    const towards = progress ? make("div", { className: "faint" }, `${progress.count} of ${progress.needed} towards ${progress.towards}`) : null;
    return make("tr", {},
      make("th", { scope: "row" }, name),
      cell("Verdict", "", badge(check.verdict)),
      cell("Counts as", "", badge(check.standing), towards),
      cell("Reason", "reason", check.summary || "—"),
      cell("Since", "time", since(check.since)),
      cell("Runs", "number", String(check.runs)),
      cell("Errors", "number", String(check.errors)),
      cell("Last run", "number", duration(check["last-run-us"])));
  });
  byId("checks").replaceChildren(...rows);
}

function showHooks(status) {
  const hooks = Object.entries(status.hooks);
  byId("hooks-section").hidden = hooks.length === 0;
  const rows = hooks.map(([name, hook]) => {
    const result = hook["last-result"];
    return make("tr", {},
      make("th", { scope: "row" }, name),
      cell("Last result", "reason", result === "done" ? make("span", { className: "badge good" }, "done") : result ?? "not called yet"),
      cell("For", "", hook["last-subject"] ?? "—"),
      cell("When", "time", since(hook["last-at"])),
      cell("Calls", "number", String(hook.runs)),
      cell("Failed", "number", String(hook.errors)),
      cell("Superseded", "number", String(hook.superseded)),
      cell("Pending", "number", String(hook.pending)));
  });
  byId("hooks").replaceChildren(...rows);
}

/** The lanes of the picture: what there is now, with its state. */
function lanes(status) {
  const of = (kind, subjects, word) => Object.entries(subjects).map(([name, subject]) => ({ kind, name, now: subject[word] }));
  return [
    ...of("sync-group", status["sync-groups"], "state"),
    ...of("instance", status.instances, "state"),
    ...of("check", status.checks, "standing"),
  ];
}

/** The stretches of a lane within the last hour, each with what it is and why. */
function stretches(lane, from, to) {
  const entries = model.timeline.entries.filter((entry) => entry.kind === lane.kind && entry.name === lane.name && entry.at <= to);
  const begin = Math.max(from, model.timeline.since);
  const result = [];
  let at = begin;
  let word = entries.length > 0 ? entries[0].before : lane.now;
  let why = "";
  for (const entry of entries) {
    if (entry.at > at) result.push({ from: at, to: entry.at, word, why });
    at = Math.max(begin, entry.at);
    word = entry.after;
    why = entry.reason;
  }
  result.push({ from: at, to, word, why });
  return result;
}

function showTimeline() {
  const { status } = model;
  if (!status) return;
  const picture = byId("picture");
  const width = Math.max(280, picture.clientWidth);
  const narrow = width < 560;
  const left = narrow ? 0 : 150;
  const laneHeight = narrow ? 40 : 28;
  const bar = 18;
  const list = lanes(status);
  const height = list.length * laneHeight + 24;
  const to = now();
  const from = to - HOUR_MS;
  const x = (at) => left + ((at - from) / HOUR_MS) * (width - left);
  const changes = model.timeline.entries.length;
  const svg = draw("svg", { viewBox: `0 0 ${width} ${height}`, role: "img", "aria-label": `What ${list.length} instances, groups and checks were in the last hour; ${changes} changes, listed below` });
  for (let minutes = 60; minutes >= 0; minutes -= narrow ? 20 : 10) {
    const at = x(to - minutes * 60_000);
    svg.append(draw("line", { class: "grid", x1: at, x2: at, y1: 0, y2: height - 20 }));
    const anchor = minutes === 60 ? "start" : minutes === 0 ? "end" : "middle";
    svg.append(draw("text", { class: "axis", x: at, y: height - 5, "text-anchor": anchor }, minutes === 0 ? "now" : `−${minutes} min`));
  }
  list.forEach((lane, index) => {
    const top = index * laneHeight + (narrow ? 18 : 5);
    const label = draw("text", narrow ? { x: 0, y: top - 5 } : { x: 0, y: top + 13 });
    if (lane.kind !== "check") label.classList.add("major");
    const most = narrow ? 40 : 20;
    label.textContent = lane.name.length > most ? `${lane.name.slice(0, most - 1)}…` : lane.name;
    const whole = draw("title", {});
    whole.textContent = `${lane.kind} ${lane.name}`;
    label.append(whole);
    svg.append(label, draw("rect", { class: "lane", x: left, y: top, width: width - left, height: bar, rx: 3 }));
    const brief = (one, other) => (other.to - other.from) - (one.to - one.from);
    for (const stretch of stretches(lane, from, to).sort(brief)) {
      const start = x(stretch.from);
      // What was over in a moment is what matters: it stays visible, before what surrounds it.
      const length = Math.max(3, x(stretch.to) - start);
      const title = draw("title", {});
      title.textContent = `${clock(stretch.from)} – ${clock(stretch.to)}  ${stretch.word}${stretch.why ? `: ${stretch.why}` : ""}`;
      svg.append(draw("rect", { class: tone(stretch.word), x: start, y: top, width: length, height: bar, rx: 2 }, title));
      if (length > 8 * stretch.word.length + 8) {
        const text = draw("text", { class: "inside", x: start + 6, y: top + 13 });
        text.textContent = stretch.word;
        svg.append(text);
      }
    }
  });
  picture.replaceChildren(svg);
}

function showEntries() {
  const latest = model.timeline.entries.slice(-ENTRIES_SHOWN).reverse();
  byId("entries-section").hidden = latest.length === 0;
  const rows = latest.map((entry) => make("tr", {},
    cell("Time", "time", make("time", { dateTime: new Date(entry.at).toISOString() }, clock(entry.at))),
    cell("What", "", entry.kind === "instance" ? entry.name : `${entry.kind.replace("-", " ")} ${entry.name}`),
    cell("Change", "time", `${entry.before} → `, badge(entry.after)),
    cell("Reason", "reason", entry.reason)));
  byId("entries").replaceChildren(...rows);
}

function show() {
  const { status } = model;
  if (!status) return;
  byId("node").textContent = status.node;
  byId("version").textContent = `vrrp-host ${status.version}`;
  showInstances(status);
  showNodes(status);
  showChecks(status);
  showHooks(status);
  showTimeline();
  showEntries();
}

function connection(text, className) {
  const element = byId("connection");
  element.textContent = text;
  element.className = `connection ${className}`;
  document.body.classList.toggle("stale", className === "lost");
}

function watch() {
  const events = new EventSource("events");
  events.onopen = () => connection("live", "live");
  events.onerror = () => {
    connection("no connection: this is what was last known", "lost");
    // A refusal ends it, as while too many watch.
    if (events.readyState === EventSource.CLOSED) setTimeout(watch, 2000);
  };
  const on = (name, take) => events.addEventListener(name, (event) => {
    take(JSON.parse(event.data));
    show();
  });
  on("status", (status) => { model.status = status; });
  on("nodes", (nodes) => { model.nodes = nodes; });
  on("timeline", (timeline) => {
    model.ahead = timeline.now - Date.now();
    model.timeline = timeline;
  });
  on("entry", (entry) => {
    const start = now() - HOUR_MS;
    model.timeline.entries = model.timeline.entries.filter((entry) => entry.at >= start);
    model.timeline.entries.push(entry);
  });
}

for (const [className, text] of LEGEND) byId("legend").append(make("span", { className }, text));
addEventListener("resize", showTimeline);
setInterval(refreshAges, 1000);
// Seldom, so that what is being pointed at keeps its explanation.
setInterval(showTimeline, 10_000);
watch();
