// Looks at pages with a browser, as a plan on standard input says, and prints one
// JSON line for each finding and measurement. The plan is described in
// e2e/pages/plan.go.
"use strict";
const fs = require("node:fs");
const { chromium } = require("playwright-core");
const { run } = require("./steps.js");
const { bounded } = require("./bounded.js");

const axe = fs.readFileSync(require.resolve("axe-core/axe.min.js"), "utf8");
const out = (o) => process.stdout.write(JSON.stringify(o) + "\n");
const finding = (page, where, kind, text) => out({ finding: { page, where, kind, text } });

// A browser that answers nothing any more is no finding about a page: the run ends
// and says so, and whoever started it begins anew, once.
const orHung = (e) => {
  if (!e?.hung) return;
  out({ hung: e.message });
  process.exit(3); // the driver's own handler ends the browser
};

// watch reports what a page must never do: errors, refusals of the policy,
// anything loaded from elsewhere.
async function watch(page, name, plan) {
  page.on("console", (m) => {
    if (["error", "warning"].includes(m.type()) && !/Failed to load resource/.test(m.text())) finding(name, "console", m.type(), m.text());
  });
  page.on("pageerror", (e) => finding(name, "script", "error", e.message));
  page.on("request", (r) => {
    if (!r.url().startsWith(plan.base) && !r.url().startsWith("data:")) finding(name, "network", "outside", r.url());
  });
  const cdp = await page.context().newCDPSession(page);
  await cdp.send("Audits.enable");
  cdp.on("Audits.issueAdded", ({ issue }) => {
    if (issue.code === "ContentSecurityPolicyIssue") {
      const d = issue.details.contentSecurityPolicyIssueDetails;
      finding(name, "policy", d.violatedDirective, `${d.contentSecurityPolicyViolationType} ${d.blockedURL || ""} ${JSON.stringify(d.sourceCodeLocation || {})}`);
    }
  });
  return cdp;
}

// weigh counts what comes over the wire.
async function weigh(cdp) {
  const kind = new Map(), w = { all: 0, document: 0, script: 0, by: {} };
  await cdp.send("Network.enable");
  await cdp.send("Network.setCacheDisabled", { cacheDisabled: true });
  cdp.on("Network.responseReceived", (e) => kind.set(e.requestId, { type: e.type, url: e.response.url }));
  cdp.on("Network.loadingFinished", (e) => {
    const k = kind.get(e.requestId);
    if (!k || k.type === "EventSource") return;
    w.all += e.encodedDataLength;
    if (k.type === "Document") w.document += e.encodedDataLength;
    if (k.type === "Script") w.script += e.encodedDataLength;
    w.by[new URL(k.url).pathname] = e.encodedDataLength;
  });
  return w;
}

async function judge(page, name, where, allow) {
  if (!(await page.evaluate(() => !!window.axe))) await page.evaluate(axe);
  const r = await page.evaluate(() => axe.run(document, { resultTypes: ["violations", "incomplete"], rules: { "target-size": { enabled: true } } }));
  for (const v of r.violations)
    if (!(allow || []).includes(v.id))
      for (const n of v.nodes.slice(0, 4)) finding(name, where, "axe " + v.id, `${n.target.join(" ")}: ${n.failureSummary.replace(/\s+/g, " ")} ${[...n.any, ...n.all, ...n.none].flatMap((c) => c.relatedNodes || []).map((x) => x.target.join(" ")).slice(0, 3).join(", ")}`);
  return r.incomplete.map((v) => `${v.id} (${v.nodes.length})`);
}

async function tooWide(page, name, where) {
  const d = await page.evaluate(() => {
    const e = document.scrollingElement, w = e.clientWidth;
    if (e.scrollWidth <= w) return "";
    const scrolls = (n) => n && n !== document.body && (/auto|scroll|hidden/.test(getComputedStyle(n).overflowX) || scrolls(n.parentElement));
    const bad = [...document.body.querySelectorAll("*")].filter((n) => n.getBoundingClientRect().right > w + 1 && !scrolls(n.parentElement));
    return `${e.scrollWidth} px in ${w}: ` + bad.slice(0, 3).map((n) => n.outerHTML.slice(0, 90)).join(" … ");
  });
  if (d) finding(name, where, "scrolls sideways", d);
}

// who is the state of the person a page or job is for.
function who(plan, p, state) {
  if (p.signedOut) return undefined;
  return p.as ? plan.states[p.as] : state;
}

