// Draws a window of the heatmap with its profiles, colour bar and histogram on a canvas.
// Knows the data and the view (places from 0 that are in sight), nothing of events.

const FONT = '12px "Source Sans", "Source Sans Pro", sans-serif';
const SMALL = '11px "Source Sans", "Source Sans Pro", sans-serif';

function layoutOf(width, height, data) {
  const small = width < 560;
  const named = data.targetGroups.length > 0;
  const left = named ? Math.max(84, Math.min(150, width * 0.15)) : small ? 50 : 64;
  const right = small ? 52 : 62;
  const bar = 12;
  const plain = data.compact || small;
  const histogram = plain ? 0 : width < 800 ? 40 : 64;
  const rowProfile = plain ? 0 : width < 800 ? 64 : 96;
  const columnProfile = plain ? 0 : 76;
  const top = 28;
  const x = left;
  const w = width - left - rowProfile - histogram - bar - right - (plain ? 10 : 26);
  const room = data.poolGroups.length ? w / data.poolGroups.length : w;
  // Names of narrow groups are written aslant.
  const aslant = room < 70 && room >= 11;
  const h = height - top - columnProfile - (aslant ? 92 : 42) - (plain ? 0 : 6);
  const barAt = x + w + (plain ? 10 : rowProfile + 20);
  return {
    cells: { x, y: top, w, h },
    row: { x: x + w + 6, y: top, w: rowProfile, h },
    column: { x, y: top + h + 6, w, h: columnProfile },
    bar: { x: barAt, y: top, w: bar, h },
    histogram: { x: barAt + bar + 46, y: top, w: histogram, h },
    below: top + h + (plain ? 0 : columnProfile + 6),
    aslant,
    width,
    height,
    plain,
  };
}

function themeOf(element) {
  const style = getComputedStyle(element);
  const read = (name, otherwise) => style.getPropertyValue(name).trim() || otherwise;
  return {
    text: read("--st-text-color", "#1d2733"),
    paper: read("--st-background-color", "#ffffff"),
    line: read("--st-border-color", "#d8dee5"),
    panel: read("--st-secondary-background-color", "#f4f6f8"),
    accent: read("--st-primary-color", "#0072B2"),
  };
}

// Position on the canvas of a place (from 0, fractions allowed) in the view.
const acrossAt = (box, view, place) => box.x + ((place - view[0]) / (view[1] - view[0])) * box.w;
const downAt = (box, view, place) => box.y + ((place - view[2]) / (view[3] - view[2])) * box.h;

function drawHeatmap(context, layout, data, picture, view, theme) {
  const box = layout.cells;
  context.clearRect(0, 0, layout.width, layout.height);
  context.fillStyle = theme.paper;
  context.fillRect(0, 0, layout.width, layout.height);
  drawTitle(context, layout, data, theme);
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.w, box.h);
  context.fillStyle = theme.panel;
  context.fill();
  context.clip();
  context.imageSmoothingEnabled = false;
  const [first, last, top, bottom] = data.window;
  const x = acrossAt(box, view, first);
  const y = downAt(box, view, top);
  context.drawImage(
    picture, x, y, acrossAt(box, view, last) - x, downAt(box, view, bottom) - y,
  );
  drawBorders(context, box, data, view, theme);
  context.restore();
  drawAcross(context, layout, data, view, theme);
  drawDown(context, layout, data, view, theme);
  drawBar(context, layout, data, theme);
  if (layout.plain) return;
  drawRowProfile(context, layout, data, view, theme);
  drawColumnProfile(context, layout, data, view, theme);
  drawSpread(context, layout, data, theme);
}

function drawTitle(context, layout, data, theme) {
  let x = layout.cells.x;
  if (data.titleColor) {
    context.fillStyle = data.titleColor;
    context.fillRect(x, 6, 12, 12);
    x += 18;
  }
  context.fillStyle = theme.text;
  context.font = `600 14px "Source Sans", "Source Sans Pro", sans-serif`;
  context.textAlign = "left";
  context.textBaseline = "middle";
  context.fillText(fitted(context, data.title, layout.width - x - 4), x, 13);
}

