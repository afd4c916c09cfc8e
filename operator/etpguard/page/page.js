"use strict";
// The page works without this script. It adds the filter, and opens the Service that a link names.
(() => {
  const form = document.getElementById("filter");

  function filter() {
    const text = form.elements.text.value.trim().toLowerCase();
    const outcome = form.elements.outcome.value;
    const fitting = new Set();
    for (const service of document.querySelectorAll("details[id]")) {
      const fits = service.id.toLowerCase().includes(text) && (!outcome || service.dataset.outcome === outcome);
      service.classList.toggle("gone", !fits);
      if (fits) fitting.add(`#${service.id}`);
    }
    for (const row of document.querySelectorAll("#matrix tbody")) {
      row.classList.toggle("gone", !fitting.has(row.querySelector("a").getAttribute("href")));
    }
    form.elements.shown.value = text || outcome ? `${fitting.size} shown` : "";
  }

  function open() {
    const named = document.getElementById(decodeURIComponent(location.hash.slice(1)));
    if (named?.localName !== "details") return;
    named.open = true;
    named.scrollIntoView();
    named.querySelector("summary").focus({ preventScroll: true });
  }

  if (form) {
    form.hidden = false;
    form.addEventListener("submit", (event) => event.preventDefault());
    form.addEventListener("input", filter);
    document.addEventListener("etpguard:changed", filter);
  }
  addEventListener("hashchange", open);
  open();
})();
