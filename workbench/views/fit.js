// A plotly figure takes its width once, often before its place has one (a panel that is still hidden), and later only when the
// window's size changes. This says so to the figures of a panel whenever the panel itself changes its size.
function render({ el }) {
  let waiting = 0;
  const fit = () => {
    waiting = 0;
    const misfits = [...panel.querySelectorAll(".js-plotly-plot")].some((figure) => {
      const drawn = figure.querySelector(".main-svg");
      return drawn && figure.clientWidth > 0 && Math.abs(drawn.clientWidth - figure.clientWidth) > 1;
    });
    if (misfits) dispatchEvent(new Event("resize"));
  };
  let panel = null;
  const observer = new ResizeObserver(() => {
    waiting ||= requestAnimationFrame(fit);
  });
  const start = requestAnimationFrame(() => {
    panel = el.closest(".fw");
    if (panel) observer.observe(panel);
  });
  return () => {
    cancelAnimationFrame(start);
    cancelAnimationFrame(waiting);
    observer.disconnect();
  };
}

export default { render };
