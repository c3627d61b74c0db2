// What a plan can ask a browser to do, a step each: {do: "...", ...}.
"use strict";
const crypto = require("node:crypto");
const { bounded } = require("./bounded.js");

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
  totp: async (p, s, plan, kept) => {
    // A code is used once: wait for the next where this one nearly ends. The
    // server also takes the one that comes next, which saves half a minute.
    if (30000 - (Date.now() % 30000) < 1500) await new Promise((r) => setTimeout(r, 1600));
    const used = (kept.used ||= new Map()), last = used.get(s.secret) || 0;
    const step = Math.max(Math.floor(Date.now() / 30000), last + 1);
    await new Promise((r) => setTimeout(r, Math.max(0, (step - 1) * 30000 - Date.now() + 500)));
    used.set(s.secret, step);
    const code = totp(s.secret, step * 30000);
    return s.at ? p.fill(s.at, code) : p.keyboard.type(code);
  },
  // keep remembers a text, or an attribute, of the page for {{name}} in later steps
  // of anybody; Code is what of it, as a regular expression.
  keep: async (p, s, plan, kept) => {
    const l = p.locator(s.at).first();
    const text = (s.key ? await l.getAttribute(s.key) : await l.innerText()).trim();
    const m = s.code ? new RegExp(s.code).exec(text) : [text];
    if (!m) throw new Error(`"${text.slice(0, 80)}" has nothing like ${s.code}`);
    kept[s.name] = m[m.length - 1];
    plan.out({ kept: { name: s.name, value: kept[s.name] } });
  },
  // download clicks and writes what comes into a file.
  download: async (p, s) => {
    const [d] = await Promise.all([p.waitForEvent("download"), s.key ? p.keyboard.press(s.key) : p.click(s.at)]);
    await d.saveAs(s.value);
  },
  select: (p, s) => p.selectOption(s.at, s.value),
  check: (p, s) => p.check(s.at),
  file: (p, s) => p.setInputFiles(s.at, s.value),
  click: (p, s) => p.click(s.at),
  press: (p, s) => p.keyboard.press(s.key),
  // tab goes by keyboard alone to what matches, as somebody without a mouse would.
  tab: async (p, s) => {
    for (let i = 0; i < (s.most || 80); i++) {
      await p.waitForLoadState("load");
      await p.keyboard.press(s.back ? "Shift+Tab" : "Tab");
      const there = await p.evaluate((at) => !!document.activeElement?.matches(at), s.at).catch(() => null);
      if (there) return;
      if (there === null) i = 0; // the next page came while one was on one's way
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
  // console has somebody at the machine's console do something.
  console: async (p, s, plan) => {
    const r = await fetch(plan.machine + "/?line=" + encodeURIComponent(s.value));
    if (!r.ok) throw new Error(await r.text());
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

// run carries the steps out and returns how often something was chosen: a click,
// Enter or Space. as(name) is the page of another person.
async function run(page, list, plan, as) {
  const kept = (plan.kept ||= {});
  let chosen = 0;
  for (const [i, step] of (list || []).entries()) {
    const s = {};
    for (const [k, v] of Object.entries(step)) s[k] = typeof v === "string" ? v.replace(/\{\{(\w+)\}\}/g, (_, n) => kept[n] ?? `{{${n}}}`) : v;
    if (s.do === "as") {
      page = await as(s.name);
      continue;
    }
    if (!steps[s.do]) throw new Error(`step ${i + 1}: there is no "${s.do}"`);
    if (["click", "download", "check"].includes(s.do) || (s.do === "press" && ["Enter", "Space"].includes(s.key))) chosen++;
    try {
      await bounded(plan.patience, `step ${i + 1} (${s.do} ${s.at || s.path || s.text || ""})`, steps[s.do](page, s, plan, kept));
    } catch (e) {
      if (e.hung) throw e;
      throw new Error(`step ${i + 1} (${s.do} ${s.at || s.path || s.text || ""}): ${e.message.split("\n")[0]} [at ${page.url()}]`);
    }
  }
  return chosen;
}

module.exports = { run, totp };