// Thin lines between groups of rows, where they are not too many.
function drawBorders(context, box, data, view, theme) {
  context.strokeStyle = theme.paper;
  context.lineWidth = 1.5;
  context.beginPath();
  if (data.poolGroups.length <= 60) {
    for (const [, first] of data.poolGroups) {
      const x = Math.round(acrossAt(box, view, first));
      context.moveTo(x, box.y);
      context.lineTo(x, box.y + box.h);
    }
  }
  if (data.targetGroups.length <= 60) {
    for (const [, first] of data.targetGroups) {
      const y = Math.round(downAt(box, view, first));
      context.moveTo(box.x, y);
      context.lineTo(box.x + box.w, y);
    }
  }
  context.stroke();
}

function drawAcross(context, layout, data, view, theme) {
  const box = layout.cells;
  const y = layout.below;
  context.fillStyle = theme.text;
  context.font = SMALL;
  context.textAlign = "center";
  context.textBaseline = "top";
  if (data.poolGroups.length) {
    for (const [name, first, last] of data.poolGroups) {
      const a = Math.max(box.x, acrossAt(box, view, first));
      const b = Math.min(box.x + box.w, acrossAt(box, view, last));
      if (layout.aslant) slantedName(context, name, (a + b) / 2, y + 5, b - a);
      else context.fillText(fitted(context, name, b - a - 4), (a + b) / 2, y + 4);
    }
  } else {
    for (const place of ticks(view[0], view[1], box.w, 70)) {
      context.fillText(whole(place), acrossAt(box, view, place - 0.5), y + 4);
    }
  }
  context.font = FONT;
  context.fillText(fitted(context, data.poolAxis, box.w), box.x + box.w / 2, y + (layout.aslant ? 72 : 20));
}

function slantedName(context, name, x, y, room) {
  if (room < 11) return;
  context.save();
  context.translate(x + 4, y);
  context.rotate(-Math.PI / 4);
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(fitted(context, name, 84), 0, 2);
  context.restore();
}

function drawDown(context, layout, data, view, theme) {
  const box = layout.cells;
  context.fillStyle = theme.text;
  context.font = SMALL;
  context.textAlign = "right";
  context.textBaseline = "middle";
  if (data.targetGroups.length) {
    let free = box.y - 20;
    for (const [name, first, last] of data.targetGroups) {
      const a = Math.max(box.y, downAt(box, view, first));
      const b = Math.min(box.y + box.h, downAt(box, view, last));
      const at = (a + b) / 2;
      if (b <= a || at - free < 13) continue;
      free = at;
      context.fillText(fitted(context, name, box.x - 26), box.x - 6, at);
    }
  } else {
    for (const place of ticks(view[2], view[3], box.h, 40)) {
      context.fillText(whole(place), box.x - 6, downAt(box, view, place - 0.5));
    }
  }
  context.save();
  context.translate(9, box.y + box.h / 2);
  context.rotate(-Math.PI / 2);
  context.textAlign = "center";
  context.font = FONT;
  context.fillText(fitted(context, data.targetAxis, box.h), 0, 0);
  context.restore();
}

function drawBar(context, layout, data, theme) {
  const box = layout.bar;
  for (let i = 0; i < box.h; i++) {
    const colour = data.table[Math.round(255 * (1 - i / (box.h - 1)))];
    context.fillStyle = `rgb(${colour.join(",")})`;
    context.fillRect(box.x, box.y + i, box.w, 1.5);
  }
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(box.x - 0.5, box.y - 0.5, box.w + 1, box.h + 1);
  context.fillStyle = theme.text;
  context.font = SMALL;
  context.textAlign = "left";
  context.textBaseline = "middle";
  for (const [share, word] of data.barTicks) {
    const y = Math.max(box.y + 6, Math.min(box.y + box.h - 6, box.y + box.h * (1 - share)));
    context.fillText(word, box.x + box.w + 4, y);
  }
}

// How the values of the drawn cells are spread, along the colour bar.
function drawSpread(context, layout, data, theme) {
  const box = layout.histogram;
  const most = Math.max(1, ...data.spread);
  const step = box.h / data.spread.length;
  context.fillStyle = theme.text;
  context.globalAlpha = 0.55;
  data.spread.forEach((count, i) => {
    const w = (box.w * count) / most;
    context.fillRect(box.x, box.y + box.h - (i + 1) * step, w, Math.max(1, step - 1));
  });
  context.globalAlpha = 1;
  caption(context, "cells", box.x, layout.below, theme);
}

