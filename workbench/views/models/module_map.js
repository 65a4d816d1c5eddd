// Draws the tiles as buttons; a click chooses a tile, a second one lets it go.
function render({ model, el }) {
  const map = document.createElement("div");
  map.className = "fw-map";
  map.setAttribute("role", "group");
  map.setAttribute("aria-label", "bytes by module");
  el.append(map);

  const draw = () => {
    map.replaceChildren(
      ...model.get("_tiles").map((tile) => {
        const button = document.createElement("button");
        button.type = "button";
        button.title = tile.title;
        button.setAttribute("aria-label", tile.title.replaceAll("\n", ", "));
        button.style.cssText =
          `left:${tile.left}%;top:${tile.top}%;width:${tile.width}%;height:${tile.height}%;` +
          `--area:${tile.colour};--ink:${tile.ink}`;
        const words = document.createElement("span");
        const label = document.createElement("b");
        for (const part of tile.label.split(/(?<=[./:_])/)) label.append(part, document.createElement("wbr"));
        words.append(label, tile.note);
        button.append(words);
        button.dataset.index = tile.index;
        button.addEventListener("click", () => {
          model.set("chosen", model.get("chosen") === tile.index ? -1 : tile.index);
          model.save_changes();
        });
        return button;
      }),
    );
    mark();
  };
  const mark = () => {
    for (const button of map.children) {
      button.setAttribute("aria-pressed", String(Number(button.dataset.index) === model.get("chosen")));
    }
    map.classList.toggle("fw-chosen", model.get("chosen") >= 0);
  };
  model.on("change:_tiles", draw);
  model.on("change:chosen", mark);
  draw();
  return () => {
    model.off("change:_tiles", draw);
    model.off("change:chosen", mark);
  };
}

export default { render };
