// The request that would be sent, as commands and programs to copy: {type, text, body, upload}, where a body in JSON is
// there as a value too, and one that is a file as an upload.

const MOST_ARGUMENT = 40000;
const SNIPPETS = { curl, Python: python, tritonclient };
const NUMPY = { BOOL: "bool_", FP16: "float16", FP32: "float32", FP64: "float64", BYTES: "object_" };
const KEYED = `"${HEADER}": os.environ["API_KEY"]`;
const sh = (text) => (/^[\w@%+=:,./-]+$/.test(text) ? text : `'${text.replaceAll("'", `'\\''`)}'`);
const py = (value, pad) => write(value, PYTHON, pad);
const opened = (name) => `open(${py(name)}, "rb")`;
const isInput = (name) => data.inputs.some((input) => input.name === name);
const isLong = (request) => request.text.length > MOST_ARGUMENT && !asForm(request);

// A record with files goes as a form, where curl can say it.
function asForm({ body }) {
  const fields = isRecord(body) ? Object.entries(body) : [];
  const sayable = fields.every(([name, value]) => !name.includes("=") && !isPlain(value));
  return sayable && fields.some(([, value]) => value.name) ? fields : null;
}

function curl(request) {
  const form = asForm(request)?.map(([name, value]) => {
    if (!(value instanceof Upload)) return `--form-string ${sh(`${name}=${words(value)}`)}`;
    const file = /[;,"\\]/.test(value.name) ? `"${value.name.replace(/["\\]/g, "\\$&")}"` : value.name;
    return `-F ${sh(`${name}=@${file}`)}`;
  });
  const file = request.upload?.name ?? (isLong(request) && "request.json");
  const keyed = key ? [`-H "${HEADER}: $API_KEY"`] : [];
  const whole = [`-H ${sh(`Content-Type: ${request.type}`)}`, file ? `--data-binary ${sh(`@${file}`)}` : `--data-raw ${sh(request.text)}`];
  return [`curl ${sh(at("predict"))}`, ...keyed, ...(form ?? whole)].join(" \\\n  ");
}

function python(request) {
  const { type, text, body, upload } = request;
  const form = asForm(request)?.map(([name, value]) => `    ${py(name)}: ${value.name ? opened(value.name) : `(None, ${py(words(value))})`},`);
  const headers = [...(key ? [KEYED] : []), ...(!form && body === undefined ? [`"Content-Type": ${py(type)}`] : [])];
  const sent = form
    ? `files={\n    ${form.join("\n    ")}\n    }`
    : body === undefined
      ? `data=${upload ? opened(upload.name) : `${py(text)}.encode()`}`
      : `json=${py(body, "    ")}`;
  const answer = data.raw || body === undefined ? "text" : "json()";
  const last = headers.length ? `    headers={${headers.join(", ")}},\n` : "";
  return `${key ? "import os\n\n" : ""}import requests\n
response = requests.post(\n    ${py(at("predict"))},\n    ${sent},\n${last})
response.raise_for_status()
print(response.${answer})`;
}

function tritonclient({ body }) {
  const columns = columnsOf(body);
  if (!columns) return "# Tensors are made of rows that are JSON objects.";
  const style = { ...PYTHON, bytes: (one) => (one.name ? `${opened(one.name)}.read()` : `base64.b64decode("${one.b64}")`) };
  const arrays = specsOf(columns).map((spec) => {
    const value = write(fitted(columns[spec.name], spec), style, "    ");
    return `    ${py(spec.name)}: np.array(${value}, dtype=np.${NUMPY[spec.datatype] ?? spec.datatype.toLowerCase()}),\n`;
  });
  const names = data.outputs.map(({ name }) => name);
  const show = names.length ? `for name in ${py(names)}:\n    print(name, answer.as_numpy(name))` : "print(answer.get_response())";
  const url = here.host + here.pathname.slice(0, -1);
  const standard = [arrays.some((array) => array.includes("base64.b64decode(")) && "import base64\n", key && "import os\n"].filter(Boolean);
  return `${standard.length ? `${standard.join("")}\n` : ""}import numpy as np
import tritonclient.http as http
from tritonclient.utils import np_to_triton_dtype

arrays = {\n${arrays.join("")}}
inputs = []
for name, array in arrays.items():
${"    "}tensor = http.InferInput(name, list(array.shape), np_to_triton_dtype(array.dtype))
${"    "}inputs.append(tensor.set_data_from_numpy(array))

client = http.InferenceServerClient(${py(url)}${here.protocol === "https:" ? ", ssl=True" : ""})
answer = client.infer(${py(data.name)}, inputs${key ? `, headers={${KEYED}}` : ""})
${show}`;
}

// One list a name, with an entry a row; whole tensors where rows are not counted.
function columnsOf(body) {
  if (isRecord(body) && Array.isArray(body.instances) && !isInput("instances")) return columnsOf(body.instances);
  if (isRecord(body) && isRecord(body.inputs) && !isInput("inputs")) return body.inputs;
  if (isRecord(body) && !data.batched) return body;
  const rows = Array.isArray(body) ? body : [body];
  if (!rows.length || !rows.every(isRecord)) return null;
  return Object.fromEntries(Object.keys(rows[0]).map((name) => [name, rows.map((row) => row[name] ?? null)]));
}

function specsOf(columns) {
  const known = data.inputs.length && !data.open ? data.inputs : Object.keys(columns).map((name) => guessed(name, columns[name]));
  return known.filter(({ name }) => [columns[name] ?? null].flat().some((value) => value !== null));
}

function guessed(name, column) {
  const values = [column].flat(Infinity);
  const all = (test) => values.every(test);
  const datatype = all((value) => isNumber(value) && /^-?\d+$/.test(write(value))) ? "INT64" : all(isNumber) ? "FP64" : "BYTES";
  return { name, datatype: all((value) => typeof value === "boolean") ? "BOOL" : datatype, shape: [-1] };
}

// The same values with as many axes as the tensor has; what no tensor can say is text.
function fitted(column, { name, datatype, shape }) {
  if (!data.batched) return column;
  const encoded = data.typed && plain(data.record.properties[name]).contentEncoding;
  return column.map((value) => {
    if (datatype === "BYTES" && shape.length < 2 && isPlain(value)) return JSON.stringify(value);
    if (encoded && typeof value === "string") return new Upload(value);
    for (let axes = depth(value) + 1; axes < shape.length; axes++) value = [value];
    return value;
  });
}

const depth = (value) => (Array.isArray(value) ? 1 + depth(value[0]) : 0);
