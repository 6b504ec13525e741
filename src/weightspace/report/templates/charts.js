"use strict";
// Beside each picture its chart, to be read off: by pointer, by keyboard, by the legend. Text is set as text
// only; charts are evaluated by an interpreter, as the page forbids all other scripts.
(() => {
  const make = (tag, attributes = {}, ...children) => {
    const element = document.createElement(tag);
    for (const [name, value] of Object.entries(attributes)) element.setAttribute(name, value);
    element.append(...children);
    return element;
  };

  // One box for the whole page: what is told of the row below the pointer.
  const box = make("div", { class: "told", role: "tooltip", hidden: "" });
  document.body.append(box);
  const lines = (keys, tip) => tip.map((text, i) => [keys[i] ?? "", text]).filter(([, text]) => text);
  const tell = (keys, tip, x, y) => {
    const list = make("dl");
    for (const [key, text] of lines(keys, tip)) {
      list.append(...(key ? [make("dt", {}, key), make("dd", {}, text)] : [make("dt", { class: "head" }, text)]));
    }
    box.replaceChildren(list);
    box.hidden = false;
    const { width, height } = box.getBoundingClientRect();
    const right = document.documentElement.clientWidth;
    box.style.left = `${Math.max(4, Math.min(x + 14, right - width - 4))}px`;
    box.style.top = `${y + 18 + height > window.innerHeight ? Math.max(4, y - height - 12) : y + 18}px`;
  };
  const hush = () => { box.hidden = true; };
  document.addEventListener("keydown", (event) => { if (event.key === "Escape") hush(); });
  document.addEventListener("scroll", hush, { passive: true, capture: true });

  const swatch = ({ colour, dash }) => {
    const svg = document.createElementNS("http://www.w3.org/2000/svg", "svg");
    const line = document.createElementNS("http://www.w3.org/2000/svg", "line");
    for (const [name, value] of Object.entries({ width: 26, height: 10, "aria-hidden": "true" })) svg.setAttribute(name, value);
    const look = { x1: 1, x2: 25, y1: 5, y2: 5, stroke: colour, "stroke-width": 3, "stroke-dasharray": dash.join(" ") };
    for (const [name, value] of Object.entries(look)) line.setAttribute(name, value);
    svg.append(line);
    return svg;
  };

  class Chart {
    constructor(figure) {
      this.figure = figure;
      this.place = figure.querySelector(".twin");
      this.title = figure.querySelector(".title");
      const { entries, panes } = JSON.parse(this.place.querySelector("script").textContent);
      Object.assign(this, { entries, panes, off: new Set(), views: [] });
      this.place.append(this.legend(), this.body());
      this.title.after(this.toggle());
      this.show(true);
    }

    toggle() {
      this.button = make("button", { type: "button", class: "switch" });
      this.button.addEventListener("click", () => this.show(!this.figure.classList.contains("live")));
      return this.button;
    }

    show(live) {
      this.figure.classList.toggle("live", live);
      this.place.hidden = !live;
      this.button.textContent = live ? "Show the picture" : "Show the chart";
      this.button.setAttribute("aria-label", `${this.button.textContent}: ${this.title.textContent}`);
      hush();
    }

    legend() {
      const list = make("div", { class: "legend", role: "group", "aria-label": "Shown" });
      if (this.entries.length < 2) return list;
      this.entries.forEach((entry, number) => {
        const button = make("button", { type: "button", "aria-pressed": "true" }, swatch(entry), entry.name);
        button.addEventListener("click", () => {
          this.off[this.off.has(number) ? "delete" : "add"](number);
          button.setAttribute("aria-pressed", String(!this.off.has(number)));
          for (const view of this.views) view.signal("off", [...this.off]).runAsync();
        });
        list.append(button);
      });
      return list;
    }

    body() {
      const body = make("div", { class: "panes" });
      // Charts are made when they come near: a page may have a hundred.
      const watch = new IntersectionObserver((found) => found.filter((each) => each.isIntersecting).forEach(({ target }) => {
        watch.unobserve(target);
        this.embed(target, this.panes[target.dataset.pane]);
      }), { rootMargin: "400px" });
      this.panes.forEach((pane, number) => {
        const name = pane.title ? `${this.title.textContent}: ${pane.title}` : this.title.textContent;
        const element = make("div", {
          class: "pane", tabindex: "0", role: "group", "aria-roledescription": "chart", "data-pane": number,
          "aria-label": `${name}. The arrow keys read its values.`, "aria-describedby": `${this.figure.dataset.key}-caption`,
        });
        if (pane.title) element.append(make("p", { class: "head", "aria-hidden": "true" }, pane.title));
        element.append(make("div", { class: "chart" }), make("output", { "aria-live": "polite" }));
        element.addEventListener("keydown", (event) => this.read(event, element, pane));
        element.addEventListener("blur", hush);
        body.append(element);
        watch.observe(element);
      });
      return body;
    }

    async embed(element, pane) {
      const told = (_, event, item, value) => {
        // What is nearest to the pointer is the cell of a point, whose datum is that point. No value: it is left.
        const row = item?.datum?.tip ? item.datum : item?.datum?.datum;
        if (value && row?.tip?.length) tell(pane.keys, row.tip, event.clientX, event.clientY); else hush();
      };
      try {
        const { view } = await vegaEmbed(element.querySelector(".chart"), { ...pane.spec, datasets: { rows: pane.rows } }, {
          actions: false, renderer: "svg", ast: true, tooltip: told, mode: "vega-lite", logLevel: 1,
        });
        this.views.push(view);
        if (this.off.size) view.signal("off", [...this.off]).runAsync();
        element.addEventListener("pointerleave", hush);
      } catch (error) {
        console.error(error);
        this.show(false);
      }
    }

    read(event, element, pane) {
      const step = { ArrowRight: 1, ArrowDown: 1, ArrowLeft: -1, ArrowUp: -1 }[event.key];
      const rows = pane.rows.filter((row) => row.tip.length && !this.off.has(row.e));
      if (!step || !rows.length) return;
      event.preventDefault();
      const at = rows.indexOf(pane.at);
      pane.at = rows[at < 0 ? (step > 0 ? 0 : rows.length - 1) : (at + step + rows.length) % rows.length];
      const text = lines(pane.keys, pane.at.tip).map(([key, value]) => (key ? `${key} ${value}` : value));
      element.querySelector("output").textContent = text.join(", ");
    }
  }

  document.querySelectorAll("figure[data-key]").forEach((figure) => new Chart(figure));
})();
