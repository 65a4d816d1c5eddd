// A folder of the kernel's machine as a list of real buttons: one click opens a folder or chooses a model.
function render({ model, el }) {
  const bar = document.createElement("div");
  bar.className = "fw-picker-bar";
  const up = document.createElement("button");
  up.type = "button";
  up.textContent = "Up";
  const path = document.createElement("span");
  bar.append(up, path);
  const list = document.createElement("ul");
  list.className = "fw-entries";
  el.append(bar, list);

  const row = entry => {
    const item = document.createElement("li");
    const button = document.createElement("button");
    button.type = "button";
    button.append(document.createElement("span"), document.createElement("em"));
    button.firstChild.textContent = entry.name;
    button.lastChild.textContent = entry.note;
    button.addEventListener("click", () => model.send({ pick: entry.name }));
    item.append(button);
    return item;
  };
  const update = () => {
    path.textContent = model.get("folder");
    path.title = model.get("folder");
    const entries = model.get("entries");
    list.replaceChildren(...entries.map(row));
    if (!entries.length) list.innerHTML = "<p>No folder and no model in here.</p>";
  };
  up.addEventListener("click", () => model.send({ pick: ".." }));
  model.on("change:folder change:entries", update);
  update();
  return () => model.off("change:folder change:entries", update);
}

export default { render };
