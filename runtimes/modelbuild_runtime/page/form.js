// A form made of the JSON Schema of one row. A control has get and set; undefined is what is not sent.

const $ = (id) => document.getElementById(id);
const data = JSON.parse($("data").textContent) ?? (await unlocked());
const controls = [];
const DEEPEST = 4;

// All that comes from the model becomes text: nothing is ever parsed as HTML.
function make(tag, properties, ...children) {
  const element = document.createElement(tag);
  for (const [name, value] of Object.entries(properties ?? {})) {
    if (name in element && name !== "list") element[name] = value;
    else element.setAttribute(name, value);
  }
  element.append(...children.filter(Boolean));
  return element;
}

// A schema without its references, and without null, which is what leaving a field empty means.
function plain(schema, depth = 0) {
  const { $ref, anyOf, oneOf, allOf, ...own } = schema ?? {};
  if (depth > 8) return {};
  if ($ref) return plain({ ...data.record.$defs?.[$ref.split("/").pop()], ...own }, depth + 1);
  const ways = (anyOf ?? oneOf ?? allOf)?.filter((way) => way.type !== "null");
  if (ways) return ways.length === 1 ? plain({ ...ways[0], ...own }, depth + 1) : own;
  if (Array.isArray(own.type)) own.type = own.type.find((type) => type !== "null");
  return own;
}

function kindOf(schema, spec, depth) {
  if (schema.enum || "const" in schema || schema.type === "boolean") return "choice";
  if (schema.type === "object" && schema.properties && depth < DEEPEST) return "group";
  if (schema.type === "number" || schema.type === "integer") return "number";
  if (schema.type !== "string") return "json";
  const bytes = schema.contentEncoding || schema.format === "binary" || (spec?.datatype === "BYTES" && !data.typed);
  return bytes ? "bytes" : "text";
}

function group(schema, path = [], depth = 0) {
  const parts = Object.entries(schema.properties).map(([name, inner]) => {
    const required = schema.required?.includes(name) ?? false;
    return [name, part(plain(inner), [...path, name], required, depth)];
  });
  return {
    elements: parts.map(([, { element }]) => element),
    get: () => Object.fromEntries(parts.map(([name, { get }]) => [name, get()]).filter(([, value]) => value !== undefined)),
    set: (record) => parts.forEach(([name, { set }]) => set(isRecord(record) && Object.hasOwn(record, name) ? record[name] : undefined)),
  };
}

function part(schema, path, required, depth) {
  const spec = depth ? undefined : data.inputs.find(({ name }) => name === path[0]);
  const kind = kindOf(schema, spec, depth);
  const optional = !required && make("i", {}, "optional");
  if (kind !== "group") return field(kind, schema, spec, path, optional);
  const { elements, get, set } = group(schema, path, depth + 1);
  const element = make("fieldset", { className: "group" }, make("legend", {}, path.at(-1), optional), ...elements);
  const filled = () => (required || Object.keys(get()).length ? get() : undefined);
  return { element, get: filled, set };
}

function field(kind, schema, spec, path, optional) {
  const id = `field-${controls.length}`;
  const widget = WIDGETS[kind](id, schema, spec, !optional);
  const error = make("p", { className: "error", id: `${id}-error` });
  const help = hint(schema);
  const label = make("div", { className: "label" }, make("label", { htmlFor: id }, path.at(-1)), optional, make("span", {}, kindInWords(kind, schema, spec)));
  widget.input.setAttribute("aria-describedby", `${id}-error ${id}-hint`);
  const element = make("div", { className: "field" }, label, widget.element ?? widget.input, help && make("p", { className: "hint", id: `${id}-hint` }, help), error);
  const control = { ...widget, path: path.join("."), error, element };
  control.get = () => {
    try {
      return widget.get();
    } catch {
      throw Object.assign(new Error("this is not JSON"), control);
    }
  };
  controls.push(control);
  return control;
}

