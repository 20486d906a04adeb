"use strict";
(() => {
  const now = document.getElementById("now");
  const silent = document.getElementById("silent");
  const news = document.getElementById("news");
  const pause = Math.min(5000, Math.max(250, Number(now.dataset.every) * 1000));
  let tag = "";
  const title = () => {
    document.title = `${now.querySelector("h1").textContent}: GRPO training, live`;
  };
  const replace = (text) => {
    const fresh = new DOMParser().parseFromString(text, "text/html");
    const focused = now.contains(document.activeElement) && document.activeElement.closest(".chart") !== null;
    now.replaceChildren(...fresh.body.childNodes);
    dispatchEvent(new Event("replaced"));
    if (focused) now.querySelector(".chart svg")?.focus();
    title();
    news.textContent = `Last change: ${new Date().toLocaleTimeString()}.`;
  };
  const look = async () => {
    try {
      const answer = await fetch(`now${location.search}`, { cache: "no-store", headers: tag ? { "If-None-Match": tag } : {} });
      if (answer.status === 200) {
        replace(await answer.text());
        tag = answer.headers.get("ETag");
      } else if (answer.status !== 304) {
        throw new Error(String(answer.status));
      }
      silent.hidden = true;
    } catch {
      silent.hidden = false;
    }
    setTimeout(look, pause);
  };
  title();
  look();
})();
