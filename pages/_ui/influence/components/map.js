// The map of embeddings as an instrument: zoom, move, point at rows, draw around them. What the
// visitor asks for goes out as `asked`: {kind: "point" | "area" | "window" | "clear", ...}.

const instances = new WeakMap();
const REST_MS = 500;
const MOST_ZOOM = 400;
const REACH = 14;
const CORNERS = 64;

class MapView {
  constructor(parent) {
    this.root = this.add(parent, "div", "map");
    this.bar = this.add(this.root, "div", "bar");
    this.stage = this.add(this.root, "div", "stage");
    this.base = this.add(this.stage, "canvas", "points");
    this.over = this.add(this.stage, "canvas", "over");
    this.over.tabIndex = 0;
    this.over.setAttribute("role", "application");
    this.words = this.add(this.root, "div", "words");
    this.words.setAttribute("aria-live", "polite");
    this.legend = this.add(this.root, "div", "legend");
    this.button("+", "Zoom in", () => this.zoomBy(1.6));
    this.button("\u2212", "Zoom out", () => this.zoomBy(1 / 1.6));
    this.button("Whole map", "Show the whole map", () => this.whole());
    this.around = this.button("Draw around rows", "Draw around rows to select them", () => {
      this.drawing = !this.drawing;
      this.showMode();
    });
    this.button("Select all in view", "Select every row in view", () => this.selectView());
    this.clearer = this.button("Clear", "Clear the selection and the row", () => this.clear(true));
    [this.x, this.y, this.zoom] = [SIDE / 2, SIDE / 2, 1];
    [this.outline, this.picked, this.hovered, this.drawing] = [null, null, null, false];
    this.timer = 0;
    this.listen();
    this.observer = new ResizeObserver(() => this.resize());
    this.observer.observe(this.stage);
  }

  add(parent, tag, name) {
    const element = document.createElement(tag);
    if (name) element.className = name;
    parent.appendChild(element);
    return element;
  }

  button(text, title, act) {
    const element = this.add(this.bar, "button", "tool");
    element.type = "button";
    element.textContent = text;
    element.title = title;
    element.setAttribute("aria-label", title);
    element.addEventListener("click", act);
    return element;
  }

  showMode() {
    this.around.setAttribute("aria-pressed", String(this.drawing));
    this.over.style.cursor = this.drawing ? "crosshair" : "grab";
    this.over.style.touchAction = this.drawing ? "none" : "pan-y";
  }

  update(bytes, ask) {
    this.ask = ask;
    const data = unpacked(bytes);
    if (data.version === this.version) {
      this.paint();
      return;
    }
    this.version = data.version;
    const moved = !this.data || data.map !== this.data.map;
    const turned = !this.data || data.turn !== this.data.turn || moved;
    this.data = data;
    if (moved) {
      this.grid = new PointGrid(data.points);
      this.targetGrid = new PointGrid(data.targets);
    }
    if (turned) {
      const [x, y, zoom] = data.window || [SIDE / 2, SIDE / 2, 1];
      [this.x, this.y, this.zoom] = [x, y, zoom];
      this.outline = data.area ? readArea(data.area) : null;
      this.picked = data.point;
    }
    this.over.setAttribute("aria-label", data.alt);
    this.over.dataset.points = String(data.points.length / 2);
    this.showMode();
    this.drawLegend();
    this.weigh();
    this.resize();
  }

  // Which points stand back: what a filter dims, then quiet kinds, then all others.
  weigh() {
    const { points, codes, shown, kinds } = this.data;
    const quiet = new Uint8Array(256);
    quiet[UNKNOWN] = 1;
    if (kinds) kinds.forEach((kind, code) => { quiet[code] = kind.color ? 0 : 1; });
    const count = points.length / 2;
    this.levels = new Uint8Array(count);
    let selected = 0;
    for (let i = 0; i < count; i += 1) {
      const matches = !shown.length || shown[i];
      const within = matches && this.outline
        && isInside(points[2 * i], points[2 * i + 1], this.outline);
      if (within) selected += 1;
      const back = this.outline ? !within : !matches;
      // What was searched for or drawn around stands out, whatever its kind.
      const named = this.outline || shown.length || !quiet[codes[i]];
      this.levels[i] = back ? 0 : named ? 2 : 1;
    }
    this.over.dataset.selected = this.outline ? String(selected) : "";
    this.clearer.disabled = !this.outline && !this.picked;
  }

