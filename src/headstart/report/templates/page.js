"use strict";
// The only script of the page: what is under the pointer on the map, and details opened for print.
(() => {
  const closed = [];
  addEventListener("beforeprint", () => {
    for (const one of document.querySelectorAll("details:not([open])")) { one.open = true; closed.push(one); }
  });
  addEventListener("afterprint", () => { for (const one of closed.splice(0)) one.open = false; });

  const holder = document.getElementById("map-data");
  if (!holder) return;
  const data = JSON.parse(holder.textContent);
  const field = document.getElementById("map-field"), svg = document.getElementById("map-marks");
  const ring = document.getElementById("map-ring"), found = document.getElementById("map-found");
  const side = svg.viewBox.baseVal.width;
  const places = [...svg.querySelectorAll("use")].map((use) => [use.x.baseVal.value, use.y.baseVal.value]);
  let current = -1;

  function line(text, soft) {
    const p = document.createElement("p"), name = document.createElement("bdi");
    name.textContent = text;
    if (soft) p.className = "soft";
    p.append(name);
    return p;
  }
  function show(index) {
    if (index < 0 || index === current) return;
    current = index;
    const [id, label, said, right, test, tile] = data.points[index];
    ring.setAttribute("cx", places[index][0]);
    ring.setAttribute("cy", places[index][1]);
    found.replaceChildren();
    if (tile >= 0 && data.sheet) {
      const picture = document.createElement("span"), size = 3 * data.tile;
      picture.className = "tile";
      picture.setAttribute("role", "img");
      picture.setAttribute("aria-label", id);
      picture.style.width = picture.style.height = size + "px";
      picture.style.backgroundImage = `url("${data.sheet}")`;
      picture.style.backgroundSize = data.columns * size + "px auto";
      picture.style.backgroundPosition =
        `-${(tile % data.columns) * size}px -${Math.floor(tile / data.columns) * size}px`;
      found.append(picture);
    }
    const texts = (data.texts && data.texts[index]) || [];
    for (const text of texts) {
      const told = line(text);
      told.className = "text";
      found.append(told);
    }
    found.append(line(label));
    if (said) found.append(line((right < 0 ? "said " : right ? "✓ said " : "✗ said ") + said));
    found.append(line(id + (test ? " (test part)" : ""), true));
  }
  function nearest(x, y, keep) {
    let best = -1, least = Infinity;
    places.forEach(([px, py], index) => {
      const far = keep(px - x, py - y, index);
      if (far < least) { least = far; best = index; }
    });
    return best;
  }
  function point(event) {
    const box = svg.getBoundingClientRect(), scale = side / box.width;
    const x = (event.clientX - box.left) * scale, y = (event.clientY - box.top) * scale;
    show(nearest(x, y, (dx, dy) => (Math.hypot(dx, dy) < 26 ? Math.hypot(dx, dy) : Infinity)));
  }
  svg.addEventListener("pointermove", point);
  svg.addEventListener("pointerdown", point);
  field.addEventListener("focus", () => { if (current < 0) show(nearest(side / 2, side / 2, Math.hypot)); });
  const ways = { ArrowLeft: [-1, 0], ArrowRight: [1, 0], ArrowUp: [0, -1], ArrowDown: [0, 1] };
  field.addEventListener("keydown", (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    const last = places.length - 1;
    if (event.key in ways) {
      const [wx, wy] = ways[event.key], [x, y] = places[Math.max(0, current)];
      show(nearest(x, y, (dx, dy, index) => {
        const ahead = dx * wx + dy * wy, aside = Math.abs(dx * wy) + Math.abs(dy * wx);
        return index !== current && ahead > 0 && ahead >= aside / 2 ? ahead + 2 * aside : Infinity;
      }));
    } else if (event.key === "Home") show(0);
    else if (event.key === "End") show(last);
    else if (event.key === "w" || event.key === "W") {
      for (let step = 1; step <= last; step++) {
        const index = (current + step) % (last + 1);
        if (data.points[index][3] === 0) { show(index); break; }
      }
    } else return;
    event.preventDefault();
  });
})();
