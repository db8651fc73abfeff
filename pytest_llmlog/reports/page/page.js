"use strict";
// Whatever a model said is shown through textContent alone; nothing here makes markup out of data.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent);
const ORDER = ["changed", "missing", "new", "unchanged", "no baseline"];
const HIDDEN = /(?!\r\n)[\x00-\x08\x0b-\x1f\x7f-\x9f\u061c\u200b\u200e\u200f\u2028-\u202e\u2060-\u2069\ufeff\ufff9-\ufffb]/g;

// Control characters and bidi controls written out, as the terminal has them.
function visible(text) {
  return String(text).replace(HIDDEN, (char) => {
    const code = char.charCodeAt(0);
    return code < 256 ? `\\x${code.toString(16).padStart(2, "0")}` : `\\u${code.toString(16).padStart(4, "0")}`;
  });
}

function el(name, attributes = {}, ...children) {
  const made = document.createElement(name);
  for (const [key, value] of Object.entries(attributes)) if (value !== null && value !== undefined) made.setAttribute(key, value);
  for (const child of children.flat()) if (child !== null && child !== undefined) made.append(typeof child === "object" ? child : visible(child));
  return made;
}

// Figures

function amount(unit, value) {
  if (value === null || value === undefined) return "–";
  if (unit === "usd") return value >= 1 ? `$${value.toFixed(2)}` : `$${value.toFixed(6).replace(/\.?0+$/, "")}`;
  if (unit === "seconds") return value >= 1 ? `${value.toFixed(2)} s` : `${Math.round(value * 1000)} ms`;
  return Number(value).toLocaleString("en", { maximumFractionDigits: 2 });
}

function both(unit, before, now) {
  if (before === null || before === undefined || before === now || now === undefined) return amount(unit, now ?? before);
  const share = before ? ` (${now >= before ? "+" : ""}${Math.round((now / before - 1) * 100)} %)` : "";
  return `${amount(unit, before)} → ${amount(unit, now)}${share}`;
}

// Calls: what is shown in a row, filtered and sorted by

function texts(messages) {
  return (messages ?? []).flatMap((message) => message.parts.map(partText));
}

function partText(part) {
  const said = part.content ?? part.response ?? part.arguments ?? part.uri ?? part.file_id ?? part.blockReason;
  const text = said === undefined || said === null ? "" : typeof said === "string" ? said : JSON.stringify(said, null, 2);
  return part.type === "tool_call" ? `${part.name}(${text})` : part.type === "blob" ? `[${part.mime_type ?? part.modality ?? "data"}, not shown]` : text;
}

function promptOf(record) { return record.prompt ?? texts(record.messages).join("\n"); }
function answerOf(record) { return record.response ?? texts(record.response_messages).join("\n"); }

const calls = data.calls.map((call, order) => ({
  ...call, order, name: data.tests[call.test].id, testVerdict: data.tests[call.test].verdict,
  model: call.now.model ?? "–", template: call.now.prompt_template ?? "–", status: call.now.status,
  tokens: call.now.tokens ?? -1, cost: call.now.cost_usd ?? -1, latency: call.now.latency_seconds ?? -1, text: null,
}));
const byId = new Map(calls.map((call) => [call.id, call]));
const testNumber = new Map(data.tests.map((test, number) => [test.id, number]));

// The text that a search looks into, made once for each call; of the answer before as well.
function searched(call) {
  if (call.text === null) {
    const parts = [call.name, call.model, call.template, promptOf(call.now), answerOf(call.now), call.now.error ?? "", call.id];
    if (call.before) parts.push(answerOf(call.before), call.before.prompt ?? "");
    call.text = parts.join("\n").toLowerCase();
  }
  return call.text;
}

// A row's verdict: the test's where that fails, else the call's own.
function verdictOf(call) { return data.failing.includes(call.testVerdict) ? call.testVerdict : call.verdict; }

function tone(verdict) {
  if (data.failing.includes(verdict) || verdict === "failure") return "bad";
  return ["warned", "changed", "missing"].includes(verdict) ? "warn" : ["unchanged", "improved", "success", "passed"].includes(verdict) ? "good" : "";
}