  resize() {
    const width = this.stage.clientWidth;
    const height = this.stage.clientHeight;
    if (!this.data || !width) return;
    this.ratio = Math.min(window.devicePixelRatio || 1, 2);
    for (const canvas of [this.base, this.over]) {
      canvas.width = Math.round(width * this.ratio);
      canvas.height = Math.round(height * this.ratio);
    }
    this.paint();
  }

  // Asks for one picture at the next frame, however often it is called.
  paint() {
    if (this.frame) return;
    this.frame = requestAnimationFrame(() => {
      this.frame = 0;
      this.draw();
    });
  }

  themeColours() {
    const style = getComputedStyle(this.root);
    const of = (name) => rgb(style.getPropertyValue(name));
    return {
      background: of("--st-background-color"),
      text: of("--st-text-color"),
      primary: style.getPropertyValue("--st-primary-color").trim(),
    };
  }

  // Where the map's numbers stand in the picture, in pixels of the screen.
  place() {
    const [width, height] = [this.base.width, this.base.height];
    const edge = 32 * this.ratio;
    const fit = Math.min((width - edge) / this.grid.wide, (height - edge) / this.grid.high);
    const scale = fit * this.zoom;
    return { scale, left: width / 2 - this.x * scale, top: height / 2 + this.y * scale };
  }

  draw() {
    if (!this.data || !this.base.width) return;
    const started = performance.now();
    const theme = this.themeColours();
    const context = this.base.getContext("2d");
    const picture = context.createImageData(this.base.width, this.base.height);
    const [red, green, blue] = theme.background;
    new Uint32Array(picture.data.buffer).fill(
      (255 << 24) | (blue << 16) | (green << 8) | red,
    );
    const count = this.data.points.length / 2;
    const small = count > 100000 ? 0.9 : count > 20000 ? 1.3 : count > 3000 ? 2 : 3;
    const radius = Math.min(7, small * this.zoom ** 0.4) * this.ratio;
    const strong = count > 50000 ? 0.75 : 0.88;
    const table = colourTable(this.data, theme);
    const faint = table.map((colour) => mixed(theme.background, colour, 0.2));
    const tables = [faint, table, table];
    drawPoints(picture, this.data, this.levels, this.place(), radius, tables, [1, 0.5, strong]);
    context.putImageData(picture, 0, 0);
    this.drawOver(theme);
    this.over.dataset.window = [this.x, this.y, this.zoom].map((v) => v.toFixed(1)).join(",");
    this.over.dataset.drawn = (performance.now() - started).toFixed(0);
    this.over.dataset.ready = "1";
  }

  screen(x, y) {
    const { scale, left, top } = this.place();
    return [x * scale + left, top - y * scale];
  }

  drawOver(theme = this.themeColours()) {
    const context = this.over.getContext("2d");
    context.clearRect(0, 0, this.over.width, this.over.height);
    context.lineWidth = 1.5 * this.ratio;
    this.drawTargets(context, theme);
    const outline = this.trail || this.outline;
    if (outline && outline.length > 1) {
      context.beginPath();
      outline.forEach(([x, y], at) => {
        const [left, top] = this.screen(x, y);
        if (at) context.lineTo(left, top);
        else context.moveTo(left, top);
      });
      if (!this.trail) context.closePath();
      context.strokeStyle = theme.primary;
      context.lineWidth = 2 * this.ratio;
      context.stroke();
    }
    if (this.hovered) this.ring(context, this.hovered, 8, theme, 1.5);
    if (this.picked) this.ring(context, this.picked, 11, theme, 3);
  }

  drawTargets(context, theme) {
    const { targets } = this.data;
    // Small among many points, and larger the closer one looks.
    const size = Math.min(4.5, 2.4 * this.zoom ** 0.3) * this.ratio;
    context.beginPath();
    for (let i = 0; i < targets.length; i += 2) {
      const [x, y] = this.screen(targets[i], targets[i + 1]);
      if (x < 0 || y < 0 || x > this.over.width || y > this.over.height) continue;
      context.moveTo(x, y - size);
      context.lineTo(x + size, y);
      context.lineTo(x, y + size);
      context.lineTo(x - size, y);
      context.closePath();
    }
    context.strokeStyle = `rgba(${theme.text}, 0.75)`;
    context.lineWidth = this.ratio;
    context.stroke();
  }

  ring(context, { side, row }, radius, theme, width) {
    const points = side === "target" ? this.data.targets : this.data.points;
    if (2 * row >= points.length) return;
    const [x, y] = this.screen(points[2 * row], points[2 * row + 1]);
    for (const [colour, wide] of [[theme.background, width + 3], [theme.text, width]]) {
      context.beginPath();
      context.arc(x, y, radius * this.ratio, 0, 2 * Math.PI);
      context.strokeStyle = `rgb(${colour})`;
      context.lineWidth = wide * this.ratio;
      context.stroke();
    }
  }

