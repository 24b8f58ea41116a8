// What the server said: its status, the outputs in short, and all of it.

const MOST_BARS = 10;
const MOST_BRIEFS = 8;

// Shows an answer; gives back one that is an error.
async function show(response, began) {
  const type = response.headers.get("content-type") ?? "";
  const content = await response.arrayBuffer();
  const ms = performance.now() - began;
  say(`${response.status} ${response.statusText} · ${ms.toFixed(ms < 10 ? 1 : 0)} ms · ${sized(content.byteLength)}`, response.ok);
  if (!/json|text|xml|^$/.test(type)) {
    const button = make("button", { type: "button", className: "quiet", onclick: () => save(content, type, "answer") }, "Save");
    return $("answer").replaceChildren(make("p", { className: "chip" }, make("b", {}, type), button));
  }
  let text = new TextDecoder().decode(content);
  let value;
  try {
    value = parse(text);
    text = write(value);
  } catch {} // no JSON, or with NaN in it: shown as it came
  if (!response.ok) return { value: isRecord(value) ? value : {}, text };
  $("answer").replaceChildren(...summary(value), whole(text));
  $("answer-title").scrollIntoView({ block: "nearest" });
}

function complain(message, text) {
  $("answer").replaceChildren(make("p", { className: "error" }, message), ...(text ? [whole(text)] : []));
}

function say(text, good) {
  $("status").textContent = text;
  $("status").className = good ? "good" : "bad";
}

const whole = (text) => make("pre", { tabIndex: 0, "aria-label": "The whole answer" }, text);

// Every output of the first row that is one value, or has labels.
function summary(value) {
  const rows = Array.isArray(value) ? value : (value?.predictions ?? [value]);
  const row = isRecord(rows[0]) ? rows[0] : { [data.outputs[0]?.name]: rows[0] };
  const parts = data.raw ? [] : data.outputs.map((output) => brief(output, row[output.name])).filter(Boolean).slice(0, MOST_BRIEFS);
  const many = rows.length > 1 && make("p", { className: "empty" }, `The first of ${rows.length} rows:`);
  return parts.length ? [make("div", { className: "summary" }, many, ...parts)] : [];
}

function brief({ name, labels }, value) {
  if (Array.isArray(value) && value.length > 1 && value.length === labels.length && value.every(isNumber)) return bars(name, labels, value);
  const one = Array.isArray(value) && value.length === 1 ? value[0] : value;
  if (one === undefined || isPlain(one) || one instanceof Upload || words(one).length > 200) return null;
  return make("div", { className: "value" }, make("span", {}, name), make("b", {}, short(one)));
}

const short = (value) => (isNumber(value) && !/^-?\d+$/.test(write(value)) ? String(Number(Number(write(value)).toPrecision(6))) : words(value));

// Bars are for shares of one; other scores are numbers only.
function bars(name, labels, exactly) {
  const values = exactly.map((value) => Number(write(value)));
  const shares = values.every((value) => value >= 0 && value <= 1);
  const order = values.map((_, index) => index).sort((one, other) => values[other] - values[one]);
  const rows = order.slice(0, MOST_BARS).map((index) => {
    const fill = make("span");
    fill.style.width = `${values[index] * 100}%`;
    const track = shares && make("span", { className: "track", ariaHidden: "true" }, fill);
    return make("li", {}, make("span", {}, labels[index]), track, make("b", {}, shares ? `${(values[index] * 100).toFixed(1)} %` : short(exactly[index])));
  });
  const rest = values.length - rows.length;
  return make("div", { className: "bars" }, make("p", {}, name), make("ul", {}, ...rows), rest > 0 && make("p", { className: "empty" }, `and ${rest} more`));
}

function save(content, type, download) {
  const href = URL.createObjectURL(new Blob([content], { type }));
  make("a", { href, download }).click();
  URL.revokeObjectURL(href);
}
