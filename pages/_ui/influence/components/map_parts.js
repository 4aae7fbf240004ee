// Parts of the map that need no page: unpacking, shades, finding points, drawing points.

const SIDE = 65535;
const UNKNOWN = 255;
const GRID = 256;
const CELL = (SIDE + 1) / GRID;

// One block of bytes: length of the header, the header as JSON, then the arrays that it lists, each
// with its kind, where it begins behind the header, and how many numbers it has.
function unpacked(bytes) {
  const view = new DataView(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  const length = view.getUint32(0, true);
  const header = JSON.parse(new TextDecoder().decode(bytes.subarray(4, 4 + length)));
  const kinds = { u1: Uint8Array, u2: Uint16Array };
  const arrays = {};
  for (const [name, kind, start, count] of header.arrays) {
    // A copy begins where numbers may begin, wherever the block does.
    const size = kinds[kind].BYTES_PER_ELEMENT;
    const from = 4 + length + start;
    arrays[name] = new kinds[kind](bytes.slice(from, from + count * size).buffer);
  }
  return { ...header, ...arrays };
}

function rgb(text) {
  const hex = /^#([0-9a-f]{6})/i.exec(text.trim());
  if (hex) return [0, 2, 4].map((at) => parseInt(hex[1].slice(at, at + 2), 16));
  const numbers = text.match(/[\d.]+/g);
  return numbers && numbers.length >= 3 ? numbers.slice(0, 3).map(Number) : [128, 128, 128];
}

function mixed(one, other, share) {
  return one.map((value, at) => Math.round(value + (other[at] - value) * share));
}

// 256 colours by code: of kinds in their order, or of shades between the stops of a palette.
function colourTable(data, theme) {
  const quiet = mixed(theme.background, theme.text, 0.38);
  const table = new Array(256).fill(quiet);
  if (data.palette) {
    const stops = data.palette.map(rgb);
    for (let code = 0; code < UNKNOWN; code += 1) {
      const at = (code / (UNKNOWN - 1)) * (stops.length - 1);
      const left = Math.min(Math.floor(at), stops.length - 2);
      table[code] = mixed(stops[left], stops[left + 1], at - left);
    }
  } else {
    data.kinds.forEach((kind, code) => {
      if (kind.color) table[code] = rgb(kind.color);
    });
  }
  return table;
}

// Points by cells of a grid, so that the one under the pointer is found at once.
class PointGrid {
  constructor(points) {
    this.points = points;
    const count = points.length / 2;
    // How far the points reach on both sides of the middle.
    const reach = [1, 1];
    points.forEach((value, at) => {
      reach[at % 2] = Math.max(reach[at % 2], Math.abs(2 * value - SIDE));
    });
    [this.wide, this.high] = reach;
    this.first = new Uint32Array(GRID * GRID + 1);
    const cells = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      const cell = this.cell(points[2 * i], points[2 * i + 1]);
      cells[i] = cell;
      this.first[cell + 1] += 1;
    }
    for (let cell = 0; cell < GRID * GRID; cell += 1) this.first[cell + 1] += this.first[cell];
    const next = this.first.slice();
    this.members = new Uint32Array(count);
    for (let i = 0; i < count; i += 1) {
      this.members[next[cells[i]]] = i;
      next[cells[i]] += 1;
    }
  }

  cell(x, y) {
    return Math.floor(y / CELL) * GRID + Math.floor(x / CELL);
  }

  // The nearest point within a distance, for which `may` is true; -1 if there is none.
  nearest(x, y, within, may) {
    const bound = (value) => Math.max(0, Math.min(GRID - 1, Math.floor(value / CELL)));
    const [left, right] = [bound(x - within), bound(x + within)];
    let [found, best] = [-1, within * within];
    for (let row = bound(y - within); row <= bound(y + within); row += 1) {
      const stop = this.first[row * GRID + right + 1];
      for (let at = this.first[row * GRID + left]; at < stop; at += 1) {
        const i = this.members[at];
        const [dx, dy] = [this.points[2 * i] - x, this.points[2 * i + 1] - y];
        const distance = dx * dx + dy * dy;
        if (distance < best || (distance === best && found < 0)) {
          if (may(i)) [found, best] = [i, distance];
        }
      }
    }
    return found;
  }
}