const WIDGETS = {
  choice(id, schema, _, required) {
    const values = schema.enum ?? ("const" in schema ? [schema.const] : [true, false]);
    const options = values.map((value, index) => make("option", { value: index }, words(value)));
    const input = make("select", { id }, !required && make("option", { value: "" }, "not sent"), ...options);
    const index = (value) => values.findIndex((known) => words(known) === words(value));
    const set = (value) => (input.value = value !== undefined && index(value) >= 0 ? index(value) : required ? 0 : "");
    return { input, set, get: () => values[input.value || -1] };
  },
  number(id, schema) {
    const input = make("input", { id, inputMode: schema.type === "integer" ? "numeric" : "decimal", className: "mono" });
    const set = (value) => (input.value = value === undefined ? "" : words(value));
    return { input, set, get: () => (input.value.trim() ? numeral(input.value.trim()) : undefined) };
  },
  text(id, schema, spec, required) {
    const labels = (spec?.labels ?? []).slice(0, 200).map((value) => make("option", { value }));
    const long = !labels.length && !schema.format && data.inputs.length === 1;
    const input = make(long ? "textarea" : "input", { id, list: `${id}-labels`, placeholder: schema.contentEncoding ?? FORMATS[schema.format] ?? "" });
    const element = make("div", {}, input, make("datalist", { id: `${id}-labels` }, ...labels));
    const set = (value) => (input.value = value === undefined ? "" : words(value));
    return { input, element, set, get: () => (input.value || required ? input.value : undefined) };
  },
  bytes: (...given) => withFile(WIDGETS.text(...given)),
  json(id) {
    const input = make("textarea", { id, className: "mono", placeholder: "JSON" });
    const set = (value) => (input.value = value === undefined ? "" : write(value));
    return { input, set, get: () => (input.value.trim() ? parse(input.value) : undefined) };
  },
};

// A text, or a file in its place.
function withFile({ input, element = input, get, set }) {
  let upload;
  const picker = make("input", { type: "file" });
  const pick = make("label", { className: "quiet" }, "Choose a file", picker);
  const name = make("b");
  const size = make("span");
  const remove = make("button", { type: "button", className: "quiet" }, "Remove");
  const chip = make("p", { className: "chip" }, name, size, remove);
  const put = (value) => {
    upload = value instanceof Upload ? value : undefined;
    element.hidden = pick.hidden = Boolean(upload);
    chip.hidden = !upload;
    name.textContent = upload?.name || "bytes";
    size.textContent = upload && sized(upload.size);
    set(upload ? undefined : value);
  };
  picker.onchange = async () => {
    const [file] = picker.files;
    if (file) put(new Upload(await base64(file), file.name));
    picker.value = "";
    remove.focus();
    changed();
  };
  remove.onclick = () => {
    put();
    input.focus();
    changed();
  };
  put();
  return { input, element: make("div", { className: "with-file" }, element, pick, chip), get: () => upload ?? get(), set: put };
}

function base64(file) {
  return new Promise((resolve, reject) => {
    const reader = new FileReader();
    reader.onload = () => resolve(reader.result.split(",")[1] ?? "");
    reader.onerror = reject;
    reader.readAsDataURL(file);
  });
}

const FORMATS = { date: "2024-01-31", time: "12:00:00", "date-time": "2024-01-31T12:00:00Z" };
const LIMITS = { minimum: "at least", exclusiveMinimum: "more than", maximum: "at most", exclusiveMaximum: "less than", default: "default" };

function hint(schema) {
  const known = data.typed ? Object.keys(LIMITS).filter((key) => !["", "[]", "{}"].includes(words(schema[key] ?? ""))) : [];
  const limits = known.map((key) => `${LIMITS[key]} ${write(schema[key])}`).join(", ");
  return [schema.description, limits].filter(Boolean).join(" · ");
}

function kindInWords(kind, schema, spec) {
  if (schema.enum) return "choice";
  const known = { number: "number", integer: "whole number", string: "text", boolean: "true or false", array: "list" };
  if (kind === "bytes") return data.typed ? "bytes" : "text or file";
  if (schema.type !== "array" || !spec) return schema.format ?? known[schema.type] ?? "JSON";
  const many = { BYTES: "texts", BOOL: "truth values" }[spec.datatype] ?? "numbers";
  return sizes(inner(spec), many) || "list";
}

// The shape of one row, and in words.
const inner = ({ shape }) => shape.slice(data.batched ? 1 : 0);

function sizes(shape, things) {
  if (shape.length === 1) return shape[0] < 0 ? `any number of ${things}` : plural(shape[0], things.slice(0, -1));
  return shape.map((size) => (size < 0 ? "any" : size)).join(" × ");
}
