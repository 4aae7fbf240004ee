// Colours, numbers, cells and places of a heatmap. Knows nothing of the page or of events.

const HIGHEST_CODE = 65534;
const NO_VALUE = 65535;

// Values of base64 codes; NaN where there is none.
function decoded(part) {
  if (!part) return null;
  const bytes = Uint8Array.from(atob(part.codes), (c) => c.charCodeAt(0));
  const codes = new DataView(bytes.buffer);
  const values = new Float32Array(bytes.length / 2);
  for (let i = 0; i < values.length; i++) {
    const code = codes.getUint16(2 * i, true);
    values[i] = code === NO_VALUE ? NaN : part.lo + (code * (part.hi - part.lo)) / HIGHEST_CODE;
  }
  return values;
}

// 256 colours between the stops of a palette of "#rrggbb" texts.
function colourTable(stops) {
  const known = stops.map((s) => [1, 3, 5].map((at) => parseInt(s.slice(at, at + 2), 16)));
  return Array.from({ length: 256 }, (_, i) => {
    const at = (i / 255) * (known.length - 1);
    const low = Math.min(Math.floor(at), known.length - 2);
    return known[low].map((c, k) => Math.round(c + (known[low + 1][k] - c) * (at - low)));
  });
}

function colourIndex(value, lo, hi) {
  return Math.max(0, Math.min(255, Math.round((255 * (value - lo)) / (hi - lo))));
}

// A picture with one pixel a cell, to be drawn at any size.
function cellPicture(values, columns, rows, scale, table, absent) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const image = new ImageData(columns, rows);
  for (let i = 0; i < values.length; i++) {
    const colour = Number.isNaN(values[i])
      ? absent
      : table[colourIndex(values[i], scale.lo, scale.hi)];
    image.data.set([...colour, 255], 4 * i);
  }
  canvas.getContext("2d").putImageData(image, 0, 0);
  return canvas;
}

// Three significant digits, as the rest of the page writes numbers.
function digits(value, percent = false, count = 3) {
  if (value === null || value === undefined || !Number.isFinite(value)) return "no value";
  if (percent) return `${(100 * value).toFixed(0)} %`;
  if (value === 0) return "0";
  const places = Math.max(0, count - 1 - Math.floor(Math.log10(Math.abs(value))));
  return value.toLocaleString("en-US", {
    minimumFractionDigits: Math.min(places, 12),
    maximumFractionDigits: Math.min(places, 12),
  });
}

function whole(value) {
  return value.toLocaleString("en-US");
}

// Round places for ticks within [first, last): about one in `room` pixels.
function ticks(first, last, pixels, room) {
  const wanted = (last - first) / Math.max(1, pixels / room);
  const power = 10 ** Math.floor(Math.log10(Math.max(wanted, 1)));
  const step = Math.max(1, [1, 2, 5, 10].map((f) => f * power).find((s) => s >= wanted) || 1);
  const found = [];
  for (let at = Math.ceil((first + 1) / step) * step; at <= last; at += step) found.push(at);
  return found.length ? found : [first + 1];
}

// The cell that holds a place, by its edges.
function cellOf(edges, place) {
  let low = 0;
  let high = edges.length - 2;
  while (low < high) {
    const middle = (low + high + 1) >> 1;
    if (edges[middle] <= place) low = middle;
    else high = middle - 1;
  }
  return low;
}

function groupAt(groups, place) {
  const found = groups.find(([, first, last]) => first <= place && place < last);
  return found ? found[0] : "";
}

// A text that fits, with an ellipsis where it was cut; empty where nothing readable fits.
function fitted(context, text, room) {
  if (room < 18 || !text) return "";
  if (context.measureText(text).width <= room) return text;
  let length = Math.min(text.length, 40);
  while (length > 1 && context.measureText(`${text.slice(0, length)}…`).width > room) length--;
  return length > 1 ? `${text.slice(0, length)}…` : "";
}

// A window of the same shape or smaller, moved and cut so that it lies within 0 to `size`.
function within(first, last, size) {
  const span = Math.min(size, Math.max(1, last - first));
  const start = Math.max(0, Math.min(first, size - span));
  return [start, start + span];
}

// A side zoomed around a place that keeps its share of the side.
function zoomedSide(first, last, at, factor, size) {
  const span = Math.min(size, Math.max(1, (last - first) * factor));
  const share = (at - first) / (last - first);
  return within(at - share * span, at - share * span + span, size);
}