// Whether a point lies inside an outline or on its edge: the same whole-number rule as in Python.
function isInside(x, y, outline) {
  let within = false;
  for (let at = 0; at < outline.length; at += 1) {
    const [x0, y0] = outline[at];
    const [x1, y1] = outline[(at + 1) % outline.length];
    const turn = (x1 - x0) * (y - y0) - (y1 - y0) * (x - x0);
    if (turn === 0 && Math.min(x0, x1) <= x && x <= Math.max(x0, x1)
      && Math.min(y0, y1) <= y && y <= Math.max(y0, y1)) return true;
    if (y0 <= y1 ? y0 <= y && y < y1 && turn > 0 : y1 <= y && y < y0 && turn < 0) within = !within;
  }
  return within;
}

// An outline of at most so many corners: every so many-th of those that were drawn.
function thinned(corners, most) {
  const step = Math.ceil(corners.length / most);
  return corners.filter((_, at) => at % step === 0);
}

function areaText(outline) {
  return outline.flat().map((value) => value.toString(16).padStart(4, "0")).join("");
}

function readArea(text) {
  const numbers = (text.match(/.{4}/g) || []).map((part) => parseInt(part, 16));
  return numbers.reduce((list, value, at) => {
    if (at % 2) list[list.length - 1].push(value);
    else list.push([value]);
    return list;
  }, []);
}

// How much of each pixel around its middle a dot covers.
function dotMask(radius) {
  const reach = Math.ceil(radius);
  const mask = [];
  for (let dy = -reach; dy <= reach; dy += 1) {
    for (let dx = -reach; dx <= reach; dx += 1) {
      const covered = Math.max(0, Math.min(1, radius + 0.5 - Math.hypot(dx, dy)));
      if (covered > 0) mask.push([dx, dy, covered]);
    }
  }
  return { mask, reach };
}

// Draws all points into a picture, those that stand back first, in colours of their own: faint ones
// that lie on each other stay faint. One loop over plain arrays, which
// needs no graphics card.
function drawPoints(picture, data, levels, place, radius, tables, strengths) {
  const { width, height, data: pixels } = picture;
  const { mask, reach } = dotMask(radius);
  const { points, codes } = data;
  const count = points.length / 2;
  const { scale, left, top } = place;
  const offsets = Int32Array.from(mask, ([dx, dy]) => 4 * (dy * width + dx));
  for (let level = 0; level < strengths.length; level += 1) {
    const colours = Uint8Array.from(tables[level].flat());
    const weights = Int32Array.from(mask, ([, , part]) => Math.round(256 * part * strengths[level]));
    for (let i = 0; i < count; i += 1) {
      if (levels[i] !== level) continue;
      const x = Math.round(points[2 * i] * scale + left);
      const y = Math.round(top - points[2 * i + 1] * scale);
      if (x < reach || y < reach || x >= width - reach || y >= height - reach) continue;
      const colour = 3 * codes[i];
      const red = colours[colour];
      const green = colours[colour + 1];
      const blue = colours[colour + 2];
      const middle = 4 * (y * width + x);
      for (let at = 0; at < offsets.length; at += 1) {
        const pixel = middle + offsets[at];
        const weight = weights[at];
        pixels[pixel] += ((red - pixels[pixel]) * weight) >> 8;
        pixels[pixel + 1] += ((green - pixels[pixel + 1]) * weight) >> 8;
        pixels[pixel + 2] += ((blue - pixels[pixel + 2]) * weight) >> 8;
      }
    }
  }
}