  drawLegend() {
    this.legend.replaceChildren();
    const { kinds, palette, ticks, title, targetWords } = this.data;
    this.add(this.legend, "strong").textContent = title;
    if (palette) {
      const scale = this.add(this.legend, "span", "scale");
      this.add(scale, "span").textContent = ticks[0];
      const strip = this.add(scale, "span", "strip");
      strip.style.background = `linear-gradient(to right, ${palette.join(", ")})`;
      this.add(scale, "span").textContent = ticks[1];
    } else {
      for (const kind of kinds) {
        const item = this.add(this.legend, "span", "item");
        const swatch = this.add(item, "span", kind.color ? "swatch" : "swatch quiet");
        if (kind.color) swatch.style.background = kind.color;
        this.add(item, "span").textContent = `${kind.name} (${kind.count})`;
      }
    }
    if (this.data.targets.length) {
      const item = this.add(this.legend, "span", "item");
      this.add(item, "span", "diamond");
      this.add(item, "span").textContent = targetWords;
    }
  }

  // What stands below the map of one point.
  tell(point) {
    if (!point) {
      this.words.textContent = this.data.hint;
      return;
    }
    const { codes, kinds, values, low, high, valueWords } = this.data;
    const place = (point.row + 1).toLocaleString("en");
    if (point.side === "target") {
      this.words.textContent = `Target row ${place}. Click to read it.`;
      return;
    }
    const parts = [`Pool row ${place}`];
    if (values.length && values[point.row] !== SIDE) {
      const value = low + (values[point.row] / (SIDE - 1)) * (high - low);
      parts.push(`${valueWords} ${Number(value.toPrecision(3))}`);
    }
    const kind = kinds && kinds[codes[point.row]];
    if (kind) parts.push(kind.name);
    this.words.textContent = `${parts.join(" \u00b7 ")}. Click to read it.`;
  }

  // The map's place of a pointer event.
  at(event) {
    const box = this.over.getBoundingClientRect();
    const { scale, left, top } = this.place();
    const x = (event.clientX - box.left) * this.ratio;
    const y = (event.clientY - box.top) * this.ratio;
    return [(x - left) / scale, (top - y) / scale];
  }

  find(x, y, reach = REACH) {
    const within = (reach * this.ratio) / this.place().scale;
    const { shown, targets, points } = this.data;
    const row = this.grid.nearest(x, y, within, (i) => !shown.length || shown[i]);
    const target = targets.length ? this.targetGrid.nearest(x, y, within, () => true) : -1;
    const away = (list, i) => (i < 0 ? Infinity : Math.hypot(list[2 * i] - x, list[2 * i + 1] - y));
    if (row < 0 && target < 0) return null;
    return away(targets, target) < away(points, row)
      ? { side: "target", row: target }
      : { side: "pool", row };
  }

  listen() {
    const over = this.over;
    over.addEventListener("pointerdown", (event) => {
      if (event.button) return;
      over.setPointerCapture(event.pointerId);
      this.down = { x: event.clientX, y: event.clientY, from: [this.x, this.y], moved: false };
      if (this.drawing || event.shiftKey) this.trail = [this.rounded(this.at(event))];
    });
    over.addEventListener("pointermove", (event) => this.move(event));
    over.addEventListener("pointerup", (event) => this.release(event));
    over.addEventListener("pointercancel", () => { this.down = this.trail = null; this.paint(); });
    over.addEventListener("pointerleave", () => this.hover(null));
    over.addEventListener("dblclick", (event) => this.zoomBy(2, this.at(event)));
    over.addEventListener("wheel", (event) => {
      event.preventDefault();
      this.zoomBy(Math.exp(-event.deltaY * (event.deltaMode ? 0.05 : 0.0018)), this.at(event));
    }, { passive: false });
    over.addEventListener("keydown", (event) => this.press(event));
    over.addEventListener("blur", () => this.hover(null));
  }

  move(event) {
    if (!this.down) {
      this.hover(this.find(...this.at(event)));
      return;
    }
    const [dx, dy] = [event.clientX - this.down.x, event.clientY - this.down.y];
    this.down.moved = this.down.moved || Math.hypot(dx, dy) > 4;
    if (this.trail) {
      this.trail.push(this.rounded(this.at(event)));
      this.drawOver();
    } else if (this.down.moved) {
      const { scale } = this.place();
      this.x = this.down.from[0] - (dx * this.ratio) / scale;
      this.y = this.down.from[1] + (dy * this.ratio) / scale;
      this.moved();
    }
  }

