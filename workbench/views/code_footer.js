// Shows the trait `code` and copies it. The page may forbid the clipboard (no HTTPS, no permission): then the code is
// selected and the button says which key copies it.
async function copy(code, shown) {
  try {
    await navigator.clipboard.writeText(code);
    return "copied";
  } catch {
    getSelection().selectAllChildren(shown);
    return document.execCommand("copy") ? "copied" : "press Ctrl+C";
  }
}

function render({ model, el }) {
  const line = document.createElement("div");
  line.className = "fw-code";
  const label = document.createElement("span");
  label.textContent = "as code";
  const code = document.createElement("code");
  const button = document.createElement("button");
  button.type = "button";
  button.textContent = "copy";
  button.setAttribute("aria-live", "polite");
  line.append(label, code, button);
  el.append(line);

  let timer;
  button.addEventListener("click", async () => {
    button.textContent = await copy(model.get("code"), code);
    clearTimeout(timer);
    timer = setTimeout(() => (button.textContent = "copy"), 1500);
  });
  const update = () => {
    code.textContent = model.get("code");
    line.style.display = model.get("code") ? "" : "none";
  };
  model.on("change:code", update);
  update();
  return () => {
    clearTimeout(timer);
    model.off("change:code", update);
  };
}

export default { render };