function badge(text) { return el("span", { class: `badge ${tone(text)}` }, text); }

// State: filters live in the address, so that a view can be linked

const FILTERS = ["q", "t", "verdict", "status", "model", "template", "sort"];

function choices(id, values) {
  const count = new Map();
  for (const value of values) count.set(value, (count.get(value) ?? 0) + 1);
  const sorted = [...count].sort((one, other) => other[1] - one[1]);
  $(id).replaceChildren(el("option", { value: "" }, "all"), ...sorted.map(([value, number]) => el("option", { value }, `${value} (${number})`)));
}

choices("verdict", calls.map(verdictOf));
choices("status", calls.map((call) => call.status));
choices("model", calls.map((call) => call.model));
choices("template", calls.map((call) => call.template));

let shown = calls;
let cursor = -1;
let opener = null;

function severity(call) {
  const place = data.failing.indexOf(call.testVerdict);
  return place >= 0 ? place : data.failing.length + (call.status === "failure" ? 0 : 1 + ORDER.indexOf(call.verdict));
}

const SORTS = {
  "": (one, other) => severity(one) - severity(other) || one.order - other.order,
  order: (one, other) => (one.now.timestamp < other.now.timestamp ? -1 : one.now.timestamp > other.now.timestamp ? 1 : one.order - other.order),
  latency: (one, other) => other.latency - one.latency,
  cost: (one, other) => other.cost - one.cost,
  tokens: (one, other) => other.tokens - one.tokens,
  test: (one, other) => one.name.localeCompare(other.name) || one.order - other.order,
  model: (one, other) => one.model.localeCompare(other.model) || one.order - other.order,
};
const sorted = new Map();

function inOrder(sort) {
  if (!sorted.has(sort)) sorted.set(sort, [...calls].sort(SORTS[sort]));
  return sorted.get(sort);
}

function filter() {
  const words = $("q").value.toLowerCase().split(/\s+/).filter(Boolean);
  const test = $("t").value.toLowerCase();
  const [verdict, status, model, template] = ["verdict", "status", "model", "template"].map((id) => $(id).value);
  shown = inOrder($("sort").value).filter((call) =>
    (!verdict || verdictOf(call) === verdict) && (!status || call.status === status) && (!model || call.model === model) &&
    (!template || call.template === template) && (!test || call.name.toLowerCase().includes(test)) &&
    words.every((word) => searched(call).includes(word)));
  cursor = -1;
  $("count").textContent = shown.length === calls.length ? `${calls.length.toLocaleString("en")} calls` :
    `${shown.length.toLocaleString("en")} of ${calls.length.toLocaleString("en")} calls`;
  $("none").hidden = shown.length > 0;
  $("list").hidden = shown.length === 0;
  $("list").setAttribute("aria-rowcount", shown.length);
  draw(true);
}

function remember() {
  const said = new URLSearchParams();
  for (const id of FILTERS) if ($(id).value) said.set(id, $(id).value);
  history.replaceState(null, "", `#${said}`);
}

function reset() {
  for (const id of FILTERS) $(id).value = "";
  remember();
  filter();
  $("q").focus();
}

// The list: only the rows in sight are made

const WHOLE = 200;  // so many are made at once: they can be found with the browser's own search
const made = new Map();
let height = 0;

function measured() {
  height = parseFloat(getComputedStyle(document.documentElement).getPropertyValue("--row"));
  return height;
}

function draw(anew = false, all = false) {
  const rows = $("rows");
  if (anew) { rows.replaceChildren(); made.clear(); measured(); rows.style.height = `${shown.length * height}px`; }
  const top = rows.getBoundingClientRect().top;
  all = all || shown.length <= WHOLE;
  const first = all ? 0 : Math.max(0, Math.floor(-top / height) - 8);
  const last = all ? Math.min(shown.length, 1000) : Math.min(shown.length, Math.max(first, Math.ceil((innerHeight - top) / height)) + 8);
  for (const [place, row] of made) if (place < first || place >= last) { if (!row.contains(document.activeElement)) { row.remove(); made.delete(place); } }
  let after = null;
  for (let place = last - 1; place >= first; place--) {
    if (!made.has(place)) { const row = rowOf(place); made.set(place, row); rows.insertBefore(row, after); }
    after = made.get(place);
  }
}

