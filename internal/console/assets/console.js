// Keeps a page up to date: when the sandbox says that something of the kinds that
// the page shows has changed, the parts marked data-live are fetched anew. Without
// this file, reloading the page does the same.
"use strict";

(() => {
  const kinds = (document.body.dataset.watch || "").split(" ").filter(Boolean);
  if (kinds.length === 0 || !window.EventSource) return;

  const news = document.getElementById("news");
  let source = null;
  let loading = false;
  let stale = false;

  // The region is there from the beginning, and empty: what comes into it is read out.
  function tell() {
    if (news.firstChild) return;
    const link = document.createElement("a");
    link.href = "";
    link.textContent = "Something has changed. Reload the page";
    news.append(link);
  }

  // Somebody who is in the middle of a part must not have it taken away.
  const busy = (part) => part.contains(document.activeElement) || !(window.getSelection() || { isCollapsed: true }).isCollapsed;

  async function refresh() {
    if (loading) {
      stale = true;
      return;
    }
    loading = true;
    stale = false;
    try {
      const answer = await fetch(location.href, { headers: { Accept: "text/html" } });
      if (!answer.ok) throw new Error(String(answer.status));
      const fresh = new DOMParser().parseFromString(await answer.text(), "text/html");
      for (const part of document.querySelectorAll("[data-live]")) {
        const next = fresh.querySelector(`[data-live="${part.dataset.live}"]`);
        if (!next || next.innerHTML === part.innerHTML) continue;
        if (busy(part)) {
          tell();
        } else {
          part.innerHTML = next.innerHTML;
        }
      }
    } catch {
      tell();
    } finally {
      loading = false;
    }
    if (stale) refresh();
  }

  function listen() {
    if (source || document.hidden) return;
    source = new EventSource("/events");
    source.onopen = refresh; // what has changed while nobody listened
    source.onmessage = (event) => {
      if (event.data.split(" ").some((kind) => kinds.includes(kind))) refresh();
    };
  }

  // A hidden page lets its connection go: browsers allow six to one host.
  document.addEventListener("visibilitychange", () => {
    if (!document.hidden) {
      listen();
      refresh();
    } else if (source) {
      source.close();
      source = null;
    }
  });
  listen();
})();
