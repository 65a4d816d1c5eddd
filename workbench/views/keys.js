// Ctrl+Enter, or Cmd+Enter, in a text field presses the button of the panel around it that starts its job.
function render({ el }) {
  let panel = null;
  const press = (event) => {
    if (event.key !== "Enter" || !(event.ctrlKey || event.metaKey) || !event.target.matches("textarea, input")) return;
    event.preventDefault();
    event.stopPropagation();
    event.target.dispatchEvent(new Event("change", { bubbles: true })); // what is written so far counts
    [...panel.querySelectorAll(".fw-primary:enabled")].find((button) => button.checkVisibility())?.click();
  };
  const start = requestAnimationFrame(() => {
    panel = el.closest(".fw-main");
    panel?.addEventListener("keydown", press, true); // before the field, which keeps its keys from JupyterLab
  });
  return () => {
    cancelAnimationFrame(start);
    panel?.removeEventListener("keydown", press, true);
  };
}

export default { render };