function caption(context, text, x, y, theme) {
  context.fillStyle = theme.text;
  context.font = SMALL;
  context.textAlign = "left";
  context.textBaseline = "top";
  context.fillText(text, x, y + 4);
}

// The range that a profile spans, its band included.
function profileRange(profile) {
  const ends = [];
  profile.mean.forEach((mean, i) => {
    if (mean === null) return;
    const half = (profile.half && profile.half[i]) || 0;
    ends.push(mean - half, mean + half);
  });
  if (!ends.length) return [0, 1];
  const low = Math.min(...ends);
  const high = Math.max(...ends);
  const room = (high - low || Math.abs(high) || 1) * 0.06;
  return [low - room, high + room];
}

// Draws a profile: `along` gives the ends of a cell on its axis, `at` the height of a value.
function drawProfile(context, profile, edges, along, at, vertical, theme) {
  const rectangle = (a, b, from, to) =>
    vertical
      ? context.fillRect(Math.min(from, to), a, Math.abs(to - from), b - a)
      : context.fillRect(a, Math.min(from, to), b - a, Math.abs(to - from));
  for (let i = 0; i < profile.mean.length; i++) {
    const mean = profile.mean[i];
    if (mean === null) continue;
    const [a, b] = along(edges[i], edges[i + 1]);
    const half = profile.half && profile.half[i];
    if (half) {
      context.globalAlpha = 0.25;
      context.fillStyle = theme.accent;
      rectangle(a, Math.max(b, a + 0.5), at(mean - half), at(mean + half));
      context.globalAlpha = 1;
    }
    context.fillStyle = theme.accent;
    const height = at(mean);
    rectangle(a, Math.max(b, a + 1), height - 1, height + 1);
  }
}

function drawRowProfile(context, layout, data, view, theme) {
  const box = layout.row;
  const [low, high] = profileRange(data.targetProfile);
  const at = (value) => box.x + 4 + ((value - low) / (high - low)) * (box.w - 8);
  frame(context, box, theme);
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.w, box.h);
  context.clip();
  zeroLine(context, low, high, at, box, true, theme);
  const along = (a, b) => [downAt(box, view, a), downAt(box, view, b)];
  drawProfile(context, data.targetProfile, data.targetEdges, along, at, true, theme);
  context.restore();
  caption(context, "mean of row", box.x, layout.cells.y + layout.cells.h, theme);
  caption(context, `${digits(low)} to`, box.x, layout.cells.y + layout.cells.h + 14, theme);
  caption(context, digits(high), box.x, layout.cells.y + layout.cells.h + 28, theme);
}

function drawColumnProfile(context, layout, data, view, theme) {
  const box = layout.column;
  const [low, high] = profileRange(data.poolProfile);
  const at = (value) => box.y + box.h - 4 - ((value - low) / (high - low)) * (box.h - 8);
  frame(context, box, theme);
  context.save();
  context.beginPath();
  context.rect(box.x, box.y, box.w, box.h);
  context.clip();
  zeroLine(context, low, high, at, box, false, theme);
  const along = (a, b) => [acrossAt(box, view, a), acrossAt(box, view, b)];
  drawProfile(context, data.poolProfile, data.poolEdges, along, at, false, theme);
  context.restore();
  context.fillStyle = theme.text;
  context.font = SMALL;
  context.textAlign = "right";
  context.textBaseline = "middle";
  context.fillText(digits(high), box.x - 4, box.y + 6);
  context.fillText("mean", box.x - 4, box.y + box.h / 2);
  context.fillText(digits(low), box.x - 4, box.y + box.h - 6);
}

function frame(context, box, theme) {
  context.strokeStyle = theme.line;
  context.lineWidth = 1;
  context.strokeRect(box.x + 0.5, box.y + 0.5, box.w - 1, box.h - 1);
}

function zeroLine(context, low, high, at, box, vertical, theme) {
  if (low >= 0 || high <= 0) return;
  context.strokeStyle = theme.text;
  context.globalAlpha = 0.35;
  context.beginPath();
  if (vertical) {
    context.moveTo(at(0), box.y);
    context.lineTo(at(0), box.y + box.h);
  } else {
    context.moveTo(box.x, at(0));
    context.lineTo(box.x + box.w, at(0));
  }
  context.stroke();
  context.globalAlpha = 1;
}
