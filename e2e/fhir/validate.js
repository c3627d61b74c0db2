// Validates FHIR R4 resources with two validators we did not write.
// stdin: one JSON object a line, {"name": ..., "resource": ...}.
// stdout: one JSON object a line, {"name": ..., "errors": [...], "warnings": n}.
'use strict';
const readline = require('readline');
const SchemaValidator = require('@asymmetrik/fhir-json-schema-validator');
const { Fhir } = require('fhir');

const schema = new SchemaValidator();
const fhir = new Fhir();

// The schema validator narrows its own schema after the first failure, so a
// fresh one is made whenever it has failed.
let current = schema;

function check(resource) {
  const errors = [];
  let warnings = 0;
  for (const e of current.validate(resource, true) || []) {
    errors.push(`schema: ${e.dataPath} ${e.message}`);
  }
  if (errors.length > 0) current = new SchemaValidator();
  const parts = [resource];
  if (resource.resourceType === 'Bundle') {
    for (const e of resource.entry || []) if (e.resource) parts.push(e.resource);
  }
  for (const part of parts) {
    const r = fhir.validate(part, { errorOnUnexpected: true });
    for (const m of r.messages || []) {
      if (m.severity === 'error' || m.severity === 'fatal') {
        errors.push(`fhir.js: ${part.resourceType} ${m.location}: ${m.message}`);
      } else if (m.severity === 'warning') warnings++;
    }
    if (r.valid === false && errors.length === 0) errors.push(`fhir.js: ${part.resourceType} not valid`);
  }
  return { errors: errors.slice(0, 40), warnings };
}

readline.createInterface({ input: process.stdin, crlfDelay: Infinity }).on('line', (line) => {
  if (line.trim() === '') return;
  const { name, resource } = JSON.parse(line);
  process.stdout.write(JSON.stringify({ name, ...check(resource) }) + '\n');
});
