// What a plan can ask a browser to do, a step each: {do: "...", ...}.
"use strict";
const crypto = require("node:crypto");

// totp is TOTP with SHA-1, 6 digits, 30 seconds, as authenticators have it.
function totp(secret, at = Date.now()) {
  const letters = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";
  let bits = "";
  for (const c of secret.toUpperCase().replace(/[^A-Z2-7]/g, "")) bits += letters.indexOf(c).toString(2).padStart(5, "0");
  const key = Buffer.from((bits.match(/.{8}/g) || []).map((b) => parseInt(b, 2)));
  const count = Buffer.alloc(8);
  count.writeBigUInt64BE(BigInt(Math.floor(at / 30000)));
  const mac = crypto.createHmac("sha1", key).update(count).digest();
  const n = (mac.readUInt32BE(mac[19] & 15) & 0x7fffffff) % 1000000;
  return String(n).padStart(6, "0");
}

async function until(what, within, test) {
  const end = Date.now() + within;
  for (;;) {
    const said = await test();
    if (said === true) return;
    if (Date.now() > end) throw new Error(`${what}: ${said}`);
    await new Promise((r) => setTimeout(r, 20));
  }
}

const steps = {
  goto: (p, s, plan) => p.goto(plan.base + s.path, { waitUntil: "load" }),
  fill: (p, s) => p.fill(s.at, s.value),
  type: (p, s) => (s.at ? p.locator(s.at).pressSequentially(s.value) : p.keyboard.type(s.value)),
  totp: async (p, s) => {
    // A code is used once: wait for the next where this one nearly ends.
    if (30000 - (Date.now() % 30000) < 1500) await new Promise((r) => setTimeout(r, 1600));
    const code = totp(s.secret);
    return s.at ? p.fill(s.at, code) : p.keyboard.type(code);
  },
  select: (p, s) => p.selectOption(s.at, s.value),
  check: (p, s) => p.check(s.at),
  file: (p, s) => p.setInputFiles(s.at, s.value),
  click: (p, s) => p.click(s.at),
  press: (p, s) => p.keyboard.press(s.key),
  // tab goes by keyboard alone to what matches, as somebody without a mouse would.
  tab: async (p, s) => {
    for (let i = 0; i < (s.most || 80); i++) {
      await p.keyboard.press(s.back ? "Shift+Tab" : "Tab");
      if (await p.evaluate((at) => !!document.activeElement?.matches(at), s.at)) return;
    }
    throw new Error(`${s.most || 80} times Tab did not reach ${s.at}`);
  },
  focus: (p, s) => p.focus(s.at),
  size: (p, s) => p.setViewportSize({ width: s.width, height: s.height || 900 }),
  // poke asks the server beside the page, with its cookies.
  poke: async (p, s, plan) => {
    const r = await p.context().request.fetch(plan.base + s.path, { method: s.method || "GET", ignoreHTTPSErrors: true });
    if (r.status() >= 400) throw new Error(`${s.path} answered ${r.status()}`);
  },
  url: (p, s, plan) => until("the address", s.within || 5000, async () => {
    const u = p.url().replace(plan.base, "");
    return u === s.is || (s.starts && u.startsWith(s.starts)) || `is ${u}, not ${s.is || s.starts + "…"}`;
  }),
  see: (p, s) => until(`"${s.text}"`, s.within || 5000, async () => {
    const t = await p.locator(s.at || "body").first().innerText().catch(() => "");
    return t.replace(/\s+/g, " ").includes(s.text) || `is not in ${s.at || "the page"}: "${t.replace(/\s+/g, " ").slice(0, 200)}"`;
  }),
  not: async (p, s) => {
    const t = await p.locator(s.at || "body").first().innerText();
    if (t.includes(s.text)) throw new Error(`"${s.text}" is in ${s.at || "the page"}`);
  },
  text: (p, s) => until(s.at, s.within || 1, async () => {
    const t = (await p.locator(s.at).first().textContent()).replace(/\s+/g, " ").trim();
    return t === s.is || `says "${t}", not "${s.is}"`;
  }),
  value: async (p, s) => {
    const v = await p.inputValue(s.at);
    if (v !== s.is) throw new Error(`${s.at} holds "${v}", not "${s.is}"`);
  },
  focused: async (p, s) => {
    if (!(await p.evaluate((at) => !!document.activeElement?.matches(at), s.at)))
      throw new Error(`${s.at} has not the focus, but ${await p.evaluate(() => document.activeElement?.outerHTML.slice(0, 120))}`);
  },
  visible: async (p, s) => {
    if (!(await p.locator(s.at).first().isVisible())) throw new Error(`${s.at} is not to be seen`);
  },
  gone: async (p, s) => {
    if (await p.locator(s.at).first().isVisible()) throw new Error(`${s.at} is to be seen`);
  },
  wait: (p, s) => p.waitForSelector(s.at, { timeout: s.within || 10000 }),
  // clock gives the page a clock that only goes on by forward; before goto.
  clock: (p) => p.clock.install(),
  forward: (p, s) => p.clock.runFor(s.within),
  // without cuts the page off from an address.
  without: (p, s, plan) => p.route(plan.base + s.path, (r) => r.abort()),
  eval: (p, s) => p.evaluate(s.code),
  // passkey gives the browser an authenticator that a test can hold.
  passkey: async (p) => {
    const c = await p.context().newCDPSession(p);
    await c.send("WebAuthn.enable");
    await c.send("WebAuthn.addVirtualAuthenticator", {
      options: { protocol: "ctap2", ctap2Version: "ctap2_1", transport: "internal", hasResidentKey: true, hasUserVerification: true, isUserVerified: true, automaticPresenceSimulation: true },
    });
  },
  shot: (p, s, plan) => p.screenshot({ path: `${plan.shots}/${s.name}.png`, fullPage: true }),
};

async function run(page, list, plan) {
  for (const [i, s] of (list || []).entries()) {
    if (!steps[s.do]) throw new Error(`step ${i + 1}: there is no "${s.do}"`);
    try {
      await steps[s.do](page, s, plan);
    } catch (e) {
      throw new Error(`step ${i + 1} (${s.do} ${s.at || s.path || s.text || ""}): ${e.message.split("\n")[0]}`);
    }
  }
}

module.exports = { run, totp };
