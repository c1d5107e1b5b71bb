"""The style sheet and the script of the page of an explanation, besides the report's style."""

from __future__ import annotations

import base64
import hashlib

__all__ = ["SCRIPT", "SCRIPT_HASH", "STEP_STYLE", "colour"]

STEP_STYLE = """
.controls { display: flex; flex-wrap: wrap; gap: 10px 22px; margin-top: 16px; font-size: 14.5px; align-items: center; }
.controls select { font: inherit; padding: 3px 6px; margin-left: 6px; max-width: 100%; }
.steps { margin-top: 18px; line-height: 2.1; word-break: keep-all; max-width: none; }
.steps.numbers { line-height: 2; font-size: 12px; }
.t {
  background: #fff; color: #1d2024; padding: 1px 1px; border-bottom: 3px solid transparent; border-radius: 2px;
  unicode-bidi: isolate; white-space: pre-wrap;
}
.steps.numbers .t { display: inline-block; min-width: 2.1em; text-align: center; margin: 1px; }
.legend { display: inline-flex; gap: 8px; align-items: center; font-size: 13px; color: var(--muted); }
.legend .t { min-width: 3.4em; text-align: center; }
.chart .up { fill: var(--b); } .chart .down { fill: var(--a); } .chart .other { fill: var(--muted); }
.chart .word { font-size: 11px; font-weight: 600; }
section > figure, .map { margin-top: 24px; }
"""

_NEGATIVE, _POSITIVE, _SHARE = (112, 164, 230), (240, 164, 84), (104, 180, 156)


def colour(value: float, low: float, high: float) -> str:
    """The style of a step with this value, as the script makes it: white is 0; positive numbers are orange over a
    solid line, negative ones blue over a dotted line; what cannot be negative goes from white to green.

    >>> colour(0.0, -1, 1), colour(float("nan"), -1, 1)
    ('background:rgb(255,255,255)', '')
    """
    if value != value:
        return ""
    if low >= 0:
        share, end, line = (value - low) / (high - low or 1), _SHARE, ""
    else:
        share, end = abs(value) / (max(-low, high) or 1), _POSITIVE if value > 0 else _NEGATIVE
        line = f";border-bottom-style:{'solid' if value > 0 else 'dotted'};border-bottom-color:#1d2024"
    share = min(max(share, 0.0), 1.0)
    red, green, blue = (int(255 + share * (channel - 255) + 0.5) for channel in end)
    return f"background:rgb({red},{green},{blue})" + (line if share >= 0.15 else "")


SCRIPT = """
'use strict';
const data = JSON.parse(document.getElementById('data').textContent);
const steps = [...document.querySelectorAll('.steps .t')];
const what = document.getElementById('what'), unit = document.getElementById('unit');
const keys = new Map(data.palette.map((c, n) => [c.join(), n]));
const pictures = new Map();

function colour(v, low, high) {
  if (v === null) return '';
  let share, end, line = '';
  if (low >= 0) {
    share = (v - low) / ((high - low) || 1); end = [104, 180, 156];
  } else {
    share = Math.abs(v) / (Math.max(-low, high) || 1); end = v > 0 ? [240, 164, 84] : [112, 164, 230];
    line = ';border-bottom-style:' + (v > 0 ? 'solid' : 'dotted') + ';border-bottom-color:#1d2024';
  }
  share = Math.min(Math.max(share, 0), 1);
  const rgb = end.map(c => Math.floor(255 + share * (c - 255) + 0.5));
  return 'background:rgb(' + rgb.join() + ')' + (share >= 0.15 ? line : '');
}

async function picture(map) {
  if (!pictures.has(map.id)) {
    const image = new Image();
    image.src = document.getElementById(map.id).getAttribute('href');
    await image.decode();
    const canvas = document.createElement('canvas');
    canvas.width = image.naturalWidth; canvas.height = image.naturalHeight;
    const context = canvas.getContext('2d', {willReadFrequently: true});
    context.drawImage(image, 0, 0);
    pictures.set(map.id, context.getImageData(0, 0, canvas.width, canvas.height));
  }
  return pictures.get(map.id);
}

async function values(map, layer, number) {
  const image = await picture(map), row = image.height - 1 - layer.units.indexOf(number);
  return steps.map((_, t) => {
    const at = 4 * (row * image.width + Math.floor(t / data.every));
    const n = keys.get([image.data[at], image.data[at + 1], image.data[at + 2]].join());
    return map.low + (map.high - map.low) * n / 255;
  });
}

function paint(found, low, high, name) {
  found.forEach((v, t) => {
    steps[t].style.cssText = colour(v, low, high);
    steps[t].dataset.value = v === null ? '' : v.toPrecision(3);
    steps[t].title = 'step ' + (t + 1) + ': ' + (v === null ? 'none' : v.toPrecision(3));
  });
  document.getElementById('shown').textContent = name;
  for (const [id, v] of [['least', low], ['most', high]]) {
    const mark = document.getElementById(id);
    mark.textContent = v.toPrecision(2); mark.style.cssText = colour(v, low, high);
  }
}

function fill(layer) {
  const chosen = Number(unit.value), sorted = [...layer.units].sort((a, b) => a - b);
  unit.replaceChildren(...sorted.map(n => new Option(n, n, false, n === chosen)));
}

async function show() {
  const [layerName, quantity] = what.value.split(' ');
  const measure = data.measures.find(m => m.id === what.value);
  document.getElementById('units').hidden = Boolean(measure);
  if (measure) { paint(measure.values, measure.low, measure.high, measure.name); return; }
  const layer = data.layers.find(l => l.name === layerName), map = layer.maps.find(m => m.quantity === quantity);
  fill(layer);
  const number = Number(unit.value);
  paint(await values(map, layer, number), map.low, map.high, layerName + ', ' + quantity + ' of unit ' + number);
}

async function fromAddress() {
  const asked = decodeURIComponent(location.hash.slice(1)).split('.');
  const wanted = asked.length === 3 ? asked[0] + ' ' + asked[1] : asked[0];
  if (![...what.options].some(o => o.value === wanted)) return;
  what.value = wanted;
  if (asked.length === 3) {
    fill(data.layers.find(l => l.name === asked[0]));
    if ([...unit.options].some(o => o.value === asked[2])) unit.value = asked[2];
  }
  await show();
}

what.addEventListener('change', show);
unit.addEventListener('change', show);
addEventListener('hashchange', fromAddress);
fromAddress();
"""

SCRIPT_HASH = "sha256-" + base64.b64encode(hashlib.sha256(SCRIPT.encode("utf-8")).digest()).decode("ascii")
"""By which the page's policy knows its own script, and runs no other."""
