// Sends HL7 messages with a client we did not write (node-hl7-client), one in
// flight, over TLS with a client certificate.
// argv: a JSON file {port, host, tls: {ca, cert, key, servername}}; stdin: a JSON
// array of messages. stdout: one JSON object a line: {"sent": text as it leaves}
// before, {"code", "control"} for each answer.
'use strict';
const fs = require('node:fs');
const { Client, Message } = require('node-hl7-client');

const conf = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const tls = { servername: conf.tls.servername };
for (const k of ['ca', 'cert', 'key']) tls[k] = fs.readFileSync(conf.tls[k]);
const messages = JSON.parse(fs.readFileSync(0, 'utf8')).map((text) => new Message({ text }));
const say = (o) => process.stdout.write(JSON.stringify(o) + '\n');

let next = 0;
const client = new Client({ host: conf.host, tls });
const out = client.createConnection({ port: conf.port }, async (res) => {
  const m = res.getMessage();
  say({ code: m.get('MSA.1').toString(), control: m.get('MSA.2').toString() });
  go();
});
out.on('client.error', (e) => say({ error: String(e && e.code) }));

function go() {
  if (next === messages.length) {
    client.closeAll();
    process.exit(0);
  }
  const m = messages[next++];
  say({ sent: m.toString() });
  out.sendMessage(m);
}
out.once('connect', go);
