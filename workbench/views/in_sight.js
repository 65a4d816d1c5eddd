// Tells the kernel while the panel around it can be seen: at once, every 15 seconds, and when it is over.
const AGAIN = 15000;

function render({ model, el }) {
  let inside = false;
  let timer = 0;
  const say = (seen) => {
    model.set("seen", seen ? model.get("seen") + 1 : 0);
    model.save_changes();
  };
  const tell = () => {
    const seen = inside && !document.hidden;
    if (seen === timer > 0) return;
    clearInterval(timer);
    timer = seen ? setInterval(say, AGAIN, true) : 0;
    say(seen);
  };
  const observer = new IntersectionObserver((entries) => {
    inside = entries.at(-1).isIntersecting;
    tell();
  });
  const start = requestAnimationFrame(() => {
    const panel = el.closest(".fw-split");
    if (panel) observer.observe(panel);
  });
  document.addEventListener("visibilitychange", tell);
  return () => {
    cancelAnimationFrame(start);
    document.removeEventListener("visibilitychange", tell);
    observer.disconnect();
    inside = false;
    tell();
  };
}

export default { render };
