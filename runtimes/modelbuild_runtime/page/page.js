// Which request is shown, sending it, and what the model takes and gives.

const here = new URL(".", location.href);
const at = (path) => new URL(path, here).href;
const form = data.record.properties && group(data.record);
const body = withFile(WIDGETS.json("body"));
const examples = data.examples.map(({ request }) => parse(request));
let mode = "form";
let language = "curl";

function tell() {
  $("facts").textContent = [data.version && `version ${data.version}`, data.platform].filter(Boolean).join(" · ");
  $("fields").append(...(form?.elements ?? []));
  $("body-error").before(body.element);
  body.input.setAttribute("aria-describedby", "body-error");
  controls.push({ path: "", input: body.input, error: $("body-error"), element: $("body-field") });
  if (/Mac|iP/.test(navigator.platform)) $("modifier").textContent = "⌘";
  $("tables").append(table("Takes", data.inputs), table("Gives", data.outputs));
  $("example").append(...data.examples.map(({ name }, value) => make("option", { value }, name || `Example ${value + 1}`)));
  $("examples").hidden = examples.length < 2;
  $("modes").hidden = !form;
  const languages = Object.keys(SNIPPETS).slice(0, data.raw ? 2 : 3);
  const radios = languages.map((value) => make("label", {}, make("input", { type: "radio", name: "language", value, checked: value === language }), value));
  $("languages").append(...radios);
}

function table(title, specs) {
  const last = specs.some(({ labels }) => labels.length) ? "Labels" : "";
  const heads = ["Name", "Datatype", data.batched ? "Each row" : "Shape", last].map((head) => make("th", { scope: "col" }, head));
  const rows = specs.map((spec) => {
    const labels = spec.labels.slice(0, 12).map((label) => make("code", {}, label));
    const more = spec.labels.length > 12 && `and ${spec.labels.length - 12} more`;
    const name = make("th", { scope: "row" }, spec.name, spec.optional && make("i", {}, "optional"));
    const shape = sizes(inner(spec), "values") || "one value";
    return make("tr", {}, name, make("td", {}, make("code", {}, spec.datatype)), make("td", {}, shape), make("td", {}, ...labels, more));
  });
  const known = make("table", { ariaLabel: title }, make("thead", {}, make("tr", {}, ...heads)), make("tbody", {}, ...rows));
  const unknown = make("p", { className: "empty" }, `Whatever the handler ${title.toLowerCase()}.`);
  return make("div", { className: "scroll" }, make("h3", {}, title), rows.length ? known : unknown);
}

// The record in a body of one row, if the form has fields for it.
function recordIn(value) {
  if (Array.isArray(value) && value.length === 1) return recordIn(value[0]);
  if (value instanceof Upload && data.inputs.length === 1) return { [data.inputs[0].name]: value };
  const record = !data.batched && isRecord(value?.inputs) && !isInput("inputs") ? value.inputs : value;
  return form && isRecord(record) && Object.keys(record).every((name) => Object.hasOwn(data.record.properties, name)) ? record : undefined;
}

function choose(chosen) {
  mode = chosen;
  for (const radio of document.getElementsByName("mode")) radio.checked = radio.value === mode;
  $("fields").hidden = mode !== "form";
  $("whole").hidden = mode === "form";
  changed();
}

function fill(value) {
  const record = recordIn(value);
  body.set(); // no file; bytes in an example stay text
  body.input.value = value === undefined ? "" : write(value);
  $("type").value = "application/json";
  if (record) form.set(record);
  choose(record || (form && value === undefined) ? mode : "body");
}

// The other way to write it begins with what was written in the one before.
function turn(chosen) {
  const asked = attempt(request);
  const record = recordIn(asked?.body);
  if (chosen === "body" && asked) fill(asked.body);
  if (chosen === "form" && record) form.set(record);
  choose(chosen);
}

function attempt(action) {
  try {
    return action();
  } catch {
    return undefined;
  }
}

// What would be sent now. Throws where a field holds what is no JSON.
function request() {
  if (mode === "form") {
    const record = form.get();
    return { type: "application/json", body: record, text: write(record) };
  }
  const type = $("type").value.trim();
  const text = body.input.value;
  const upload = attempt(body.get);
  if (upload?.name) return { type, text: "", upload };
  return { type, text, body: /\/(json$|json;|.*\+json)/i.test(type) ? attempt(() => parse(text)) : undefined };
}

async function send() {
  if ($("answer").ariaBusy) return;
  blame();
  $("answer").ariaBusy = "true";
  try {
    const { type, text, upload } = request();
    const sent = upload ? Uint8Array.from(atob(upload.b64), (letter) => letter.charCodeAt(0)) : text;
    const began = performance.now();
    const error = await show(await fetch(at("predict"), { method: "POST", headers: { "Content-Type": type, ...bearing() }, body: sent }), began);
    if (error) refused(error.value.detail ?? error.text, error.value.field, error.text);
  } catch (error) {
    say("No answer", false);
    refused("path" in error ? error.message : `The server cannot be reached: ${error.message}`, error.path);
  }
  $("answer").ariaBusy = null;
  check();
}

// The complaint in the answer, and beside the field that it names, or the one that holds it.
function refused(message, path, text) {
  complain(message, text);
  if (!path) return;
  const shown = controls.filter(({ element }) => element.offsetParent);
  const fits = shown.filter((control) => `${path}.`.startsWith(control.path && `${control.path}.`));
  blame(fits.sort((one, other) => other.path.length - one.path.length)[0], message);
}

function blame(control, message) {
  for (const { input, error } of controls) {
    input.ariaInvalid = null;
    error.textContent = "";
  }
  if (!control) return;
  control.input.ariaInvalid = "true";
  control.error.textContent = message;
  control.input.focus();
}

let waiting;
function changed() {
  clearTimeout(waiting);
  waiting = setTimeout(tellCode, 50);
}

function tellCode() {
  const asked = attempt(request);
  $("code").textContent = asked ? SNIPPETS[language](asked) : "A field is not JSON.";
  $("save").hidden = language !== "curl" || !asked || !isLong(asked);
}

let polling;
async function check() {
  const answer = await fetch(at("health/ready")).catch(() => null);
  const said = answer?.ok ? "Ready" : answer ? "Not ready" : "Unreachable";
  $("state").textContent = said;
  $("state").className = answer?.ok ? "good" : "bad";
  clearTimeout(polling);
  if (!answer?.ok) polling = setTimeout(check, 3000);
}

async function copy() {
  try {
    await navigator.clipboard.writeText($("code").textContent);
  } catch {
    getSelection().selectAllChildren($("code")); // plain HTTP has no clipboard but this one
    document.execCommand("copy");
  }
  $("copy").textContent = "Copied";
  setTimeout(() => ($("copy").textContent = "Copy"), 1500);
}

tell();
fill(examples[0]);
check();

$("form").onsubmit = (event) => {
  event.preventDefault();
  send();
};
$("form").oninput = changed;
$("example").onchange = ({ target }) => {
  blame();
  fill(examples[target.value]);
};
$("modes").onchange = ({ target }) => turn(target.value);
$("languages").onchange = ({ target }) => {
  language = target.value;
  tellCode();
};
$("copy").onclick = copy;
$("save").onclick = () => save(request().text, "application/json", "request.json");
document.onvisibilitychange = () => document.hidden || check();
document.onkeydown = (event) => {
  if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey)) return;
  event.preventDefault();
  send();
};
