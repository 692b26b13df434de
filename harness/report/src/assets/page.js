// The page is complete without this. It adds the light/dark button and, on charts over time, the values at a second.
(() => {
  const root = document.documentElement;
  const button = document.getElementById("theme");
  const store = (value) => { try { return value ? localStorage.setItem("crossover-theme", value) : localStorage.getItem("crossover-theme"); } catch { return null; } };
  const dark = () => (root.dataset.theme || (matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light")) === "dark";
  const name = () => { button.textContent = dark() ? "Light" : "Dark"; button.setAttribute("aria-label", `Switch to ${dark() ? "light" : "dark"} colours`); };
  if (button) {
    if (["light", "dark"].includes(store())) root.dataset.theme = store();
    button.hidden = false;
    name();
    button.addEventListener("click", () => { root.dataset.theme = dark() ? "light" : "dark"; store(root.dataset.theme); name(); });
  }

  const source = document.getElementById("series");
  if (!source) return;
  const data = JSON.parse(source.textContent);
  const plots = [...document.querySelectorAll(".plot[data-chart]")].map((box) => ({ box, chart: data.charts[box.dataset.chart] })).filter((plot) => plot.chart);

  const digits = (value) => { const size = Math.abs(value); return size >= 100 || size === 0 ? 0 : size >= 10 ? 1 : size >= 1 ? 2 : 3; };
  const number = (value) => value.toLocaleString("en-GB", { maximumFractionDigits: digits(value) });
  const show = (value, unit) => value === null ? "–" : unit === "ms" ? (Math.abs(value) < 999.5 ? `${number(value)} ms` : `${number(value / 1000)} s`) : unit ? `${number(value)} ${unit}` : number(value);
  const edges = (box) => box.querySelector("svg.wide").getClientRects().length ? data.wide : data.narrow;

  const clear = () => document.querySelectorAll(".cross, .tip").forEach((node) => node.remove());
  const element = (kind, text) => { const node = document.createElement(kind); if (text !== undefined) node.textContent = text; return node; };
  let at = null;

  function mark(bucket) {
    clear();
    at = Math.max(0, Math.min(data.buckets - 1, bucket));
    const second = Math.min((at + 0.5) * data.step, data.end);
    for (const { box, chart } of plots) {
      const [left, right] = edges(box);
      const share = left + (right - left) * (second / data.end);
      const cross = element("div");
      cross.className = "cross";
      cross.style.left = `${share * 100}%`;
      const tip = element("div");
      tip.className = "tip";
      tip.append(element("b", data.step > 1 ? `${at * data.step}–${(at + 1) * data.step} s` : `${at} s`));
      const table = tip.appendChild(element("table"));
      for (const [label, values] of chart.lines) {
        const row = table.insertRow();
        row.append(element("td", label), element("td", show(values[at] ?? null, chart.unit)));
      }
      if (share < 0.55) tip.style.left = `calc(${share * 100}% + 12px)`; else tip.style.right = `calc(${(1 - share) * 100}% + 12px)`;
      box.append(cross, tip);
    }
  }

  for (const { box } of plots) {
    box.tabIndex = 0;
    const point = (event) => {
      const [left, right] = edges(box);
      const area = box.getBoundingClientRect();
      const share = ((event.clientX - area.left) / area.width - left) / (right - left);
      if (share < -0.02 || share > 1.02) { clear(); return; }
      mark(Math.floor((share * data.end) / data.step));
    };
    box.addEventListener("pointermove", point);
    box.addEventListener("pointerdown", point);
    box.addEventListener("pointerleave", clear);
    box.addEventListener("blur", clear);
    box.addEventListener("keydown", (event) => {
      const move = { ArrowLeft: -1, ArrowRight: 1, PageUp: -10, PageDown: 10 }[event.key];
      if (event.key === "Escape") clear();
      if (move) { event.preventDefault(); mark(at === null ? 0 : at + move); }
    });
  }
})();