function rowOf(place) {
  const call = shown[place], now = call.now, before = call.before ?? {};
  const cell = (name, ...children) => el("span", { class: name, role: "cell" }, ...children);
  const [file, ...rest] = call.name.split("::");
  const row = el("div", { class: "row", role: "row", "aria-rowindex": place + 1 },
    cell("verdict", badge(call.status === "failure" && !data.failing.includes(call.testVerdict) ? "failure" : verdictOf(call))),
    cell("what", el("a", { class: "line name", href: `#call=${encodeURIComponent(call.id)}`, "data-place": place }, rest.join("::") || file),
      el("span", { class: "line muted", dir: "auto" }, promptOf(now).slice(0, 300).replace(/\s+/g, " "))),
    cell("line muted model", call.model),
    cell("number", el("span", { class: "hidden" }, "tokens "), amount("tokens", now.tokens), el("span", { "aria-hidden": "true" }, " tok")),
    cell("number", el("span", { class: "hidden" }, "cost "), amount("usd", now.cost_usd)),
    cell("number", el("span", { class: "hidden" }, "latency "), amount("seconds", now.latency_seconds)));
  if (before.tokens !== undefined && before.tokens !== null) row.title = `tokens ${both("tokens", before.tokens, now.tokens)}`;
  row.style.top = `${place * height}px`;
  return row;
}

function move(place) {
  if (!shown.length) return;
  cursor = Math.max(0, Math.min(shown.length - 1, place));
  const top = $("rows").getBoundingClientRect().top + scrollY + cursor * height;
  const bar = getComputedStyle($("tools")).position === "sticky" ? $("tools").offsetHeight : 0;
  if (top < scrollY + bar) scrollTo(0, top - bar);
  if (top + height > scrollY + innerHeight) scrollTo(0, top + height - innerHeight);
  draw();
  made.get(cursor)?.querySelector("a").focus({ preventScroll: true });
}

// Differences inside of lines, word by word

const WORDS = /\s+|[\p{L}\p{N}_]+|[^\s]/gu;
const ROOM = 4_000_000;

function steps(before, now) {
  let start = 0, endBefore = before.length, endNow = now.length;
  while (start < endBefore && start < endNow && before[start] === now[start]) start++;
  while (endBefore > start && endNow > start && before[endBefore - 1] === now[endNow - 1]) { endBefore--; endNow--; }
  const found = before.slice(0, start).map((text) => ["=", text]);
  const old = before.slice(start, endBefore), fresh = now.slice(start, endNow);
  if (old.length * fresh.length > ROOM) found.push(...old.map((text) => ["-", text]), ...fresh.map((text) => ["+", text]));
  else found.push(...common(old, fresh));
  found.push(...before.slice(endBefore).map((text) => ["=", text]));
  return found;
}

// The longest common subsequence, by its table of lengths.
function common(old, fresh) {
  const width = fresh.length + 1, lengths = new Uint16Array((old.length + 1) * width);
  for (let one = old.length - 1; one >= 0; one--)
    for (let other = fresh.length - 1; other >= 0; other--)
      lengths[one * width + other] = old[one] === fresh[other] ? lengths[(one + 1) * width + other + 1] + 1 :
        Math.max(lengths[(one + 1) * width + other], lengths[one * width + other + 1]);
  const found = [];
  let one = 0, other = 0;
  while (one < old.length || other < fresh.length) {
    if (one < old.length && other < fresh.length && old[one] === fresh[other]) { found.push(["=", old[one++]]); other++; }
    else if (other === fresh.length || (one < old.length && lengths[(one + 1) * width + other] >= lengths[one * width + other + 1])) found.push(["-", old[one++]]);
    else found.push(["+", fresh[other++]]);
  }
  return found;
}

