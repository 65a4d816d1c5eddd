// Sends a file in pieces, each when the one before has arrived: the server takes no message of more than 10 MB.
const PIECE = 4 * 1024 * 1024;

function render({ model, el }) {
  const input = document.createElement("input");
  input.type = "file";
  input.accept = model.get("accept");
  input.hidden = true;
  const button = document.createElement("button");
  button.type = "button";
  button.className = "jupyter-button widget-button";
  button.textContent = "Upload";
  el.append(input, button);

  let file = null;
  const send = async start => {
    const piece = await file.slice(start, start + PIECE).arrayBuffer();
    model.send({ name: file.name, size: file.size, start }, undefined, [piece]);
  };
  const answered = message => {
    if (!file) return; // another view of this widget is sending
    const done = message.received >= file.size || message.failed;
    button.textContent = done ? "Upload" : `Upload ${Math.floor((100 * message.received) / file.size)} %`;
    button.disabled = !done;
    if (done) file = null;
    else send(message.received);
  };
  button.addEventListener("click", () => input.click());
  input.addEventListener("change", () => {
    file = input.files[0];
    input.value = ""; // so that the same file can be sent again
    if (!file) return;
    button.disabled = true;
    send(0);
  });
  model.on("msg:custom", answered);
  return () => model.off("msg:custom", answered);
}

export default { render };
