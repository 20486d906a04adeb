"use strict";
(() => {
  const say = (value) => (value === null ? "-" : String(value));
  const attach = (chart) => {
    const source = document.getElementById(chart.dataset.values);
    const svg = chart.querySelector("svg");
    const cursor = chart.querySelector(".cursor");
    const readout = chart.querySelector(".readout");
    if (!source || !svg || !cursor || !readout) return;
    const { x, rows, logged, interval } = JSON.parse(source.textContent);
    const share = Math.round(interval * 100) + " %";
    let at = -1;
    const hint = "Point at the figure, or focus it and use the arrow keys, to read its values.";
    const show = (index) => {
      at = Math.max(0, Math.min(rows.length - 1, index));
      cursor.setAttribute("d", `M${x[at]} 12V322`);
      const row = rows[at];
      const past = at < logged;
      const [middle, low, high] = past ? row.slice(2, 5) : row.slice(1, 4);
      readout.textContent = `Step ${say(row[0])}: ` +
        (past ? `logged reward ${say(row[1])}` : "forecast") +
        (middle === undefined ? "" : `; expected reward ${say(middle)} (${share}: ${say(low)} to ${say(high)})`) +
        (past ? "." : `; one logged reward ${say(row[4])} to ${say(row[5])}.`);
    };
    const nearest = (position) => {
      let best = 0;
      for (let i = 1; i < x.length; i += 1) {
        if (Math.abs(x[i] - position) < Math.abs(x[best] - position)) best = i;
      }
      return best;
    };
    readout.textContent = hint;
    svg.setAttribute("tabindex", "0");
    svg.addEventListener("pointermove", (event) => {
      const box = svg.getBoundingClientRect();
      show(nearest((event.clientX - box.left) / box.width * 720));
    });
    svg.addEventListener("keydown", (event) => {
      const moves = { ArrowLeft: -1, ArrowRight: 1, PageDown: 10, PageUp: -10, Home: -Infinity, End: Infinity };
      if (event.key === "Escape") {
        at = -1;
        cursor.setAttribute("d", "");
        readout.textContent = hint;
      } else if (event.key in moves) {
        event.preventDefault();
        show(at < 0 && Number.isFinite(moves[event.key]) ? logged - 1 : at + moves[event.key]);
      }
    });
  };
  document.querySelectorAll(".chart").forEach(attach);
  // A page that is replaced as it is read has new charts.
  addEventListener("replaced", () => document.querySelectorAll(".chart").forEach(attach));
  const copy = async (source) => {
    const text = source.innerText;
    try {
      await navigator.clipboard.writeText(text);
      return true;
    } catch {
      // A page that was opened from the disk may have no clipboard: select the text and ask the browser to copy it.
      const range = document.createRange();
      range.selectNodeContents(source);
      const selection = getSelection();
      selection.removeAllRanges();
      selection.addRange(range);
      return document.execCommand("copy");
    }
  };
  for (const button of document.querySelectorAll("[data-copy]")) {
    const source = document.getElementById(button.dataset.copy);
    const status = button.parentElement.querySelector("[role=status]");
    if (!source || !status) continue;
    button.parentElement.hidden = false;
    button.addEventListener("click", async () => {
      status.textContent = (await copy(source)) ? "Copied." : "The text is selected: copy it by Ctrl-C.";
    });
  }
  const open = () => {
    const target = location.hash.length > 1 && document.getElementById(location.hash.slice(1));
    if (target && target.tagName === "DETAILS") {
      target.open = true;
      target.scrollIntoView();
    }
  };
  addEventListener("hashchange", open);
  open();
  let closed = [];
  addEventListener("beforeprint", () => {
    closed = [...document.querySelectorAll("details:not([open])")];
    for (const one of closed) one.open = true;
  });
  addEventListener("afterprint", () => {
    for (const one of closed) one.open = false;
  });
})();
