// The heatmap as an instrument: reads what is under the pointer, zooms, and asks for windows and
// pairs. Events go out as `asked`: {kind, ...} with places from 0; Python answers with new data.

const instances = new WeakMap();
const REST_MS = 150;

class HeatmapView {
  constructor(parent) {
    this.root = document.createElement("div");
    this.root.className = "heatmap";
    const stage = this.add(this.root, "div", "stage");
    this.base = this.add(stage, "canvas", "cells");
    this.over = this.add(stage, "canvas", "over");
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "application");
    this.line = this.add(this.root, "div", "line");
    this.words = this.add(this.line, "span", "words");
    this.words.setAttribute("aria-live", "polite");
    this.save = this.add(this.line, "button", "save");
    this.save.type = "button";
    this.save.textContent = "PNG";
    this.save.title = "Save the picture as a PNG file";
    this.save.addEventListener("click", () => this.download());
    parent.appendChild(this.root);
    this.timer = 0;
    this.turn = 0;
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(stage);
    this.stage = stage;
  }

  add(parent, tag, name) {
    const element = document.createElement(tag);
    element.className = name;
    parent.appendChild(element);
    return element;
  }

  update(data, ask) {
    this.ask = ask;
    this.data = data;
    data.table = colourTable(data.palette);
    this.values = decoded(data.cells);
    this.half = decoded(data.halfWidths);
    this.columns = data.poolEdges.length - 1;
    this.rows = data.targetEdges.length - 1;
    this.picture = cellPicture(
      this.values, this.columns, this.rows, data.scale, data.table, [128, 128, 128],
    );
    // While the wheel turns, the answer to an earlier turn must not move the view back.
    const late = data.answer < this.turn && Date.now() - this.turn < 4000;
    if (!this.view || (!this.timer && !late)) this.view = [...data.window];
    this.cursor = this.cursor && this.inside(this.cursor) ? this.cursor : null;
    this.over.setAttribute("aria-label", data.alt);
    this.stage.style.height = `${data.height}px`;
    this.save.hidden = Boolean(data.compact);
    this.root.dataset.window = data.window.join("-");
    this.root.dataset.ready = late ? "0" : "1";
    this.resize();
    this.tell(this.cursor);
  }

  resize() {
    const width = this.stage.clientWidth;
    if (!this.data || !width) return;
    this.layout = layoutOf(width, this.data.height, this.data);
    for (const canvas of [this.base, this.over]) this.fit(canvas, width, this.data.height);
    this.draw();
  }

  fit(canvas, width, height) {
    const ratio = window.devicePixelRatio || 1;
    canvas.width = Math.round(width * ratio);
    canvas.height = Math.round(height * ratio);
    canvas.getContext("2d").setTransform(ratio, 0, 0, ratio, 0, 0);
  }

  draw() {
    const context = this.base.getContext("2d");
    drawHeatmap(context, this.layout, this.data, this.picture, this.view, themeOf(this.root));
    this.drawOver();
  }

  drawOver(box = null) {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.layout.width, this.layout.height);
    const cells = this.layout.cells;
    context.save();
    context.beginPath();
    context.rect(cells.x - 2, cells.y - 2, cells.w + 4, cells.h + 4);
    context.clip();
    if (this.data.marked) this.outline(context, this.cellAt(...this.data.marked));
    if (this.cursor) this.outline(context, this.cellAt(...this.cursor));
    context.restore();
    if (!box) return;
    context.fillStyle = "rgba(128,128,128,0.25)";
    context.strokeStyle = themeOf(this.root).text;
    context.fillRect(...box);
    context.strokeRect(...box);
  }

  // A frame in black and white, seen on every colour.
  outline(context, cell) {
    const cells = this.layout.cells;
    const { poolEdges, targetEdges } = this.data;
    const x = acrossAt(cells, this.view, poolEdges[cell[0]]);
    const y = downAt(cells, this.view, targetEdges[cell[1]]);
    const w = Math.max(4, acrossAt(cells, this.view, poolEdges[cell[0] + 1]) - x);
    const h = Math.max(4, downAt(cells, this.view, targetEdges[cell[1] + 1]) - y);
    for (const [colour, grow] of [["#000000", 1], ["#ffffff", 2.5]]) {
      context.strokeStyle = colour;
      context.lineWidth = 1.5;
      context.strokeRect(x - grow, y - grow, w + 2 * grow, h + 2 * grow);
    }
  }

  cellAt(pool, target) {
    return [cellOf(this.data.poolEdges, pool), cellOf(this.data.targetEdges, target)];
  }

  inside([pool, target]) {
    const [a, b, c, d] = this.data.window;
    return a <= pool && pool < b && c <= target && target < d;
  }

  // Place (pool, target) under a pointer, None beside the cells.
  placeOf(event) {
    const bounds = this.over.getBoundingClientRect();
    const cells = this.layout.cells;
    const x = (event.clientX - bounds.left - cells.x) / cells.w;
    const y = (event.clientY - bounds.top - cells.y) / cells.h;
    if (x < 0 || x >= 1 || y < 0 || y >= 1) return null;
    const [a, b, c, d] = this.view;
    return [a + x * (b - a), c + y * (d - c)];
  }

  tell(place) {
    if (!place || !this.inside(place)) {
      this.words.textContent = this.data.hint;
      return;
    }
    const [i, j] = this.cellAt(...place);
    const { poolEdges, targetEdges, poolGroups, targetGroups, percent } = this.data;
    const span = (edges, k) =>
      edges[k + 1] - edges[k] === 1
        ? whole(edges[k] + 1)
        : `${whole(edges[k] + 1)} to ${whole(edges[k + 1])}`;
    const named = (groups, at) => {
      const name = groupAt(groups, at);
      return name ? ` (${name})` : "";
    };
    const at = j * this.columns + i;
    const half = this.half ? this.half[at] : NaN;
    const pairs = (poolEdges[i + 1] - poolEdges[i]) * (targetEdges[j + 1] - targetEdges[j]);
    const value = digits(this.values[at], percent);
    const least = 1e-4 * (this.data.scale.hi - this.data.scale.lo);
    const width = half < least ? `< ${digits(least, false, 1)}` : digits(half, false, 2);
    const doubt = Number.isFinite(half) && half > 0 ? ` ± ${width}` : "";
    this.words.textContent =
      `Pool ${span(poolEdges, i)}${named(poolGroups, poolEdges[i])}, ` +
      `target ${span(targetEdges, j)}${named(targetGroups, targetEdges[j])}: ` +
      (pairs === 1 ? `${value}${doubt}` : `${this.data.cellWords} of ${whole(pairs)} pairs ${value}`);
  }

  listen() {
    const over = this.over;
    over.addEventListener("pointermove", (event) => this.moved(event));
    over.addEventListener("pointerleave", () => this.data && this.tell(this.cursor));
    over.addEventListener("pointerdown", (event) => {
      const place = this.placeOf(event);
      if (event.button !== 0 || !place) return;
      this.from = { x: event.clientX, y: event.clientY, place };
      over.setPointerCapture(event.pointerId);
    });
    over.addEventListener("pointerup", (event) => this.released(event));
    over.addEventListener("pointercancel", () => {
      this.from = null;
      this.drawOver();
    });
    over.addEventListener("dblclick", (event) => {
      if (this.placeOf(event)) this.send({ kind: "out" });
    });
    over.addEventListener("wheel", (event) => this.wheel(event), { passive: false });
    over.addEventListener("keydown", (event) => this.key(event));
  }

  moved(event) {
    if (!this.data) return;
    const place = this.placeOf(event);
    if (!this.from) {
      this.tell(place || this.cursor);
      return;
    }
    this.drawOver(this.boxOf(event));
  }

  boxOf(event) {
    const bounds = this.over.getBoundingClientRect();
    const cells = this.layout.cells;
    const clip = (at, start, size) => Math.max(start, Math.min(start + size, at));
    const x0 = clip(this.from.x - bounds.left, cells.x, cells.w);
    const x1 = clip(event.clientX - bounds.left, cells.x, cells.w);
    const y0 = clip(this.from.y - bounds.top, cells.y, cells.h);
    const y1 = clip(event.clientY - bounds.top, cells.y, cells.h);
    return [Math.min(x0, x1), Math.min(y0, y1), Math.abs(x1 - x0), Math.abs(y1 - y0)];
  }

  released(event) {
    if (!this.from) return;
    const [x, y, w, h] = this.boxOf(event);
    const from = this.from;
    this.from = null;
    this.drawOver();
    if (w > 5 && h > 5) {
      const cells = this.layout.cells;
      const [a, b, c, d] = this.view;
      const across = (at) => a + ((at - cells.x) / cells.w) * (b - a);
      const down = (at) => c + ((at - cells.y) / cells.h) * (d - c);
      this.look([across(x), across(x + w), down(y), down(y + h)], "box");
      return;
    }
    // A second click makes a double click, which zooms out instead.
    clearTimeout(this.clicked);
    this.cursor = null;
    if (event.detail > 1) return;
    this.clicked = setTimeout(() => this.choose(from.place), 260);
  }

  choose(place) {
    if (!this.inside(place)) return;
    const [i, j] = this.cellAt(...place);
    const { poolEdges, targetEdges } = this.data;
    this.send({
      kind: "cell",
      pool: [poolEdges[i], poolEdges[i + 1]],
      target: [targetEdges[j], targetEdges[j + 1]],
    });
  }

  wheel(event) {
    const place = this.data && this.placeOf(event);
    if (!place || event.ctrlKey) return;
    const [a, b, c, d] = this.view;
    const whole = b - a >= this.data.size[0] && d - c >= this.data.size[1];
    // Nothing to zoom out to: the page may scroll.
    if (whole && event.deltaY > 0) return;
    event.preventDefault();
    const lines = event.deltaMode === 1 ? 30 : 1;
    const turn = Math.max(-240, Math.min(240, event.deltaY * lines));
    this.zoom(place, Math.exp(turn * 0.0025));
  }

  zoom(place, factor) {
    const [a, b, c, d] = this.view;
    const [across, down] = this.data.size;
    this.view = [
      ...zoomedSide(a, b, place[0], factor, across), ...zoomedSide(c, d, place[1], factor, down),
    ];
    this.rest();
  }

  pan(across, down) {
    const [a, b, c, d] = this.view;
    const [n, m] = this.data.size;
    const x = across * (b - a);
    const y = down * (d - c);
    const view = [...within(a + x, b + x, n), ...within(c + y, d + y, m)];
    const moved = view.some((end, i) => Math.abs(end - this.view[i]) > 1e-9);
    if (moved) {
      this.view = view;
      this.rest();
    }
    return moved;
  }

  // Draws the old cells at their new size at once; asks for new ones when the view rests.
  rest() {
    this.draw();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      this.timer = 0;
      this.look(this.view);
    }, REST_MS);
  }

  look(view, kind = "window") {
    this.view = [...view];
    this.draw();
    this.send({ kind, pool: view.slice(0, 2), target: view.slice(2) });
  }

  send(what) {
    clearTimeout(this.clicked);
    clearTimeout(this.timer);
    this.timer = 0;
    this.root.dataset.ready = "0";
    this.turn = Date.now();
    this.ask({ ...what, turn: this.turn });
  }

  key(event) {
    if (!this.data || event.ctrlKey || event.metaKey || event.altKey) return;
    const [a, b, c, d] = this.view;
    const middle = this.cursor || [Math.floor((a + b) / 2), Math.floor((c + d) / 2)];
    const arrows = {
      ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1],
    };
    if (event.key in arrows) {
      const [x, y] = arrows[event.key];
      if (event.shiftKey || !this.pan(0.2 * x, 0.2 * y)) this.step(middle, x, y);
    } else if (event.key === "+" || event.key === "=") this.zoom(middle, 0.5);
    else if (event.key === "-" || event.key === "_") this.zoom(middle, 2);
    else if (event.key === "Enter") this.choose(middle);
    else if (event.key === "Escape" || event.key === "Backspace") this.send({ kind: "out" });
    else if (event.key === "Home") this.send({ kind: "whole" });
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  // Moves the keyboard's cursor by a cell.
  step(from, x, y) {
    const [i, j] = this.cellAt(...from);
    const { poolEdges, targetEdges } = this.data;
    const to = (at, by, last) => Math.max(0, Math.min(last, at + by));
    const first = !this.cursor;
    this.cursor = [
      poolEdges[to(i, first ? 0 : x, this.columns - 1)],
      targetEdges[to(j, first ? 0 : y, this.rows - 1)],
    ];
    this.drawOver();
    this.tell(this.cursor);
  }

  download() {
    const canvas = document.createElement("canvas");
    this.fit(canvas, this.layout.width, this.layout.height);
    const theme = themeOf(this.root);
    const context = canvas.getContext("2d");
    drawHeatmap(context, this.layout, this.data, this.picture, this.view, theme);
    canvas.toBlob((blob) => {
      const link = document.createElement("a");
      link.href = URL.createObjectURL(blob);
      link.download = this.data.fileName;
      link.click();
      setTimeout(() => URL.revokeObjectURL(link.href), 1000);
    }, "image/png");
  }

  destroy() {
    clearTimeout(this.timer);
    clearTimeout(this.clicked);
    this.observer.disconnect();
    this.root.remove();
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = instances.get(parentElement);
  if (!view) {
    view = new HeatmapView(parentElement);
    instances.set(parentElement, view);
  }
  view.update(data, (what) => setTriggerValue("asked", what));
  return () => {
    // Called before every update as well: only what has left the page is taken down.
    setTimeout(() => {
      if (parentElement.isConnected !== false && view.root.isConnected) return;
      view.destroy();
      instances.delete(parentElement);
    }, 0);
  };
}
