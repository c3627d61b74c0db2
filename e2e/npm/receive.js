// Receives HL7 messages with a server we did not write (node-hl7-server), over
// TLS that asks for a client certificate, and answers AA.
// argv: a JSON file {port, tls: {ca, cert, key}}. stdout: "ready", then one JSON
// object a line: {"got": text}.
'use strict';
const fs = require('node:fs');
const { Server } = require('node-hl7-server');

const conf = JSON.parse(fs.readFileSync(process.argv[2], 'utf8'));
const tls = { requestCert: true };
for (const k of ['ca', 'cert', 'key']) tls[k] = fs.readFileSync(conf.tls[k]);
const server = new Server({ bindAddress: '127.0.0.1', tls });
const inbound = server.createInbound({ port: conf.port }, async (_req, res) => {
  await res.sendResponse('AA');
});
inbound.on('data.raw', (text) => process.stdout.write(JSON.stringify({ got: text }) + '\n'));
inbound.on('data.error', (e) => process.stderr.write(String(e) + '\n'));
inbound.on('listen', () => process.stdout.write('ready\n'));
// Version 2.5.0 keeps what it has read of a connection and puts the next
// message behind it, so that one connection can carry one message only.
if (conf.oneEach) {
  const open = new Set();
  inbound.on('client.connect', (socket) => {
    open.add(socket);
    socket.on('close', () => open.delete(socket));
  });
  inbound.on('data.raw', () => setImmediate(() => open.forEach((s) => s.end())));
}