function differences(before, now) {
  const old = before.match(WORDS) ?? [], fresh = now.match(WORDS) ?? [];
  return old.length * fresh.length > 25 * ROOM ? steps(before.split(/(?<=\n)/), now.split(/(?<=\n)/)) : steps(old, fresh);
}

// One side of a difference: what is common, and what only this side has, marked so that it is seen without colour.
function side(found, kind) {
  const nodes = [];
  let run = "", last = "=";
  const end = () => { if (run) nodes.push(last === "=" ? visible(run) : el(last === "-" ? "del" : "ins", {}, run)); run = ""; };
  for (const [mark, text] of found) {
    if (mark !== "=" && mark !== kind) continue;
    if (mark !== last) { end(); last = mark; }
    run += text;
  }
  end();
  return nodes;
}

// The conversation

function entries(record) {
  const asked = record.messages ?? (record.prompt ? [{ role: "prompt", parts: [{ type: "text", content: record.prompt }] }] : []);
  const said = record.response_messages ?? (record.response ? [{ role: "answer", parts: [{ type: "text", content: record.response }] }] : []);
  const failed = record.error ? [{ role: "error", parts: [{ type: "text", content: record.error }] }] : [];
  const flat = [...asked, ...said, ...failed].flatMap((message) => message.parts.map((part) => ({ role: message.role, part })));
  if (record.response !== undefined && record.response_messages) flat.push({ role: "answer", part: { type: "text", content: record.response } });
  return flat;
}

function bubble(entry, content, label) {
  if (!entry) return el("div", { class: "bubble gone" }, el("span", { class: "role" }, label), el("div", {}, "nothing here"));
  const code = entry.part.type !== "text" && entry.part.type !== "reasoning";
  return el("div", { class: `bubble ${["assistant", "model", "answer"].includes(entry.role) ? "assistant" : ""}` },
    el("span", { class: "role" }, label ? `${label}: ${entry.role}` : entry.role),
    entry.part.type === "text" ? null : el("span", { class: "kind" }, entry.part.type.replaceAll("_", " ")),
    el("div", { class: `part ${code ? "code" : ""}`, dir: "auto" }, ...content));
}

function conversation(call) {
  const now = entries(call.now);
  const before = call.before ? entries({ ...call.now, ...nulled(call.before) }) : null;
  const same = before && JSON.stringify(before) === JSON.stringify(now);
  if (!before || same) return now.map((entry) => el("div", { class: "pair one" }, bubble(entry, [partText(entry.part)], "")));
  return aligned(before, now).map(([old, fresh]) => {
    const [first, second] = [old ? partText(old.part) : "", fresh ? partText(fresh.part) : ""];
    const found = old && fresh ? differences(first, second) : null;
    return el("div", { class: "pair" }, bubble(old, found ? side(found, "-") : [old ? el("del", {}, first) : ""], "Baseline"),
      bubble(fresh, found ? side(found, "+") : [fresh ? el("ins", {}, second) : ""], "Now"));
  });
}

function nulled(delta) { return Object.fromEntries(Object.entries(delta).map(([name, value]) => [name, value === null ? undefined : value])); }

// Entries beside each other: of equal roles and kinds in their order.
function aligned(before, now) {
  const key = (entry) => `${entry.role}/${entry.part.type}`;
  const marks = steps(before.map(key), now.map(key));
  let one = 0, other = 0;
  return marks.map(([mark]) => (mark === "=" ? [before[one++], now[other++]] : mark === "-" ? [before[one++], null] : [null, now[other++]]));
}

// Facts

function table(title, rows, head) {
  const told = rows.filter((row) => row.slice(1).some((value) => value !== undefined && value !== null && value !== ""));
  if (!told.length) return null;
  const cells = (row) => row.map((value, place) => el(place ? "td" : "th", place ? { dir: "auto" } : { scope: "row" }, marked(row, value, place, head)));
  return el("div", { class: "wrap" }, el("h3", {}, title), el("table", {},
    head ? el("thead", {}, el("tr", {}, head.map((name) => el("th", { scope: "col" }, name)))) : null,
    el("tbody", {}, told.map((row) => el("tr", {}, cells(row))))));
}

