#!/usr/bin/env node
/** Answers at every address of the machine, so that each of many workloads can have one. Prints its port as one JSON line. */
import { createServer } from 'node:http';

const body = Buffer.from('{"ok":true}');
const server = createServer({ keepAliveTimeout: 600_000 }, (request, response) => {
  request.resume();
  response.writeHead(200, ['content-type', 'application/json', 'content-length', String(body.length)]);
  response.end(body);
});
server.listen(0, '0.0.0.0', () => process.stdout.write(`${JSON.stringify({ port: server.address().port })}\n`));
