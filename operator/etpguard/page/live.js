// The operator's page: its events name the newest revision, which replaces what differs.
(() => {
  const line = document.querySelector("#connection");
  let shown = document.documentElement.dataset.revision;
  let wanted = shown;
  let busy = false;

  const say = (text) => { line.textContent = text; };
  const parts = (root) => new Map([...root.querySelectorAll("details[id]")].map((part) => [part.id, part]));

  function replace(id, next) {
    const now = document.getElementById(id);
    const then = next.getElementById(id);
    if (now.innerHTML === then.innerHTML) return;
    const box = now.querySelector(".scroll");
    const [top, left] = box ? [box.scrollTop, box.scrollLeft] : [0, 0];
    now.replaceChildren(...then.childNodes);
    now.querySelector(".scroll")?.scrollTo({ top, left, behavior: "instant" });
  }

  // A Service that stays the same keeps its element, and so whether it is open.
  function replaceServices(next) {
    const section = document.getElementById("services");
    const before = parts(section);
    const after = [...parts(next).values()].map((then) => {
      const now = before.get(then.id);
      if (!now) return then;
      if (now.dataset.outcome !== then.dataset.outcome || now.innerHTML !== then.innerHTML) {
        now.dataset.outcome = then.dataset.outcome;
        now.replaceChildren(...then.childNodes);
      }
      return now;
    });
    const order = [...before.keys()].join("\n");
    if (order !== after.map((part) => part.id).join("\n")) {
      section.replaceChildren(section.querySelector("h2"), ...after);
    }
  }

  function focused() {
    const active = document.activeElement;
    const part = active?.closest("details[id]");
    if (part) return () => part.querySelector("summary")?.focus({ preventScroll: true });
    const href = active?.getAttribute("href");
    return () => href && document.querySelector(`#matrix a[href="${CSS.escape(href)}"]`)?.focus({ preventScroll: true });
  }

  async function renew() {
    if (busy || wanted === shown) return;
    busy = true;
    try {
      const answer = await fetch("/", { cache: "no-store" });
      if (!answer.ok) throw new Error(`the operator answers ${answer.status}`);
      const next = new DOMParser().parseFromString(await answer.text(), "text/html");
      const sections = (root) => [...root.querySelectorAll("main > section")].map((part) => part.id).join(" ");
      if (sections(next) !== sections(document)) {
        location.reload();
        return;
      }
      const before = document.activeElement;
      const restore = focused();
      replace("summary", next);
      if (document.getElementById("services")) {
        replace("matrix", next);
        replaceServices(next);
      }
      if (document.getElementById("internal")) replace("internal", next);
      if (document.activeElement !== before) restore();
      document.title = next.title;
      shown = next.documentElement.dataset.revision;
      document.documentElement.dataset.revision = shown;
      document.dispatchEvent(new Event("etpguard:changed"));
      say(`Live. Last change at ${new Date().toLocaleTimeString()}.`);
    } catch (error) {
      say(`Not renewed: ${error.message}.`);
    } finally {
      busy = false;
    }
    if (wanted !== shown) setTimeout(renew, 1000);
  }

  function follow() {
    const events = new EventSource("/events");
    events.addEventListener("open", () => say("Live."));
    events.addEventListener("error", () => {
      say("Not connected. What is shown may be old. The page tries again.");
      // After an answer such as 503, for too many readers, the browser does not try again.
      if (events.readyState === EventSource.CLOSED) setTimeout(follow, 5000);
    });
    events.addEventListener("revision", (event) => {
      wanted = event.data;
      renew();
    });
  }
  follow();
})();