  release(event) {
    const { down, trail } = this;
    [this.down, this.trail] = [null, null];
    if (!down) return;
    if (trail && down.moved) {
      this.select(thinned(trail, CORNERS));
      this.drawing = false;
      this.showMode();
    } else if (!down.moved) {
      this.pick(this.find(...this.at(event)));
    }
    this.paint();
  }

  hover(point) {
    const same = (this.hovered && point
      && this.hovered.side === point.side && this.hovered.row === point.row)
      || (!this.hovered && !point);
    if (same || !this.data) return;
    this.hovered = point;
    this.drawOver();
    this.tell(point);
  }

  pick(point) {
    if (!point) return;
    this.picked = point;
    this.clearer.disabled = false;
    this.paint();
    this.send({ kind: "point", ...point });
  }

  rounded([x, y]) {
    return [x, y].map((value) => Math.max(0, Math.min(SIDE, Math.round(value))));
  }

  select(outline) {
    if (outline.length < 3) return;
    this.outline = outline;
    this.weigh();
    this.paint();
    this.send({ kind: "area", area: areaText(outline) });
  }

  selectView() {
    const { scale, left, top } = this.place();
    const [width, height] = [this.base.width, this.base.height];
    const [x0, y0] = this.rounded([-left / scale, (top - height) / scale]);
    const [x1, y1] = this.rounded([(width - left) / scale, top / scale]);
    this.select([[x0, y0], [x1, y0], [x1, y1], [x0, y1]]);
  }

  clear(tell) {
    if (!this.outline && !this.picked) return;
    this.outline = this.picked = null;
    this.weigh();
    this.paint();
    if (tell) this.send({ kind: "clear" });
  }

  whole() {
    [this.x, this.y, this.zoom] = [SIDE / 2, SIDE / 2, 1];
    this.moved();
  }

  zoomBy(factor, around = [this.x, this.y]) {
    const zoom = Math.max(1, Math.min(MOST_ZOOM, this.zoom * factor));
    const share = 1 - this.zoom / zoom;
    this.x += (around[0] - this.x) * share;
    this.y += (around[1] - this.y) * share;
    this.zoom = zoom;
    if (zoom === 1) this.x = this.y = SIDE / 2;
    this.moved();
  }

  // The part in view goes into the address once it rests.
  moved() {
    this.x = Math.max(0, Math.min(SIDE, this.x));
    this.y = Math.max(0, Math.min(SIDE, this.y));
    this.paint();
    clearTimeout(this.timer);
    this.timer = setTimeout(() => {
      const window = [Math.round(this.x), Math.round(this.y), Number(this.zoom.toFixed(2))];
      this.send({ kind: "window", window });
    }, REST_MS);
  }

  press(event) {
    const step = (0.12 * SIDE) / this.zoom;
    const moves = {
      ArrowLeft: [-step, 0], ArrowRight: [step, 0], ArrowUp: [0, step], ArrowDown: [0, -step],
    };
    if (moves[event.key]) {
      this.x += moves[event.key][0];
      this.y += moves[event.key][1];
      this.moved();
      this.hover(this.find(this.x, this.y, 60));
    } else if (event.key === "+" || event.key === "=") this.zoomBy(1.6);
    else if (event.key === "-") this.zoomBy(1 / 1.6);
    else if (event.key === "Home" || event.key === "0") this.whole();
    else if (event.key === "Enter") this.pick(this.hovered || this.find(this.x, this.y, 60));
    else if (event.key === "a" && !event.ctrlKey && !event.metaKey) this.selectView();
    else if (event.key === "Escape") this.clear(true);
    else return;
    event.preventDefault();
    event.stopPropagation();
  }

  send(what) {
    this.ask({ ...what, turn: this.data.turn });
  }

  destroy() {
    clearTimeout(this.timer);
    cancelAnimationFrame(this.frame);
    this.observer.disconnect();
    this.root.remove();
  }
}

export default function (component) {
  const { data, parentElement, setTriggerValue } = component;
  let view = instances.get(parentElement);
  if (!view) {
    view = new MapView(parentElement);
    instances.set(parentElement, view);
  }
  view.update(data, (what) => setTriggerValue("asked", what));
  view.tell(view.hovered);
  return () => {
    // Called before every update as well: only what has left the page is taken down.
    setTimeout(() => {
      if (parentElement.isConnected !== false && view.root.isConnected) return;
      view.destroy();
      instances.delete(parentElement);
    }, 0);
  };
}
