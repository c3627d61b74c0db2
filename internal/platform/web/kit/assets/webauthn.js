// Passkeys: forms marked data-passkey ask the server for a challenge (data-begin),
// the authenticator for an answer, and bring it back (data-finish). Everything that
// is shown is set as text.
"use strict";
(() => {
  const bytes = text => {
    const b = atob(text.replace(/-/g, "+").replace(/_/g, "/"));
    return Uint8Array.from(b, c => c.charCodeAt(0));
  };
  const text = buffer => {
    let s = "";
    for (const b of new Uint8Array(buffer)) s += String.fromCharCode(b);
    return btoa(s).replace(/\+/g, "-").replace(/\//g, "_").replace(/=+$/, "");
  };
  const listed = list => (list || []).map(c => ({ ...c, id: bytes(c.id) }));

  // What the server says, as the browser wants it (WebAuthn level 3, 5.1.8, 5.1.9).
  function options(kind, o) {
    const p = { ...o.publicKey, challenge: bytes(o.publicKey.challenge) };
    if (kind === "create") {
      p.user = { ...p.user, id: bytes(p.user.id) };
      p.excludeCredentials = listed(p.excludeCredentials);
    } else {
      p.allowCredentials = listed(p.allowCredentials);
    }
    return { publicKey: p };
  }

  // What the authenticator says, as the server wants it (5.1 toJSON).
  function answer(c) {
    const r = c.response, out = { clientDataJSON: text(r.clientDataJSON) };
    if (r.attestationObject) {
      out.attestationObject = text(r.attestationObject);
      if (r.getTransports) out.transports = r.getTransports();
    } else {
      out.authenticatorData = text(r.authenticatorData);
      out.signature = text(r.signature);
      if (r.userHandle) out.userHandle = text(r.userHandle);
    }
    return {
      id: c.id, rawId: text(c.rawId), type: c.type, response: out, clientExtensionResults: c.getClientExtensionResults(),
      ...(c.authenticatorAttachment ? { authenticatorAttachment: c.authenticatorAttachment } : {}),
    };
  }

  async function send(url, body) {
    const r = await fetch(url, { method: "POST", headers: { "Content-Type": "application/json" }, body: JSON.stringify(body), credentials: "same-origin", redirect: "error" });
    const v = await r.json().catch(() => null);
    if (r.ok && v) return v;
    throw new Error(v?.error?.message || "The server did not answer as it should. Try again.");
  }

  function words(e, kind) {
    switch (e.name) {
      case "NotAllowedError":
      case "AbortError":
        return kind === "create" ? "No passkey was made. Try again when you are ready." : "No passkey was used. Try again when you are ready.";
      case "InvalidStateError":
        return "This device has a passkey of yours already.";
      case "SecurityError":
        return "Passkeys do not work at this address. Open these pages by the name your administrator gave you.";
      case "NotSupportedError":
        return "This device cannot make such a passkey.";
    }
    return e.message;
  }

  for (const form of document.querySelectorAll("form[data-passkey]")) {
    const find = name => form.querySelector("[data-passkey-" + name + "]");
    const button = find("button"), kind = form.dataset.passkey;
    if (!window.PublicKeyCredential || !navigator.credentials) {
      find("none").hidden = false;
      continue;
    }
    button.disabled = false;
    form.addEventListener("submit", async event => {
      event.preventDefault();
      if (button.disabled) return;
      button.disabled = true;
      find("error").hidden = true;
      try {
        const said = Object.fromEntries(new FormData(form));
        const begun = await send(form.dataset.begin, said);
        const o = options(kind, begun.options);
        const c = kind === "create" ? await navigator.credentials.create(o) : await navigator.credentials.get(o);
        const done = await send(form.dataset.finish, { ...said, token: begun.token, answer: answer(c) });
        location.assign(new URL(done.to, location.origin).origin === location.origin ? done.to : "/");
      } catch (e) {
        find("message").textContent = words(e, kind);
        find("error").hidden = false;
        find("error").focus();
        button.disabled = false;
      }
    });
  }
})();