// Of a row with a value before and now, the two that differ are marked.
function marked(row, value, place, head) {
  const [before, now] = row.slice(1).map(shownValue);
  if (head?.[1] !== "baseline" || !place || before === now) return shownValue(value);
  return el(place === 1 ? "del" : "ins", {}, shownValue(value));
}

function shownValue(value) { return value === undefined || value === null ? "–" : typeof value === "object" ? JSON.stringify(value) : String(value); }

function compared(call, names, of = (record) => record) {
  const now = of(call.now) ?? {}, before = call.before ? of({ ...call.now, ...nulled(call.before) }) ?? {} : null;
  const keys = names ?? [...new Set([...Object.keys(now), ...Object.keys(before ?? {})])];
  const changed = before && keys.some((name) => JSON.stringify(now[name]) !== JSON.stringify(before[name]));
  return { rows: keys.map((name) => (changed ? [name.replaceAll("_", " "), before[name], now[name]] : [name.replaceAll("_", " "), now[name]])),
    head: changed ? ["", "baseline", "now"] : null };
}

const IDENTITY = ["provider", "operation", "model", "response_model", "prompt_template", "template_version", "input", "finish_reasons", "status", "error_type",
  "error_code", "http_status", "retry_after_seconds", "attempt"];
const TRACES = ["timestamp", "request_id", "response_id", "provider_request_id", "server_address", "trace_id", "span_id", "worker_id", "redacted", "truncated", "origin"];

function timing(call) {
  const now = call.now, total = now.latency_seconds;
  const when = call.source === "replay" ? "recorded" : call.source === "live" ? "measured" : "as the file tells";
  const nodes = [el("h3", {}, "Timing"), el("p", {}, `${amount("seconds", total)} ${when}` +
    (call.before && call.before.latency_seconds ? `; baseline ${amount("seconds", call.before.latency_seconds)}` : ""))];
  if (!now.stream) nodes.push(el("p", { class: "muted" }, "The answer came at once: it was no stream."));
  else if (!call.chunks?.length) nodes.push(el("p", { class: "muted" },
    `A stream; first chunk after ${amount("seconds", now.time_to_first_chunk_seconds)}. When its chunks came is in no golden and not in the log: --llmlog-wire keeps it.`));
  else nodes.push(...timeline(call, total));
  return nodes;
}

function timeline(call, total) {
  const chunks = call.chunks, first = chunks[0] / 1000, last = chunks[chunks.length - 1] / 1000, end = Math.max(total ?? 0, last) || 1;
  let pause = 0;
  for (let place = 1; place < chunks.length; place++) pause = Math.max(pause, chunks[place] - chunks[place - 1]);
  const words = `${call.count} chunks: the first after ${amount("seconds", first)}, the last after ${amount("seconds", last)}, the longest pause ${amount("seconds", pause / 1000)}`;
  const svg = (name, attributes) => {
    const node = document.createElementNS("http://www.w3.org/2000/svg", name);
    for (const [key, value] of Object.entries(attributes)) node.setAttribute(key, value);
    return node;
  };
  const at = (seconds) => `${(seconds / end) * 98 + 1}%`;
  const drawing = svg("svg", { class: "timeline", role: "img", "aria-label": words });
  drawing.append(svg("rect", { class: "wait", x: at(0), y: 8, width: `${(first / end) * 98}%`, height: 14 }),
    svg("rect", { class: "flow", x: at(first), y: 8, width: `${((end - first) / end) * 98}%`, height: 14 }));
  for (const chunk of chunks) drawing.append(svg("line", { class: "tick", x1: at(chunk / 1000), x2: at(chunk / 1000), y1: 5, y2: 25 }));
  for (const [place, anchor, text] of [["1%", "start", "sent"], ["99%", "end", amount("seconds", end)]]) {
    const label = svg("text", { x: place, y: 40, "text-anchor": anchor });
    label.textContent = text;
    drawing.append(label);
  }
  return [drawing, el("p", { class: "muted" }, `${words}.`)];
}

