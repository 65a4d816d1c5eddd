// Buttons that ask the kernel for the numbers as a file, and hand what comes to the browser's downloads.
const KINDS = { csv: "CSV", parquet: "Parquet" };

function save(name, data) {
  const link = document.createElement("a");
  link.href = URL.createObjectURL(new Blob([data]));
  link.download = name;
  link.click();
  setTimeout(() => URL.revokeObjectURL(link.href), 10_000); // a download that has not begun still needs it
}

function render({ model, el }) {
  const line = document.createElement("div");
  line.className = "fw-files";
  const said = document.createElement("span");
  said.setAttribute("role", "status");
  line.append("Numbers as ");
  let asked = false; // another view of this widget may ask, too
  for (const [kind, label] of Object.entries(KINDS)) {
    const button = document.createElement("button");
    button.type = "button";
    button.textContent = label;
    button.addEventListener("click", () => {
      asked = true;
      said.textContent = "";
      model.send({ kind });
    });
    line.append(button);
  }
  line.append(said);
  el.append(line);
  const answered = (message, buffers) => {
    if (!asked) return;
    asked = false;
    if (message.failed) said.textContent = message.failed;
    else save(message.name, buffers[0]);
  };
  model.on("msg:custom", answered);
  return () => model.off("msg:custom", answered);
}

export default { render };
