// Draws the site's illustrations. The drawings are committed; run this by hand
// (node tools/illustrate.mjs) only to change them. Seeded, so it repeats.
import { mkdirSync, writeFileSync } from 'node:fs';
import { dirname, join } from 'node:path';
import { fileURLToPath } from 'node:url';

const here = join(dirname(fileURLToPath(import.meta.url)), '..');

function random(seed) {
  let a = seed >>> 0;
  const next = () => {
    a = (a + 0x6d2b79f5) >>> 0;
    let t = Math.imul(a ^ (a >>> 15), a | 1);
    t = (t + Math.imul(t ^ (t >>> 7), t | 61)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return { between: (lo, hi) => lo + next() * (hi - lo), pick: (list) => list[Math.floor(next() * list.length)] };
}

const n = (x) => String(Math.round(x * 10) / 10);
const svg = (w, h, body) =>
  `<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 ${w} ${h}" width="${w}" height="${h}">\n${body.join('\n')}\n</svg>\n`;
const path = (points, attrs, close = false) =>
  `<path d="M${points.map(([x, y]) => `${n(x)} ${n(y)}`).join('L')}${close ? 'z' : ''}" ${attrs}/>`;
const save = (name, text) => {
  const file = join(here, name);
  mkdirSync(dirname(file), { recursive: true });
  writeFileSync(file, text);
};

// A band of water: short strokes whose height follows two slow swells.
function water(r, { x0, x1, y0, y1, rows, colours, width = 1.4 }) {
  const out = [];
  for (let i = 0; i < rows; i += 1) {
    const base = y0 + ((y1 - y0) * i) / (rows - 1);
    const swell = r.between(1.5, 4) * (0.4 + i / rows);
    const phase = r.between(0, 6.3);
    const step = 9 + 14 * (i / rows);
    let line = [];
    for (let x = x0; x <= x1; x += step) {
      line.push([x, base + Math.sin(x / 37 + phase) * swell + Math.sin(x / 91 + i) * swell * 0.7]);
      if (r.between(0, 1) < 0.16) {
        if (line.length > 1) out.push(path(line, `fill="none" stroke="${r.pick(colours)}" stroke-width="${n(width * (0.6 + i / rows))}" stroke-linecap="round"`));
        line = [];
      }
    }
    if (line.length > 1) out.push(path(line, `fill="none" stroke="${r.pick(colours)}" stroke-width="${n(width)}"`));
  }
  return out;
}

function hills(r, { x0, x1, base, height, colour, step = 12 }) {
  const p1 = r.between(0, 6), p2 = r.between(0, 6);
  const top = [];
  for (let x = x0; x <= x1; x += step) {
    top.push([x, base - height * (0.55 + 0.3 * Math.sin(x / 130 + p1) + 0.15 * Math.sin(x / 41 + p2)) + r.between(-1.5, 1.5)]);
  }
  return path([[x0, base], ...top, [x1, base]], `fill="${colour}"`, true);
}

function house(r, x, base, w, h, wall, roof, lit) {
  const out = [
    `<rect x="${n(x)}" y="${n(base - h)}" width="${n(w)}" height="${n(h)}" fill="${wall}"/>`,
    path([[x - 2, base - h], [x + w / 2, base - h - w * 0.45], [x + w + 2, base - h]], `fill="${roof}"`, true),
  ];
  if (r.between(0, 1) < 0.6) out.push(`<rect x="${n(x + w * 0.65)}" y="${n(base - h - w * 0.42)}" width="${n(w * 0.13)}" height="${n(w * 0.3)}" fill="${roof}"/>`);
  const cols = Math.max(1, Math.floor(w / 14)), rows = Math.max(1, Math.floor(h / 22));
  for (let i = 0; i < cols; i += 1) {
    for (let j = 0; j < rows; j += 1) {
      const wx = x + (w * (i + 0.5)) / cols - 3.5, wy = base - h + (h * (j + 0.45)) / rows - 5;
      out.push(`<rect x="${n(wx)}" y="${n(wy)}" width="7" height="10" fill="${r.pick(lit)}"/>`);
    }
  }
  return out;
}

function boat(r, x, y, s, hull, sail) {
  return [
    path([[x - 26 * s, y], [x + 26 * s, y], [x + 18 * s, y + 11 * s], [x - 20 * s, y + 11 * s]], `fill="${hull}"`, true),
    path([[x, y], [x, y - 52 * s]], `stroke="${hull}" stroke-width="${n(2 * s)}"`),
    path([[x + 2 * s, y - 50 * s], [x + 22 * s, y - 6 * s], [x + 2 * s, y - 6 * s]], `fill="${sail}"`, true),
    path([[x - 2 * s, y - 44 * s], [x - 16 * s, y - 6 * s], [x - 2 * s, y - 6 * s]], `fill="${sail}" opacity=".85"`, true),
    path([[x, y - 52 * s], [x + r.between(5, 9) * s, y - 50 * s], [x, y - 48 * s]], 'fill="#b8432f"', true),
  ];
}

function harbour(evening) {
  const r = random(41);
  const c = evening
    ? { sky: ['#2b3a5c', '#c9785a', '#f0b97f'], far: '#4a4a68', near: '#37384f', sea: '#2c4560', lines: ['#e6a36f', '#56708a', '#7f8ba3', '#1f3248'], lit: ['#ffd98a', '#ffd98a', '#3c4358', '#ffe7b5'], quay: '#4d4640' }
    : { sky: ['#9cc6d8', '#d5e6e6', '#f4efdf'], far: '#9db5b3', near: '#6f948c', sea: '#3f7f96', lines: ['#8cc4d8', '#2f6a80', '#bfe0e6', '#1d4e63'], lit: ['#33525e', '#33525e', '#44646f', '#f4efdf'], quay: '#8d8372' };
  const b = [
    `<defs><linearGradient id="s" x2="0" y2="1"><stop stop-color="${c.sky[0]}"/><stop offset=".7" stop-color="${c.sky[1]}"/><stop offset="1" stop-color="${c.sky[2]}"/></linearGradient></defs>`,
    '<rect width="960" height="540" fill="url(#s)"/>',
    `<circle cx="${evening ? 700 : 760}" cy="${evening ? 236 : 90}" r="34" fill="${evening ? '#ffe1a8' : '#fff8e0'}"/>`,
  ];
  for (let i = 0; i < 14; i += 1) {
    const x = r.between(60, 900), y = r.between(40, 180), s = r.between(5, 11);
    b.push(`<path d="M${n(x - s)} ${n(y)}q${n(s / 2)} ${n(-s / 2)} ${n(s)} 0q${n(s / 2)} ${n(-s / 2)} ${n(s)} 0" fill="none" stroke="${evening ? '#f3d6b8' : '#4f6d76'}" stroke-width="1.5"/>`);
  }
  b.push(hills(r, { x0: 0, x1: 960, base: 290, height: 120, colour: c.far }));
  b.push(hills(r, { x0: 0, x1: 960, base: 300, height: 74, colour: c.near }));
  const walls = evening ? ['#6b6076', '#7a6a6d', '#5c5a73', '#85716a'] : ['#f3ead6', '#d9c8a9', '#c8d5d3', '#e3b7a0', '#b9cbd6', '#efe0c0'];
  const roofs = evening ? ['#2b2c40', '#3a2f3a'] : ['#6d4a3f', '#4a5560', '#84584a'];
  let x = 14;
  while (x < 930) {
    const w = r.between(30, 56), h = r.between(44, 92);
    b.push(...house(r, x, 322, w, h, r.pick(walls), r.pick(roofs), c.lit));
    x += w + r.between(1, 9);
  }
  b.push(`<rect y="320" width="960" height="22" fill="${c.quay}"/>`);
  for (let i = 0; i < 46; i += 1) b.push(`<rect x="${n(i * 21)}" y="${i % 2 ? 330 : 321}" width="19" height="8" fill="#000" opacity="${n(r.between(0.05, 0.2)) || '.1'}"/>`);
  b.push(`<rect y="342" width="960" height="198" fill="${c.sea}"/>`);
  b.push(...water(r, { x0: 0, x1: 970, y0: 350, y1: 535, rows: 22, colours: c.lines }));
  b.push(...boat(r, 190, 396, 1.1, '#3b2f2a', '#f3ead6'), ...boat(r, 470, 372, 0.7, '#1d4e63', '#e9d9b4'), ...boat(r, 730, 430, 1.6, '#5a2d24', '#f7f2e3'));
  return svg(960, 540, b);
}

function islandMap() {
  const r = random(77);
  const b = ['<rect width="800" height="560" fill="#dcebee"/>'];
  for (let i = 0; i < 28; i += 1) b.push(`<path d="M${i * 30} 0V560M0 ${i * 30}H800" stroke="#c8dde2" stroke-width=".6"/>`);
  const blob = (cx, cy, rx, ry, fill, attrs = '') => {
    const p1 = r.between(0, 6), p2 = r.between(0, 6), pts = [];
    for (let a = 0; a < 6.28; a += 0.09) {
      const k = 1 + 0.14 * Math.sin(3 * a + p1) + 0.08 * Math.sin(7 * a + p2) + r.between(-0.018, 0.018);
      pts.push([cx + Math.cos(a) * rx * k, cy + Math.sin(a) * ry * k]);
    }
    b.push(path(pts, `fill="${fill}" ${attrs}`, true));
    return pts;
  };
  const isles = [[190, 300, 150, 190, 'A'], [470, 170, 70, 46, 'B'], [560, 330, 90, 62, 'B'], [700, 470, 56, 40, 'C'], [690, 110, 44, 60, 'C']];
  for (const [cx, cy, rx, ry] of isles) {
    blob(cx, cy, rx * 1.22, ry * 1.22, '#cfe3e6');
    blob(cx, cy, rx, ry, '#efe6cd', 'stroke="#8d8372" stroke-width="1.5"');
    for (let k = 0.75; k > 0.25; k -= 0.25) blob(cx, cy, rx * k, ry * k, 'none', 'stroke="#c9b98f" stroke-width=".8"');
  }
  const routes = [[310, 260, 420, 175], [320, 310, 475, 330], [640, 370, 665, 440], [535, 150, 650, 120]];
  for (const [ax, ay, bx, by] of routes) b.push(`<path d="M${ax} ${ay}Q${(ax + bx) / 2} ${(ay + by) / 2 - 26} ${bx} ${by}" fill="none" stroke="#b8432f" stroke-width="2" stroke-dasharray="6 6"/>`);
  for (let i = 0; i < 70; i += 1) b.push(`<text x="${n(r.between(330, 780))}" y="${n(r.between(20, 545))}" font-size="9" fill="#8fb2bb" font-family="sans-serif">${Math.round(r.between(4, 48))}</text>`);
  for (const [cx, cy, , , zone] of isles) b.push(`<circle cx="${cx}" cy="${cy}" r="15" fill="#1d4e63"/><text x="${cx}" y="${cy + 6}" text-anchor="middle" font-family="sans-serif" font-size="17" fill="#fff">${zone}</text>`);
  return svg(800, 560, b);
}

function shelves() {
  const r = random(1203);
  const b = ['<rect width="900" height="420" fill="#e9dfc8"/>'];
  const spines = ['#1d4e63', '#7b3b2e', '#54683f', '#c29a4b', '#3a3f55', '#8d6e63', '#a5b0a0', '#5d2f45', '#2f7a94', '#d8cbb0'];
  for (let shelf = 0; shelf < 3; shelf += 1) {
    const base = 130 + shelf * 136;
    let x = 12;
    while (x < 870) {
      const w = r.between(9, 26), h = r.between(72, 112), fill = r.pick(spines);
      if (r.between(0, 1) < 0.06) { x += w * 1.4; continue; }
      b.push(`<rect x="${n(x)}" y="${n(base - h)}" width="${n(w)}" height="${n(h)}" fill="${fill}"/>`);
      b.push(`<path d="M${n(x + 2)} ${n(base - h + 12)}h${n(w - 4)}m0 ${n(h * 0.5)}h${n(4 - w)}" stroke="#f4efdf" stroke-width="1.2" opacity=".7"/>`);
      x += w + r.between(0.2, 1.4);
    }
    b.push(`<rect y="${base}" width="900" height="12" fill="#6d4a3f"/><rect y="${base + 12}" width="900" height="4" fill="#000" opacity=".15"/>`);
  }
  return svg(900, 420, b);
}

function grades() {
  const r = random(9);
  const b = ['<rect width="720" height="220" fill="#fbfaf6"/>'];
  ['Fine', 'Very good', 'Good', 'Fair'].forEach((label, i) => {
    const x = 30 + i * 175;
    b.push(`<rect x="${x}" y="20" width="130" height="160" fill="#2f7a94"/><rect x="${x}" y="20" width="14" height="160" fill="#1d4e63"/>`);
    for (let k = 0; k < i * 34; k += 1) {
      const edge = r.between(0, 1) < 0.5;
      const px = edge ? x + r.between(0, 130) : x + r.pick([r.between(0, 6), r.between(122, 130)]);
      const py = edge ? r.pick([r.between(20, 27), r.between(172, 180)]) : 20 + r.between(0, 160);
      b.push(`<circle cx="${n(px)}" cy="${n(py)}" r="${n(r.between(0.6, 1 + i))}" fill="${r.pick(['#d8cbb0', '#fbfaf6', '#a88d6a'])}"/>`);
    }
    b.push(`<text x="${x + 65}" y="204" text-anchor="middle" font-family="sans-serif" font-size="15" fill="#1e2a30">${label}</text>`);
  });
  return svg(720, 220, b);
}

function cover({ seed, title, author, motif, ground, ink, accent }) {
  const r = random(seed);
  const b = [`<rect width="480" height="680" fill="${ground}"/>`];
  if (motif === 'waves') b.push(...water(r, { x0: -10, x1: 490, y0: 300, y1: 670, rows: 15, colours: [ink, accent, accent], width: 3 }));
  if (motif === 'light') {
    for (let i = 0; i < 26; i += 1) {
      const a = -2.9 + i * 0.105 + r.between(-0.02, 0.02);
      b.push(path([[240, 330], [240 + Math.cos(a) * 460, 330 + Math.sin(a) * 460], [240 + Math.cos(a + 0.05) * 460, 330 + Math.sin(a + 0.05) * 460]], `fill="${accent}" opacity="${n(r.between(0.2, 0.7))}"`, true));
    }
    b.push(path([[205, 640], [222, 350], [258, 350], [275, 640]], `fill="${ink}"`, true), `<rect x="216" y="312" width="48" height="40" fill="${accent}"/><path d="M210 312h60l-30-30z" fill="${ink}"/>`);
    b.push(...water(r, { x0: -10, x1: 490, y0: 612, y1: 676, rows: 7, colours: [ink, accent], width: 3 }));
  }
  if (motif === 'rope') {
    for (let k = 0; k < 3; k += 1) {
      const pts = [];
      for (let t = 0; t <= 6.3; t += 0.07) {
        pts.push([240 + Math.sin(t * 2 + k) * (80 + k * 40), 450 + Math.sin(t * 3 + k * 1.3) * (70 + k * 38)]);
      }
      b.push(path(pts, `fill="none" stroke="${ink}" stroke-width="16" stroke-linejoin="round"`));
      b.push(path(pts, `fill="none" stroke="${accent}" stroke-width="11" stroke-dasharray="9 4"`));
    }
  }
  if (motif === 'birds') {
    for (let i = 0; i < 62; i += 1) {
      const x = r.between(30, 450), y = r.between(290, 600), s = r.between(6, 22);
      b.push(`<path d="M${n(x - s)} ${n(y)}q${n(s / 2)} ${n(-s * 0.7)} ${n(s)} 0q${n(s / 2)} ${n(-s * 0.7)} ${n(s)} 0" fill="none" stroke="${r.pick([ink, ink, accent])}" stroke-width="${n(s / 6)}" stroke-linecap="round"/>`);
    }
    b.push(...water(r, { x0: -10, x1: 490, y0: 620, y1: 672, rows: 6, colours: [ink, accent], width: 2 }));
  }
  if (motif === 'village') {
    b.push(hills(r, { x0: 0, x1: 480, base: 520, height: 190, colour: accent }));
    let x = 18;
    while (x < 440) { const w = r.between(28, 50); b.push(...house(r, x, 520, w, r.between(40, 90), ground, ink, [accent, ink])); x += w + r.between(2, 12); }
    b.push(`<rect y="520" width="480" height="160" fill="${ink}"/>`, ...water(r, { x0: -10, x1: 490, y0: 530, y1: 674, rows: 15, colours: [accent, ground], width: 2 }));
  }
  if (motif === 'boats') {
    for (let i = 0; i < 9; i += 1) b.push(...boat(r, 80 + (i % 3) * 160 + r.between(-20, 20), 360 + Math.floor(i / 3) * 112, r.between(0.8, 1.4), ink, accent));
    b.push(...water(r, { x0: -10, x1: 490, y0: 380, y1: 670, rows: 10, colours: [ink, accent], width: 2 }));
  }
  if (motif === 'net') {
    for (let i = -12; i < 20; i += 1) {
      const a = [], c = [];
      for (let y = 290; y <= 680; y += 30) { a.push([i * 36 + (y - 290) * 0.7 + Math.sin(y / 50) * 7, y]); c.push([i * 36 + (680 - y) * 0.7 + Math.cos(y / 60) * 7, y]); }
      b.push(path(a, `fill="none" stroke="${ink}" stroke-width="2"`), path(c, `fill="none" stroke="${accent}" stroke-width="2"`));
    }
  }
  if (motif === 'contours') {
    for (let k = 1; k < 15; k += 1) {
      const pts = [];
      for (let a = 0; a < 6.28; a += 0.13) { const d = k * 15 * (1 + 0.2 * Math.sin(3 * a + k / 5) + 0.1 * Math.sin(5 * a)); pts.push([240 + Math.cos(a) * d, 470 + Math.sin(a) * d * 0.85]); }
      b.push(path(pts, `fill="none" stroke="${k % 4 ? accent : ink}" stroke-width="${k % 4 ? 1.4 : 2.6}"`, true));
    }
  }
  if (motif === 'plates') {
    for (let i = 0; i < 12; i += 1) {
      const x = 90 + (i % 3) * 150, y = 320 + Math.floor(i / 3) * 100;
      b.push(`<circle cx="${x}" cy="${y}" r="46" fill="${accent}"/><circle cx="${x}" cy="${y}" r="34" fill="${ground}"/>`);
      for (let k = 0; k < 11; k += 1) b.push(`<ellipse cx="${n(x + r.between(-20, 20))}" cy="${n(y + r.between(-20, 20))}" rx="${n(r.between(3, 11))}" ry="${n(r.between(2, 5))}" transform="rotate(${n(r.between(0, 180))} ${x} ${y})" fill="${r.pick([ink, accent])}"/>`);
    }
  }
  if (motif === 'fronds') {
    for (let k = 0; k < 9; k += 1) {
      const x = 48 + k * 48, h = r.between(180, 340), ph = r.between(0, 6), stem = [];
      for (let t = 0; t <= 1.001; t += 0.125) stem.push([x + Math.sin(t * 5 + ph) * 18 * t, 680 - h * t]);
      b.push(path(stem, `fill="none" stroke="${k % 2 ? ink : accent}" stroke-width="4" stroke-linecap="round"`));
      for (const [sx, sy] of stem.slice(1)) for (const side of [-1, 1]) b.push(`<ellipse cx="${n(sx + side * 10)}" cy="${n(sy)}" rx="10" ry="3.5" transform="rotate(${n(side * -r.between(20, 45))} ${n(sx)} ${n(sy)})" fill="${k % 2 ? ink : accent}"/>`);
    }
  }
  b.push(`<rect x="24" y="24" width="432" height="632" fill="none" stroke="${ink}" stroke-width="2"/><rect x="25" y="25" width="430" height="240" fill="${ground}"/>`);
  title.forEach((line, i) => b.push(`<text x="240" y="${100 + i * 52}" text-anchor="middle" font-family="Georgia, serif" font-size="44" fill="${ink}">${line}</text>`));
  b.push(`<text x="240" y="${118 + title.length * 52}" text-anchor="middle" font-family="Georgia, serif" font-size="22" font-style="italic" fill="${ink}">${author}</text>`);
  return svg(480, 680, b);
}

const covers = {
  'tide-tables-for-beginners': { seed: 1, title: ['Tide Tables', 'for Beginners'], author: 'Ines Corrigan', motif: 'waves', ground: '#f4efdf', ink: '#1d4e63', accent: '#8cc4d8' },
  'the-lamp-room': { seed: 2, title: ['The Lamp', 'Room'], author: 'Tobias Ferrowhite', motif: 'light', ground: '#22304a', ink: '#f3ead6', accent: '#d9a441' },
  'knots-you-will-use': { seed: 3, title: ['Knots You', 'Will Use'], author: 'Marit Oldcastle', motif: 'rope', ground: '#e6ddc6', ink: '#6d4a3f', accent: '#b78b53' },
  'salt-kitchen': { seed: 4, title: ['Salt', 'Kitchen'], author: 'Della Marchbank', motif: 'plates', ground: '#f7f2e3', ink: '#b8432f', accent: '#9cbcc2' },
  'a-year-of-estuary-birds': { seed: 5, title: ['A Year of', 'Estuary Birds'], author: 'Hamish Tolliver', motif: 'birds', ground: '#dfe5dc', ink: '#3a3f36', accent: '#9a8c63' },
  'the-ferry-clerk': { seed: 6, title: ['The Ferry', 'Clerk'], author: 'Oona Drysdale', motif: 'boats', ground: '#cfdbe0', ink: '#2a3b4c', accent: '#fbfaf6' },
  'weather-from-the-step': { seed: 7, title: ['Weather', 'from the Step'], author: 'Wilfred Garrow', motif: 'waves', ground: '#dfe9ee', ink: '#5b7382', accent: '#b3c6d0' },
  'small-boat-repairs': { seed: 8, title: ['Small Boat', 'Repairs'], author: 'Petra Lindqvale', motif: 'boats', ground: '#efe6cd', ink: '#84584a', accent: '#d9a441' },
  'the-drowned-village': { seed: 9, title: ['The Drowned', 'Village'], author: 'Sunniva Harkett', motif: 'village', ground: '#e8e2d2', ink: '#2f4a52', accent: '#93a89c' },
  'pip-and-the-pilot-boat': { seed: 10, title: ['Pip and the', 'Pilot Boat'], author: 'Bea Thornley', motif: 'boats', ground: '#ffe9a8', ink: '#b8432f', accent: '#2f7a94' },
  'mending-nets': { seed: 11, title: ['Mending', 'Nets'], author: 'Callum Strake', motif: 'net', ground: '#f1ece2', ink: '#4d5d53', accent: '#a3b18a' },
  'charts-and-their-makers': { seed: 12, title: ['Charts and', 'Their Makers'], author: 'Leopold Wyndrush', motif: 'contours', ground: '#efe6cd', ink: '#5a3d2b', accent: '#b59a6a' },
};
const coversV2 = {
  'the-winter-moorings': { seed: 13, title: ['The Winter', 'Moorings'], author: 'Oona Drysdale', motif: 'village', ground: '#dde3ea', ink: '#33405a', accent: '#a9b6c8' },
  'seaweed-a-field-guide': { seed: 14, title: ['Seaweed', 'a field guide'], author: 'Nerys Calloway', motif: 'fronds', ground: '#f4efdf', ink: '#54683f', accent: '#8a4b52' },
};

save('source/images/harbour.svg', harbour(false));
save('release-v2/images/harbour.svg', harbour(true));
save('source/images/island-map.svg', islandMap());
save('source/images/shelves.svg', shelves());
save('source/images/grades.svg', grades());
for (const [slug, spec] of Object.entries(covers)) save(`source/images/covers/${slug}.svg`, cover(spec));
for (const [slug, spec] of Object.entries(coversV2)) save(`release-v2/images/covers/${slug}.svg`, cover(spec));