function against(call) {
  if (call.verdict === "new") return `New: the baseline ${data.baseline} has no such call.`;
  if (call.verdict === "missing") return `Missing: only the baseline ${data.baseline} makes this call.`;
  if (call.verdict === "no baseline") return data.content === "full" ? "There is nothing to compare it with." : "Not compared: the log holds no prompts and answers.";
  if (call.verdict === "unchanged" && Object.keys(call.before).some((name) => name.startsWith("response")))
    return `The request is as in the baseline ${data.baseline}, and the answer differs no more than the test's compare allows.`;
  if (call.verdict === "unchanged") return `Request and answer are as in the baseline ${data.baseline}.`;
  return `Changed against the baseline ${data.baseline}; first: ${call.cause}.`;
}

function callView(call) {
  const test = data.tests[call.test];
  const params = compared(call, null, (record) => record.params), usage = compared(call, null, (record) => record.usage);
  const facts = compared(call, IDENTITY), labels = compared(call, null, (record) => record.labels);
  const money = compared(call, ["tokens", "cost_usd", "cost_source", "usage_missing"]);
  return [
    el("p", { class: "facts" }, badge(verdictOf(call)), call.status === "failure" ? badge("failure") : null, el("span", { class: "badge" }, call.source === "replay" ? "replayed" : call.source),
      el("span", { class: "badge" }, call.model), call.template === "–" ? null : el("span", { class: "badge" }, call.template),
      el("a", { href: `#test=${encodeURIComponent(test.id)}` }, test.id), el("a", { href: `#call=${encodeURIComponent(call.id)}` }, "Link to this call")),
    el("p", { class: "muted" }, against(call)),
    el("h3", {}, "Conversation"), ...conversation(call),
    ...timing(call),
    el("div", { class: "tables" }, table("Call", facts.rows, facts.head), table("Parameters", params.rows, params.head),
      table("Usage in tokens", [...usage.rows], usage.head), table("Cost", money.rows, money.head), table("Labels", labels.rows, labels.head),
      call.now.tools ? table("Tools offered", [["tools", call.now.tools.join(", ")]]) : null,
      table("Trace", TRACES.map((name) => [name.replaceAll("_", " "), call.now[name]]))),
  ].filter(Boolean);
}

function testView(test) {
  const own = calls.filter((call) => data.tests[call.test] === test);
  const figures = Object.keys({ ...test.before, ...test.now });
  const changed = Object.keys(test.before).length > 0;
  return [
    el("p", { class: "facts" }, badge(test.verdict), test.outcome ? badge(test.outcome) : null,
      test.file ? el("code", {}, `${test.file}${test.line ? `:${test.line}` : ""}`) : null,
      el("a", { href: `#${new URLSearchParams({ t: test.id })}` }, "Only this test in the list"), el("a", { href: `#test=${encodeURIComponent(test.id)}` }, "Link to this test")),
    test.causes.length ? el("p", {}, `Changed first: ${test.causes.join("; ")}`) : null,
    ...test.texts.map((text) => el("pre", { tabindex: 0 }, text)),
    test.golden ? el("p", {}, `Golden ${test.golden[0]}: ${test.golden[1]}`) : null,
    el("h3", {}, "Calls"), own.length ? el("ul", {}, own.map((call) => el("li", {}, badge(call.verdict), " ",
      el("a", { href: `#call=${encodeURIComponent(call.id)}`, dir: "auto" }, promptOf(call.now).slice(0, 200) || call.id)))) : el("p", { class: "muted" }, "It made none."),
    el("div", { class: "tables" },
      table("Figures", figures.map((name) => (changed ? [name, amount(data.units[name], test.before[name]), amount(data.units[name], test.now[name])] : [name, amount(data.units[name], test.now[name])])),
        changed ? ["", "baseline", "now"] : null),
      table("Checks", test.checks.map((check) => [check.metric, `${check.verdict}${check.p === null ? "" : `, p = ${check.p.toPrecision(2)}`}`,
        check.before === null ? "" : both(data.units[check.metric], check.before, check.now)]), ["", "verdict", "before and now"])),
  ].filter(Boolean);
}

