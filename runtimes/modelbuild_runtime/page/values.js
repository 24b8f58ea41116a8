// Values as JSON and as Python, digit for digit as they were written.

const WIDTH = 62;
const isExact = (value) => JSON.isRawJSON?.(value) ?? false;
const isPlain = (value) => value !== null && typeof value === "object" && !isExact(value) && !(value instanceof Upload);
const isRecord = (value) => isPlain(value) && !Array.isArray(value);
const isNumber = (value) => isExact(value) || typeof value === "number";

// Bytes; those of a file have a name.
class Upload {
  constructor(b64, name = "") {
    this.b64 = b64;
    this.name = name;
  }
  toJSON() {
    return { b64: this.b64 };
  }
  get size() {
    return atob(this.b64).length;
  }
}

// Numbers beyond 2^53, and the zero of 3.0, survive where the browser can keep them.
const exact = (text) => (JSON.rawJSON ? JSON.rawJSON(text) : Number(text));

function parse(text) {
  return JSON.parse(text, (_, value, context) => {
    if (isRecord(value) && typeof value.b64 === "string" && Object.keys(value).length === 1) return new Upload(value.b64);
    return typeof value === "number" && context?.source ? exact(context.source) : value;
  });
}

// What is no number is sent as the text that it is: the server says best what it wants.
function numeral(text) {
  if (/^-?(0|[1-9]\d*)(\.\d+)?(e[+-]?\d+)?$/i.test(text)) return exact(text);
  if (text === "null") return null;
  return /^[+.\d-]/.test(text) && Number.isFinite(Number(text)) ? Number(text) : text;
}

const JSON_STYLE = { true: "true", false: "false", null: "null", indent: "  ", bytes: ({ b64 }) => `{"b64": "${b64}"}` };
const PYTHON = { ...JSON_STYLE, true: "True", false: "False", null: "None", indent: "    " };

// On one line what fits there; lists of numbers fill their lines.
function write(value, style = JSON_STYLE, pad = "") {
  if (isExact(value)) return value.rawJSON;
  if (value instanceof Upload) return style.bytes(value);
  if (value === null || typeof value === "boolean") return style[value];
  if (typeof value !== "object") return JSON.stringify(value);
  const inner = pad + style.indent;
  const list = Array.isArray(value);
  const items = Object.entries(value).map(([key, item]) => (list ? "" : `${JSON.stringify(key)}: `) + write(item, style, inner));
  const [open, close] = list ? "[]" : "{}";
  const length = items.reduce((sum, item) => sum + item.length + 2, pad.length);
  if (length <= WIDTH && !items.some((item) => item.includes("\n"))) return open + items.join(", ") + close;
  const lines = list && !value.some(isPlain) ? filled(items, WIDTH - inner.length) : items;
  return `${open}\n${inner}${lines.join(`,\n${inner}`)}\n${pad}${close}`;
}

function filled(items, width) {
  const lines = [];
  for (const item of items) {
    const last = lines.length - 1;
    if (last >= 0 && lines[last].length + item.length + 2 <= width) lines[last] += `, ${item}`;
    else lines.push(item);
  }
  return lines;
}

const words = (value) => (typeof value === "string" ? value : write(value));
const plural = (count, word) => `${count} ${word}${count === 1 ? "" : "s"}`;
const sized = (size) => (size < 1000 ? plural(size, "byte") : `${(size / (size < 1e6 ? 1e3 : 1e6)).toFixed(1)} ${size < 1e6 ? "kB" : "MB"}`);