// shape is an address without what names one thing among many.
function shape(plan, href) {
  return href.split(/[?#]/)[0].split("/").map((x) => (/^\d+$|^[0-9a-f-]{32,}$/.test(x) || plan.crawl.keys.includes(x) ? "*" : x)).join("/");
}

// further remembers the addresses a page leads to that nobody has looked at yet.
async function further(page, plan, p) {
  if (!plan.crawl || p.signedOut || (p.as || "") !== (plan.crawl.as || "")) return;
  for (const href of await page.locator("a[href^='/']").evaluateAll((all) => all.map((a) => a.getAttribute("href")))) {
    const s = shape(plan, href);
    if (plan.seen.has(s) || plan.crawl.skip.some((x) => new RegExp(x).test(href))) continue;
    plan.seen.add(s);
    plan.todo.push({ name: "at" + s.replace(/\*/g, "x").replace(/\W+/g, "-"), path: href.split("#")[0], as: p.as, leads: true });
  }
}

async function look(browser, plan, p, state) {
  const context = await browser.newContext({ ...options(plan), storageState: who(plan, p, state) });
  try {
    const page = await context.newPage();
    const cdp = await watch(page, p.name, plan);
    const weight = await weigh(cdp);
    const r = await page.goto(plan.base + p.path, { waitUntil: "load" });
    const want = p.status || 200;
    if (r.status() !== want) finding(p.name, "answer", "status", `${r.status()}, not ${want}`);
    if (r.url() !== plan.base + p.path && !p.leads) finding(p.name, "answer", "address", `leads to ${r.url()}`);
    await page.evaluate(() => document.fonts.ready);
    await run(page, p.steps, plan);
    await further(page, plan, p);
    if (p.expect) {
      const text = (await page.locator("body").innerText()).replace(/\s+/g, " ");
      if (!text.includes(p.expect)) finding(p.name, "text", "missing", p.expect);
    }
    const measured = { page: p.name, first: weight.all, later: weight.document, script: weight.script };
    if (weight.all > plan.first) finding(p.name, "weight", "first load", `${weight.all} bytes, more than ${plan.first}: ${JSON.stringify(weight.by)}`);
    if (weight.document > (p.later || plan.later)) finding(p.name, "weight", "later load", `${weight.document} bytes, more than ${p.later || plan.later}`);
    if (weight.script > plan.script) finding(p.name, "weight", "scripts", `${weight.script} bytes, more than ${plan.script}`);
    measured.unsure = new Set();
    for (const width of plan.widths) {
      await page.setViewportSize({ width, height: width < 800 ? 844 : 936 });
      for (const colorScheme of plan.themes) {
        if (plan.sparse && (width < 800) !== (colorScheme === "dark")) continue;
        await page.emulateMedia({ colorScheme });
        const where = `${width} ${colorScheme}`;
        for (const u of await judge(page, p.name, where, p.allow)) measured.unsure.add(u);
        if (plan.shots) await page.screenshot({ path: `${plan.shots}/${p.name}-${width}-${colorScheme}.png`, fullPage: true });
      }
      await tooWide(page, p.name, `${width}`);
    }
    await page.setViewportSize({ width: 320, height: 640 });
    await page.emulateMedia({ colorScheme: "light" });
    await tooWide(page, p.name, "320");
    if (plan.shots && p.narrow) await page.screenshot({ path: `${plan.shots}/${p.name}-320.png`, fullPage: true });
    if (plan.shots && p.print) {
      await page.setViewportSize({ width: 800, height: 1000 });
      await page.emulateMedia({ media: "print" });
      await page.screenshot({ path: `${plan.shots}/${p.name}-print.png`, fullPage: true });
      await page.emulateMedia({ media: "screen" });
    }
    if (plan.shots && p.forced) {
      await page.setViewportSize({ width: 1440, height: 936 });
      await page.emulateMedia({ forcedColors: "active" });
      await page.screenshot({ path: `${plan.shots}/${p.name}-forced.png`, fullPage: true });
    }
    measured.unsure = [...measured.unsure];
    out({ measured });
  } finally {
    await context.close();
  }
}

// still looks at a page without JavaScript: it stands there whole, and nothing
// is offered that only a script could do.
async function still(browser, plan, p, state) {
  const context = await browser.newContext({ ...options(plan), storageState: who(plan, p, state), javaScriptEnabled: false, viewport: { width: 1440, height: 936 } });
  try {
    const page = await context.newPage();
    await page.goto(plan.base + p.path, { waitUntil: "load" });
    const h1 = await page.locator("h1").count();
    if (h1 !== 1) finding(p.name, "without script", "h1", `there are ${h1}`);
    for (const dead of await page.locator("button[type=button]:visible").all()) finding(p.name, "without script", "dead button", await dead.innerText());
    const words = (await page.locator("main").innerText()).trim().length;
    if (words < 20) finding(p.name, "without script", "empty", `${words} characters`);
  } finally {
    await context.close();
  }
}

async function job(browser, plan, j, state) {
  const name = j.name + (j.still ? " (without script)" : "");
  const contexts = [], pages = {};
  const open = async (storageState) => {
    const context = await browser.newContext({ ...options(plan), storageState, acceptDownloads: true, javaScriptEnabled: !j.still, viewport: { width: j.width || 1440, height: 900 } });
    contexts.push(context);
    const page = await context.newPage();
    if (!j.still && !j.noisy) await watch(page, name, plan);
    page.setDefaultTimeout(8000);
    return page;
  };
  const as = async (who) => (pages[who] ||= await open(plan.states[who]));
  try {
    const first = j.as ? await as(j.as) : await open(j.signedOut ? undefined : state);
    const began = Date.now();
    const chosen = await run(first, j.steps, plan, as);
    if (j.most && chosen > j.most) finding(name, "job", "clicks", `${chosen}, more than ${j.most}`);
    out({ done: { name, chosen, ms: Date.now() - began } });
  } catch (e) {
    orHung(e);
    finding(name, "job", "failed", e.message);
    if (plan.shots) for (const [i, c] of contexts.entries()) for (const page of c.pages()) await page.screenshot({ path: `${plan.shots}/failed-${j.name.replace(/\W+/g, "-")}${i || ""}.png`, fullPage: true }).catch(() => {});
  } finally {
    for (const c of contexts) await c.close();
  }
}

// people brings each one in; their pages stay open, with the authenticators that
// hang on them.
async function people(browser, plan) {
  const pages = {};
  const as = async (name) => pages[name];
  for (const p of plan.people) {
    const context = await browser.newContext({ ...options(plan), viewport: { width: 1440, height: 936 } });
    const page = (pages[p.name] = await context.newPage());
    await watch(page, p.name, plan);
    page.setDefaultTimeout(15000);
    try {
      await run(page, p.steps, plan, as);
    } catch (e) {
      orHung(e);
      finding(p.name, "sign-in", "failed", e.message);
      if (plan.shots) await page.screenshot({ path: `${plan.shots}/failed-person-${p.name}.png`, fullPage: true });
      return false;
    }
  }
  for (const p of plan.people) plan.states[p.name] = await pages[p.name].context().storageState();
  return true;
}

function options(plan) {
  // With the server's own certificate named, it counts as a good one; passkeys
  // are refused on a page whose certificate is not.
  return { ignoreHTTPSErrors: !plan.spki?.length, reducedMotion: "reduce", locale: "en-US" };
}

async function main() {
  const plan = { first: 120 << 10, later: 15 << 10, script: 25 << 10, patience: 90000, themes: ["light", "dark"], widths: [1440, 390], ...JSON.parse(fs.readFileSync(0, "utf8")) };
  Object.assign(plan, { out, states: {}, todo: [], seen: new Set(["/"]) });
  if (plan.crawl) plan.crawl = { keys: [], skip: [], ...plan.crawl };
  const args = ["--no-sandbox", "--disable-dev-shm-usage", "--font-render-hinting=none"];
  if (plan.spki?.length) args.push("--ignore-certificate-errors-spki-list=" + plan.spki.join(","));
  const browser = await bounded(plan.patience, "the browser's start", chromium.launch({ executablePath: plan.browser, args }));
  try {
    const context = await browser.newContext(options(plan));
    if (plan.cookies) await context.addCookies(plan.cookies.map((c) => ({ url: plan.base, ...c })));
    if (plan.signIn?.length) {
      const page = await context.newPage();
      await watch(page, "sign-in", plan);
      page.setDefaultTimeout(10000);
      try {
        await run(page, plan.signIn, plan);
      } catch (e) {
        orHung(e);
        finding("sign-in", "job", "failed", e.message + " at " + page.url());
        if (plan.shots) await page.screenshot({ path: `${plan.shots}/failed-sign-in.png`, fullPage: true });
        return;
      }
    }
    const state = await context.storageState();
    await context.close();
    if (plan.people?.length && !(await people(browser, plan))) return;
    if (plan.jobsFirst) for (const j of plan.jobs || []) await bounded(4 * plan.patience, j.name, job(browser, plan, j, state));
    for (const p of plan.pages || []) {
      p.path = p.path.replace(/\{\{(\w+)\}\}/g, (_, n) => plan.kept?.[n] ?? n);
      if (plan.crawl) plan.seen.add(shape(plan, p.path));
      plan.todo.push(p);
    }
    while (plan.todo.length) {
      const p = plan.todo.shift();
      try {
        await bounded(2 * plan.patience, p.name, look(browser, plan, p, state));
        if (!p.script) await bounded(plan.patience, p.name + " without script", still(browser, plan, p, state));
      } catch (e) {
        orHung(e);
        finding(p.name, "page", "failed", e.message.split("\n")[0]);
      }
    }
    if (!plan.jobsFirst) for (const j of plan.jobs || []) await bounded(4 * plan.patience, j.name, job(browser, plan, j, state));
    out({ ended: true });
  } finally {
    await bounded(15000, "the browser's end", browser.close()).catch((e) => process.stderr.write(e.message + "\n"));
  }
}

main().then(
  () => process.exit(),
  (e) => {
    orHung(e);
    finding("", "harness", "failed", String(e.stack || e));
    process.exit(1);
  },
);