// What the address says

function show(title, nodes, call) {
  const dialog = $("dialog");
  $("dialog-title").textContent = visible(title);
  $("detail").replaceChildren(...nodes);
  $("previous").hidden = $("next").hidden = !call;
  if (!dialog.open) { opener = document.activeElement; dialog.showModal(); }
  dialog.scrollTop = 0;
  $("dialog-title").focus({ preventScroll: true });
}

function route() {
  const said = new URLSearchParams(location.hash.slice(1));
  const call = said.has("call") ? byId.get(said.get("call")) : null;
  const test = said.has("test") ? data.tests[testNumber.get(said.get("test"))] : null;
  if (call) { show(promptOf(call.now).slice(0, 160) || call.name, callView(call), call); return; }
  if (test) { show(test.id, testView(test), null); return; }
  if (said.has("call") || said.has("test")) { show("Not in this report", [el("p", {}, said.get("call") ?? said.get("test"))], null); return; }
  if ($("dialog").open) $("dialog").close();
  if (FILTERS.some((id) => said.has(id))) {
    for (const id of FILTERS) $(id).value = said.get(id) ?? "";
    filter();
    $("calls").scrollIntoView();
  }
}

function step(by) {
  const said = new URLSearchParams(location.hash.slice(1)).get("call");
  const place = shown.indexOf(byId.get(said)) + by;
  if (said && shown[place]) location.replace(`#call=${encodeURIComponent(shown[place].id)}`);
}

$("dialog").addEventListener("close", () => {
  const place = shown.indexOf(byId.get(new URLSearchParams(location.hash.slice(1)).get("call")));
  if (/^#(call|test)=/.test(location.hash)) remember();
  if (place >= 0) move(place);
  else opener?.focus?.();
});
$("close").addEventListener("click", () => $("dialog").close());
$("dialog").addEventListener("click", (event) => { if (event.target === $("dialog")) $("dialog").close(); });
$("previous").addEventListener("click", () => step(-1));
$("next").addEventListener("click", () => step(1));
$("reset").addEventListener("click", reset);
$("reset2").addEventListener("click", reset);
$("tools").addEventListener("submit", (event) => event.preventDefault());
$("tools").addEventListener("input", () => { remember(); filter(); });
$("list").addEventListener("focusin", (event) => { if (event.target.dataset.place) cursor = Number(event.target.dataset.place); });
addEventListener("hashchange", route);
addEventListener("scroll", () => draw(), { passive: true });
addEventListener("resize", () => draw(true));
addEventListener("beforeprint", () => draw(true, true));
addEventListener("afterprint", () => draw(true));
addEventListener("keydown", (event) => {
  if (event.ctrlKey || event.metaKey || event.altKey) return;
  const typing = /^(INPUT|SELECT|TEXTAREA)$/.test(event.target.tagName);
  if ($("dialog").open) {
    if (event.key === "ArrowLeft") step(-1);
    if (event.key === "ArrowRight") step(1);
  } else if (event.key === "/" && !typing) { event.preventDefault(); $("q").focus(); $("q").select(); }
  else if (event.key === "Escape" && event.target === $("q")) reset();
  else if ((event.key === "ArrowDown" && (event.target === $("q") || event.target.dataset.place)) || (event.key === "j" && !typing)) { event.preventDefault(); move(cursor + 1); }
  else if ((event.key === "ArrowUp" && event.target.dataset.place) || (event.key === "k" && !typing)) { event.preventDefault(); move(cursor - 1); }
});

// A drawing's marks say what they are when the pointer rests on them.
for (const mark of document.querySelectorAll(".chart svg [aria-label][role=graphics-symbol]")) {
  const title = document.createElementNS("http://www.w3.org/2000/svg", "title");
  title.textContent = mark.getAttribute("aria-label");
  mark.prepend(title);
}

filter();
route();
