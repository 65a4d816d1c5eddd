// A table of kernels. Rows stay where they are while their words change, so that a button keeps its focus.
function make(tag, name, parent) {
  const element = document.createElement(tag);
  if (name) element.className = name;
  parent?.append(element);
  return element;
}

function write(element, words) {
  if (element.textContent !== words) element.textContent = words;
}

function render({ model, el }) {
  const scroll = make("div", "fw-scroll", el);
  const table = make("table", "fw-table fw-board", scroll);
  const head = make("tr", "", make("thead", "", table));
  for (const column of model.get("_columns")) {
    const cell = make("th", "fw-num", head);
    cell.scope = "col";
    cell.textContent = column;
  }
  const bodies = new Map();

  const build = (name) => {
    const body = make("tbody");
    const line = make("td", "", make("tr", "", body));
    line.colSpan = model.get("_columns").length;
    const title = make("div", "fw-kernel", line);
    const button = make("button", "fw-kernel-name", title);
    button.type = "button";
    button.textContent = name;
    button.addEventListener("click", () => {
      model.set("chosen", model.get("chosen") === name ? "" : name);
      model.save_changes();
    });
    make("i", "fw-dot", title);
    const state = make("span", "fw-state", title);
    const about = make("span", "fw-kernel-about", title);
    const steps = make("span", "fw-steps", title);
    const numbers = make("tr", "", body);
    const cells = model.get("_columns").map(() => make("td", "fw-num", numbers));
    const words = cells.map((cell) => make("span", "", cell));
    const fill = make("i", "", make("div", "fw-fill", cells[0]));
    return { body, button, state, about, steps, cells, words, fill };
  };

  const update = () => {
    const rows = model.get("_rows");
    for (const name of [...bodies.keys()]) {
      if (rows.some((row) => row.name === name)) continue;
      bodies.get(name).body.remove();
      bodies.delete(name);
    }
    rows.forEach((row, place) => {
      if (!bodies.has(row.name)) bodies.set(row.name, build(row.name));
      const shown = bodies.get(row.name);
      if (table.tBodies[place] !== shown.body) table.insertBefore(shown.body, table.tBodies[place] ?? null);
      shown.body.dataset.state = row.state;
      write(shown.state, row.state);
      write(shown.about, row.about);
      shown.about.title = row.about;
      row.cells.forEach((words, at) => {
        write(shown.words[at], words);
        shown.cells[at].classList.toggle("fw-quiet", row.quiet[at]);
      });
      shown.fill.parentNode.style.visibility = row.full ? "" : "hidden";
      shown.fill.style.width = `${100 * row.full}%`;
      const steps = row.steps.join();
      if (shown.steps.dataset.of === steps) return;
      shown.steps.dataset.of = steps;
      shown.steps.replaceChildren(
        ...row.steps.map((verb) => {
          const button = make("button", "fw-step");
          button.type = "button";
          button.textContent = verb;
          button.setAttribute("aria-label", `${verb} ${row.name}`);
          button.addEventListener("click", () => model.send({ kernel: row.name, verb }));
          return button;
        }),
      );
    });
    mark();
  };
  const mark = () => {
    for (const [name, { body, button }] of bodies) {
      const pressed = name === model.get("chosen");
      body.classList.toggle("fw-chosen", pressed);
      button.setAttribute("aria-pressed", String(pressed));
    }
  };
  model.on("change:_rows", update);
  model.on("change:chosen", mark);
  update();
  return () => {
    model.off("change:_rows", update);
    model.off("change:chosen", mark);
  };
}

export default { render };
