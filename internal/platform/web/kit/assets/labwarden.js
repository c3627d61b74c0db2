// Labwarden's pages work without this. It draws a page again when something on it
// has changed, and adds small comforts. It never turns text into markup: the
// browser's own loader parses the new page (no Trusted Types policy is needed),
// and only elements, attributes and text are taken over from it.
"use strict";
(() => {
  const main = document.getElementById("main");
  const say = document.getElementById("say");
  const minute = 60000;

  // Taking over from the new page what differs: what one types in, has chosen,
  // opened, selected or focused stays.

  const key = n => n.nodeType === 1 ? n.id || n.dataset?.key || "" : "";
  const alike = (a, b) => a.nodeType === b.nodeType && a.nodeName === b.nodeName && key(a) === key(b);
  const keeps = n => n.nodeType === 1 && n.hasAttribute("data-keep");
  const touched = new WeakSet(); // fields and forms somebody has typed in

  const mine = n => n === document.activeElement && n.matches("input,select,textarea");

  function takeAttributes(old, now) {
    for (const a of [...old.attributes])
      if (!now.hasAttribute(a.name) && a.name !== "open" && !a.name.startsWith("data-my-")) old.removeAttribute(a.name);
    for (const a of now.attributes) {
      if (/^on/i.test(a.name) || a.name === "open" || a.name === "autofocus") continue;
      if (old.getAttribute(a.name) !== a.value) old.setAttributeNS(a.namespaceURI, a.name, a.value);
    }
  }

  function take(old, now) {
    if (old.isEqualNode(now)) return;
    if (old.nodeType !== 1) { old.nodeValue = now.nodeValue; return; }
    if (mine(old) || touched.has(old)) return;
    takeAttributes(old, now);
    takeChildren(old, now);
  }

  function takeChildren(old, now) {
    let at = old.firstChild;
    for (const want of [...now.childNodes]) {
      if (want.nodeName === "SCRIPT") continue;
      while (at && keeps(at) && !alike(at, want)) at = at.nextSibling;
      let found = at;
      if (!(at && alike(at, want))) {
        found = null;
        for (let n = at; n; n = n.nextSibling)
          if (alike(n, want) && (key(want) || !found)) { found = n; if (key(want)) break; }
        // An unkeyed node that would be found further on is only taken when
        // nothing with a key has to be skipped for it.
        if (found && !key(want))
          for (let n = at; n !== found; n = n.nextSibling) if (key(n)) { found = null; break; }
      }
      if (found) {
        if (found !== at) move(old, found, at); else at = at.nextSibling;
        take(found, want);
      } else {
        old.insertBefore(document.importNode(want, true), at);
      }
    }
    while (at) {
      const next = at.nextSibling;
      if (!keeps(at) && !(at.contains(document.activeElement) && mine(document.activeElement))) at.remove();
      at = next;
    }
  }

  function move(parent, node, before) {
    if (parent.moveBefore) parent.moveBefore(node, before); else parent.insertBefore(node, before);
  }

  // Live

  let source = null, wanted = false, busy = false, since = 0, lost = false, over = false;
  let told = 0, tellLater = 0;

  function clock(live) {
    const c = main.querySelector("[data-clock]");
    if (!c) return;
    c.classList.toggle("on", live);
    c.textContent = live ? "Live, " + c.dataset.clock : lost ? "Not live: as of " + c.dataset.clock : "As of " + c.dataset.clock;
  }

  // What changed is read out at most every 30 seconds, the last state only.
  function tell() {
    clearTimeout(tellLater);
    const wait = told + 30000 - Date.now();
    if (wait > 0) { tellLater = setTimeout(tell, wait); return; }
    const text = main.querySelector("h1")?.textContent.replace(/\s+/g, " ").trim() || "";
    if (say && say.textContent !== text) { say.textContent = text; told = Date.now(); }
  }

  function again() {
    if (over) return;
    if (document.hidden || busy) { wanted = true; return; }
    busy = true; wanted = false; since = Date.now();
    const at = location.pathname + location.search;
    const x = new XMLHttpRequest();
    x.open("GET", at);
    x.responseType = "document"; // parsed by the browser, scripts never run
    x.timeout = 20000;
    x.setRequestHeader("Labwarden-Live", "1"); // not a sign of life of whoever sits there
    x.onloadend = () => {
      busy = false;
      const doc = x.response, fresh = doc && doc.getElementById("main");
      const here = x.responseURL && new URL(x.responseURL);
      if (x.status === 200 && fresh && here.pathname + here.search === at) {
        const before = main.querySelector("h1")?.textContent;
        lost = false;
        take(main, fresh);
        const menu = document.getElementById("nav"), freshMenu = doc.getElementById("nav");
        if (menu && freshMenu) take(menu, freshMenu);
        comforts(main);
        if (doc.title) document.title = doc.title;
        clock(source?.readyState === 1);
        if (main.querySelector("h1")?.textContent !== before) tell();
      } else {
        lost = true;
        clock(false);
        // Signed out, no longer allowed, or gone: what stands on this screen is
        // no longer this person's to see, so the page is asked for anew.
        if ([200, 401, 403, 404].includes(x.status)) { stop(); location.reload(); }
      }
      if (wanted) again();
    };
    x.send();
  }

  function stop() { over = true; close(); }
  function close() { source?.close(); source = null; }
  function open() {
    if (source || over || document.hidden) return;
    source = new EventSource(main.dataset.live);
    source.onopen = () => { lost = false; clock(true); };
    source.onerror = () => { clock(false); if (source?.readyState === 2) { close(); again(); } };
    source.addEventListener("changed", again);
  }

  if (main?.dataset.live) {
    open();
    setInterval(() => { open(); if (Date.now() - since >= minute - 1000) again(); }, minute);
    since = Date.now();
    document.addEventListener("visibilitychange", () => {
      if (document.hidden) { close(); return; }
      open();
      again();
    });
    addEventListener("pagehide", close);
    addEventListener("beforeprint", () => clock(false)); // paper is not live
    addEventListener("afterprint", () => clock(source?.readyState === 1));
    addEventListener("pageshow", e => { if (e.persisted) { open(); again(); } });
    main.addEventListener("input", e => touched.add(e.target));
    main.addEventListener("change", e => touched.add(e.target));
  }

  // Comforts

  function comforts(root) {
    for (const b of root.querySelectorAll("[data-print],[data-show]")) b.hidden = false;
    // A table is a stop of the keyboard only where it scrolls sideways.
    for (const b of root.querySelectorAll(".scroll")) {
      if (b.scrollWidth > b.clientWidth) b.tabIndex = 0;
      else if (b !== document.activeElement) b.removeAttribute("tabindex");
    }
  }
  comforts(document);
  addEventListener("resize", () => comforts(document));
  document.querySelector("[data-focus]")?.focus();

  document.addEventListener("click", e => {
    const b = e.target.closest?.("[data-print],[data-show]");
    if (!b) return;
    if (b.hasAttribute("data-print")) { print(); return; }
    const field = document.getElementById(b.dataset.show);
    if (!field) return;
    const shown = field.type === "password";
    field.type = shown ? "text" : "password";
    b.setAttribute("aria-pressed", shown);
    b.firstChild.nodeValue = shown ? "Hide" : "Show";
  });

  // A password is sent as one, whatever was shown.
  document.addEventListener("submit", e => {
    for (const b of e.target.querySelectorAll("[data-show]")) {
      const field = document.getElementById(b.dataset.show);
      if (field) field.type = "password";
    }
  });

  document.addEventListener("keydown", e => {
    if (e.key === "/" && !e.ctrlKey && !e.metaKey && !e.altKey && !e.target.closest("input,textarea,select,[contenteditable]")) {
      const q = document.getElementById("q");
      if (q) { e.preventDefault(); q.focus(); q.select(); }
    }
    if (e.key === "Escape" && location.hash === "#menu") location.hash = "#main";
  });
})();
