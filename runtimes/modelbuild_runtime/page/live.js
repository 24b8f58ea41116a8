// How the server is doing, by its own metrics, while somebody looks.

const EVERY = 2000;
const KEPT = 60;
const FIGURES = {
  rate: "Predictions a second",
  median: "Median latency",
  slow: "99th percentile",
  failed: "Failed",
  load: "In flight",
  queue: "Waiting",
};
const LINES = { rate: [], median: [], slow: [] };
let before;
let looking;

function line(id) {
  const svg = $("line").content.firstElementChild.cloneNode(true);
  svg.firstElementChild.id = `${id}-line`;
  return svg;
}

async function look() {
  clearTimeout(looking);
  if (document.hidden) return;
  const answer = await fetch(at("metrics/summary"), { headers: bearing() }).catch(() => null);
  const now = answer?.ok ? await answer.json() : undefined;
  if (now && before && now.at > before.at) compare(before, now);
  $("live").hidden = !now || !$("rate").textContent;
  before = now;
  looking = setTimeout(look, EVERY);
}

function compare(one, other) {
  const counts = other.counts.map((count, place) => Math.max(0, count - one.counts[place]));
  const total = counts.reduce((sum, count) => sum + count, 0);
  const [median, slow] = [0.5, 0.99].map((share) => total && quantile(counts, other.edges, total * share));
  draw("rate", total / (other.at - one.at), significant);
  draw("median", median, duration);
  draw("slow", slow, duration);
  $("failed").textContent = Math.max(0, other.failed - one.failed);
  $("load").textContent = other.in_flight;
  $("queue").textContent = other.waiting + (other.waiting ? ` for ${duration(other.queue_age_seconds)}` : "");
}

// Within a bucket all are taken to be spread evenly; above the last edge nothing is known but that.
function quantile(counts, edges, wanted) {
  const place = counts.findIndex((count) => (wanted -= count) <= 0);
  const from = edges[place - 1] ?? 0;
  return from + ((edges[place] ?? from) - from) * (1 + wanted / counts[place]);
}

function duration(seconds) {
  if (!seconds) return "–";
  const [factor, unit] = seconds >= 1 ? [1, "s"] : seconds >= 0.001 ? [1e3, "ms"] : [1e6, "µs"];
  return `${significant(seconds * factor)} ${unit}`;
}

function significant(number) {
  return Number(number.toPrecision(2)).toLocaleString();
}

function draw(id, value, said) {
  $(id).textContent = said(value);
  const values = LINES[id];
  if (values.push(value) > KEPT) values.shift();
  const most = Math.max(...values) || 1;
  const points = values.map((one, place) => `${KEPT - values.length + place},${19 - (18 * one) / most}`);
  $(`${id}-line`).setAttribute("points", points.join(" "));
}

for (const [id, name] of Object.entries(FIGURES)) $("figures").append(make("div", {}, make("dt", {}, name), make("dd", { id }), LINES[id] && line(id)));
look();
document.addEventListener("visibilitychange", () => {
  before = undefined;
  look();
});
