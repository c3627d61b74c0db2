#!/usr/bin/env node
// A second verifier of Labwarden proof files, written from proof-format.md and
// sharing nothing with the program: Node.js 18 or later, no packages.
//
//   node verify.mjs MESSAGE PROOF --key lab.pub [--json]
//
// Exit status: 0 the proof holds, 1 it does not, 2 it could not be tried.
// Section numbers in the comments are those of proof-format.md.

import { createHash, createPublicKey, verify as edVerify } from 'node:crypto';
import { readFileSync, realpathSync } from 'node:fs';
import { pathToFileURL } from 'node:url';

const HEADER = 'labwarden-proof/v1';
const MAX_PROOF = 128 * 1024;
const MAX_EVENT = 8 * 1024;
const MAX_NUMBER = Number.MAX_SAFE_INTEGER;

const sha256 = (...parts) => {
  const h = createHash('sha256');
  for (const p of parts) h.update(p);
  return h.digest();
};

class Bad extends Error {}
const need = (ok, what) => { if (!ok) throw new Bad(what); };

// ---- values (section 2)

const validName = (s) => typeof s === 'string' && s.length <= 200 && /^[!#-*,-[\]-~]+$/.test(s);
const validValue = (s) => typeof s === 'string' && s.length <= 200 && /^[!#$%()*+,\-./0-9:;=?@A-Z[\]_`a-z{|}~]+$/.test(s);
const validKey = (s) => /^[a-z][a-z0-9_]{0,39}$/.test(s);
const isCount = (n) => Number.isSafeInteger(n) && n >= 0 && !Object.is(n, -0);
const isObject = (o) => typeof o === 'object' && o !== null && !Array.isArray(o);

// Each decoder accepts one spelling only.
function base64(s) {
  need(typeof s === 'string', 'base64');
  const b = Buffer.from(s, 'base64');
  need(b.toString('base64') === s, 'base64');
  return b;
}
function base64url(s, size) {
  need(typeof s === 'string', 'base64url');
  const b = Buffer.from(s, 'base64url');
  need(b.length === size && b.toString('base64url') === s, 'base64url');
  return b;
}
function hash64(s) {
  const b = base64(s);
  need(b.length === 32, 'hash');
  return b;
}
function hex32(s) {
  need(typeof s === 'string' && /^[0-9a-f]{64}$/.test(s), 'SHA-256 in hex');
  return Buffer.from(s, 'hex');
}
function keysAre(o, wanted) {
  need(isObject(o) && Object.keys(o).join() === wanted.filter((k) => !k.endsWith('?') || k.slice(0, -1) in o)
    .map((k) => k.replace('?', '')).join(), 'object');
}

// ---- keys (section 1)

const ED25519 = 1, COSIGNATURE = 4; // c2sp.org/signed-note, signature types

function parseKeys(text) {
  const lab = [], witnesses = [], seen = new Map();
  for (const raw of text.split('\n')) {
    const line = raw.replace(/^[ \t\r]+|[ \t\r]+$/g, '');
    if (line === '' || line[0] === '#') continue;
    const m = /^([^+]+)\+([0-9a-f]{8})\+([A-Za-z0-9+/]+=*)$/.exec(line);
    need(m && validName(m[1]), 'key line');
    const material = base64(m[3]);
    const id = m[1] + '+' + m[2];
    if (seen.has(id)) { need(seen.get(id) === line, 'two keys, one id'); continue; }
    seen.set(id, line);
    need(seen.size <= 64, 'too many keys');
    need(material.length === 33 && (material[0] === ED25519 || material[0] === COSIGNATURE), 'key type');
    need(sha256(m[1] + '\n', material).subarray(0, 4).toString('hex') === m[2], 'key id');
    const key = createPublicKey({
      key: { kty: 'OKP', crv: 'Ed25519', x: material.subarray(1).toString('base64url') }, format: 'jwk',
    });
    (material[0] === ED25519 ? lab : witnesses).push({ name: m[1], id: m[2], type: material[0], key });
  }
  need(lab.length > 0, 'no laboratory key');
  return { lab, witnesses };
}

// ---- signed notes (section 3)

function signatureLine(line) {
  need(line.startsWith('\u2014 '), 'signature line');
  const at = line.indexOf(' ', 2);
  need(at > 0, 'signature line');
  const name = line.slice(2, at), raw = base64(line.slice(at + 1));
  need(validName(name) && raw.length >= 5, 'signature line');
  return { name, id: raw.subarray(0, 4).toString('hex'), sig: raw.subarray(4) };
}

function signatureFits(key, text, sig) {
  let message = Buffer.from(text);
  if (key.type === COSIGNATURE) { // c2sp.org/tlog-cosignature
    if (sig.length !== 72) return false;
    const time = sig.readBigUInt64BE(0);
    if (time > 0x7fffffffffffffffn) return false;
    message = Buffer.from(`cosignature/v1\ntime ${time}\n${text}`);
    sig = sig.subarray(8);
  }
  return sig.length === 64 && edVerify(null, message, key.key, sig);
}

// 'good', 'wrong' or 'none': what known keys say of a note.
function noteState(text, sigs, keys) {
  const seen = new Set();
  for (const s of sigs) {
    const key = keys.find((k) => k.name === s.name && k.id === s.id);
    if (!key || seen.has(key)) continue;
    seen.add(key);
    if (!signatureFits(key, text, s.sig)) return 'wrong';
  }
  return seen.size > 0 ? 'good' : 'none';
}

// ---- events and commitments (sections 4 and 5)

function parseEvent(s) {
  need(typeof s === 'string' && Buffer.byteLength(s) <= MAX_EVENT, 'event');
  const e = JSON.parse(s);
  need(JSON.stringify(e) === s, 'event');
  keysAre(e, ['v', 'kind', 'at', 'ids?', 'codes?', 'numbers?', 'commit?']);
  need(e.v === 1 && typeof e.kind === 'string' && e.kind.length <= 80 && e.kind.split('.').every(validKey), 'event');
  need(isCount(e.at), 'event');
  for (const part of ['ids', 'codes', 'numbers']) {
    if (!(part in e)) continue;
    need(isObject(e[part]), 'event');
    const ks = Object.keys(e[part]);
    need(ks.length > 0 && ks.length <= 32 && ks.every(validKey), 'event');
    need(ks.every((k, i) => i === 0 || ks[i - 1] < k), 'event');
    need(ks.every((k) => (part === 'numbers' ? Number.isSafeInteger(e[part][k]) : validValue(e[part][k]))), 'event');
  }
  if ('commit' in e) base64url(e.commit, 32);
  return e;
}

function commitment(salt, kind, ids, hashes) {
  const parts = [Buffer.from('labwarden/commitment/v1\n')];
  const u32 = (n) => { const b = Buffer.alloc(4); b.writeUInt32BE(n); parts.push(b); };
  const part = (p) => { const b = Buffer.from(p); u32(b.length); parts.push(b); };
  part(salt);
  part(kind);
  const ks = Object.keys(ids ?? {});
  u32(ks.length);
  for (const k of ks) { part(k); part(ids[k]); }
  u32(hashes.length);
  for (const h of hashes) part(h);
  return sha256(...parts);
}

// ---- the tree (section 6): RFC 9162 2.1.3.2

function included(event, leaf, size, path, root) {
  if (leaf >= size) return false;
  let fn = BigInt(leaf), sn = BigInt(size) - 1n;
  let r = sha256(Buffer.of(0), event);
  for (const p of path) {
    if (sn === 0n) return false;
    if (fn & 1n || fn === sn) {
      r = sha256(Buffer.of(1), p, r);
      while (fn !== 0n && !(fn & 1n)) { fn >>= 1n; sn >>= 1n; }
    } else {
      r = sha256(Buffer.of(1), r, p);
    }
    fn >>= 1n;
    sn >>= 1n;
  }
  return sn === 0n && r.equals(root);
}

// ---- the file (section 2)

function entry(e, reply) {
  keysAre(e, ['leaf', 'event', 'salt', 'body_sha256', ...(reply ? ['reply_sha256?'] : []), 'path']);
  need(isCount(e.leaf) && Array.isArray(e.path) && e.path.length <= 63, 'entry');
  return {
    leaf: e.leaf, bytes: Buffer.from(e.event), event: parseEvent(e.event), salt: base64url(e.salt, 16),
    body: hex32(e.body_sha256), reply: 'reply_sha256' in e ? hex32(e.reply_sha256) : Buffer.alloc(0),
    path: e.path.map(hash64),
  };
}

function parse(bytes) {
  need(bytes.length <= MAX_PROOF, 'too large');
  const s = new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  const at = s.lastIndexOf('\n\n');
  need(at >= 0, 'no signature');
  const text = s.slice(0, at + 1), line = s.slice(at + 2, -1);
  need(s.endsWith('\n') && at + 2 < s.length && !line.includes('\n'), 'one signature line');
  const sig = signatureLine(line);
  need(text.startsWith(HEADER + '\n'), 'header');
  const f = JSON.parse(text.slice(HEADER.length + 1));
  need(HEADER + '\n' + JSON.stringify(f, null, 1) + '\n' === text, 'not canonical');
  keysAre(f, ['v', 'made', 'lab', 'message', 'received', 'delivered', 'checkpoint']);
  need(f.v === 1, 'version');
  need(/^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\dZ$/.test(f.made) && new Date(f.made).toISOString() === f.made.replace('Z', '.000Z'), 'made');
  need(validName(f.lab) && validValue(f.message), 'lab or message');
  const c = f.checkpoint;
  need(Array.isArray(c) && c.length >= 5 && c.length <= 36 && c.every((l) => typeof l === 'string') && c[3] === '', 'checkpoint');
  need(Buffer.byteLength(c.join('\n')) < 96 * 1024, 'checkpoint');
  need(validName(c[0]) && /^(0|[1-9][0-9]{0,15})$/.test(c[1]) && Number(c[1]) <= MAX_NUMBER, 'checkpoint');
  return {
    text, sig, made: f.made, lab: f.lab, message: f.message,
    received: entry(f.received, false), delivered: entry(f.delivered, true),
    checkpoint: { origin: c[0], size: Number(c[1]), root: hash64(c[2]), text: c.slice(0, 3).join('\n') + '\n', sigs: c.slice(4).map(signatureLine) },
  };
}

// ---- the checks (section 7)

const REQUIRED = ['key', 'format', 'signature', 'message', 'received', 'delivered', 'about', 'checkpoint', 'received-in-ledger', 'delivered-in-ledger'];

export function verify(proof, message, keyText) {
  const checks = [];
  const put = (id, state, sentence) => { checks.push({ id, state, sentence }); return state === 'holds'; };
  const test = (id, ok, yes, no) => put(id, ok ? 'holds' : 'fails', ok ? yes : no);
  const done = () => ({
    holds: checks.every((c) => c.state !== 'fails') && REQUIRED.every((id) => checks.some((c) => c.id === id && c.state === 'holds')),
    checks,
  });

  let keys, f;
  try { keys = parseKeys(keyText); } catch { put('key', 'fails', 'The public key cannot be used.'); return done(); }
  put('key', 'holds', "The public key is in its form; that it is the laboratory's is for you to make sure of.");
  try { f = parse(proof); } catch { put('format', 'fails', 'This is not a whole, unaltered proof file.'); return done(); }
  put('format', 'holds', 'This is a whole proof file, version 1.');

  const own = keys.lab.filter((k) => k.name === f.lab);
  const signed = test('signature', noteState(f.text, [f.sig], own) === 'good',
    'The laboratory signed this file and nothing in it was changed since.', "The signature is not the laboratory's for this content.");
  test('message', sha256(message).equals(f.delivered.body),
    'This is the message the laboratory sent: the fingerprint matches.', 'This is not the message the laboratory sent: the fingerprint differs.');
  const opened = (e, kind, hashes) => e.event.kind === kind && 'commit' in e.event &&
    commitment(e.salt, kind, e.event.ids, hashes).toString('base64url') === e.event.commit;
  test('received', opened(f.received, 'result.received', [f.received.body]),
    "The entry 'received' is about the body named here.", "The entry 'received' is not about the body named here.");
  const delivered = test('delivered', opened(f.delivered, 'result.delivered', [f.delivered.body, f.delivered.reply]),
    "The entry 'delivered' is about the body and reply named here.", "The entry 'delivered' is not about the body and reply named here.");
  const about = test('about', [f.received, f.delivered].every((e) => e.event.ids?.message === f.message),
    'Both entries are about the same message.', 'The entries are not about the same message.');
  const same = f.received.body.equals(f.delivered.body);
  put('unchanged', same ? 'holds' : 'unknown', same ? 'It was sent byte for byte as it came in.' : 'It was changed between coming in and being sent.');
  const c = f.checkpoint;
  const point = test('checkpoint', c.origin === f.lab && noteState(c.text, c.sigs, own) === 'good',
    'The state of the ledger is signed by the laboratory.', 'The state of the ledger is not signed by the laboratory.');
  const inLedger = (e) => included(e.bytes, e.leaf, c.size, e.path, c.root);
  test('received-in-ledger', inLedger(f.received), 'That it came in stands in the ledger.', 'That it came in does not stand in the ledger.');
  const contained = test('delivered-in-ledger', inLedger(f.delivered), 'That it was sent stands in the ledger.', 'That it was sent does not stand in the ledger.');

  if (f.received.leaf >= f.delivered.leaf) put('order', 'fails', 'The ledger has the sending before the coming in.');
  else if (f.received.event.at > f.delivered.event.at) put('order', 'unknown', "The laboratory's clock was put back between.");
  else put('order', 'holds', 'It came in before it was sent.');

  const w = point ? noteState(c.text, c.sigs, keys.witnesses) : 'none';
  if (w === 'good') put('witnesses', 'holds', 'Outside witnesses whose keys you gave confirmed this state of the ledger.');
  else if (w === 'wrong') put('witnesses', 'fails', "A witness's signature on this state of the ledger is wrong.");
  else put('witnesses', 'unknown', 'No outside witness whose key you gave has confirmed this state of the ledger.');

  if (signed && delivered && about && point && contained) {
    const codes = f.delivered.event.codes ?? {}, partner = f.delivered.event.ids.partner ?? '(not named)';
    const by = codes.peer_proof ?? 'none';
    const way = codes.via === 'bypass' ? 'It travelled in bypass: round the stopped hub, entered into the ledger afterwards. ' : '';
    put('partner', by !== 'none' ? 'holds' : 'unknown', `${way}It went to ${partner}, known by: ${by}.`);
    put('configuration', (codes.config ?? '-') === '-' ? 'unknown' : 'holds', `Configuration ${codes.config ?? 'not named'}.`);
    const words = {
      accepted: ['holds', `${partner}'s system accepted it. That does not show that the patient's chart has it.`],
      committed: ['holds', `${partner}'s system took it into custody. That does not show that its application accepted it.`],
      placed: ['unknown', `It was placed for ${partner}. Nobody answered.`],
    };
    put('answer', ...(Object.hasOwn(words, codes.level ?? '') ? words[codes.level] : ['unknown', 'The answer is not in a form this program knows.']));
    put('reply', 'unknown', "The partner's own reply is not in this file.");
  } else {
    for (const id of ['partner', 'configuration', 'answer', 'reply']) {
      put(id, 'unknown', 'Not said, because the entry that would show it cannot be relied on.');
    }
  }
  return done();
}

// ---- the command

function main(args) {
  // --batch reads lines of JSON {proof, message, key} (the first two base64)
  // and answers a line each; it is for comparing verifiers.
  if (args[0] === '--batch') {
    for (const line of readFileSync(0, 'utf8').split('\n')) {
      if (line === '') continue;
      const t = JSON.parse(line);
      console.log(JSON.stringify(verify(Buffer.from(t.proof ?? '', 'base64'), Buffer.from(t.message, 'base64'), t.key)));
    }
    return 0;
  }
  const files = [], json = args.includes('--json');
  let key;
  for (let i = 0; i < args.length; i++) {
    if (args[i] === '--key') key = args[++i];
    else if (args[i] !== '--json') files.push(args[i]);
  }
  if (files.length !== 2 || !key) {
    console.error('usage: node verify.mjs MESSAGE PROOF --key lab.pub [--json]');
    return 2;
  }
  const report = verify(readFileSync(files[1]), readFileSync(files[0]), readFileSync(key, 'utf8'));
  if (json) console.log(JSON.stringify(report));
  else {
    for (const c of report.checks) console.log(c.state.padEnd(8), c.sentence);
    console.log(report.holds ? 'The proof holds.' : 'The proof does NOT hold.');
  }
  return report.holds ? 0 : 1;
}

// Imported, it only exports verify.
if (process.argv[1] && import.meta.url === pathToFileURL(realpathSync(process.argv[1])).href) try {
  process.exitCode = main(process.argv.slice(2));
} catch (e) {
  console.error('verify: ' + e.message);
  process.exitCode = 2;
}
