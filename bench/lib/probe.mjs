import { request } from 'node:http';

/** One request; resolves with {status, headers, body}. */
export function ask(port, { method, path, body, host }, timeoutMs = 10_000) {
  return new Promise((resolve, reject) => {
    const headers = {};
    if (host !== undefined) headers.host = host;
    if (body !== null) {
      headers['content-type'] = 'application/json';
      headers['content-length'] = Buffer.byteLength(body);
    }
    const call = request({ host: '127.0.0.1', port, method, path, headers, agent: false }, (response) => {
      const chunks = [];
      response.on('data', (chunk) => chunks.push(chunk));
      response.on('end', () => {
        resolve({ status: response.statusCode, headers: response.headers, body: Buffer.concat(chunks) });
      });
      response.on('error', reject);
    });
    call.setTimeout(timeoutMs, () => call.destroy(new Error(`no answer within ${timeoutMs} ms`)));
    call.on('error', reject);
    call.end(body ?? undefined);
  });
}

/** Throws unless the peer answers the scenario with the very bytes the upstream gives. */
export async function checkAnswer(port, upstream, scenario) {
  const [answer, expected] = await Promise.all([ask(port, scenario), ask(upstream, scenario)]);
  if (answer.status !== 200)
    throw new Error(`${scenario.name}: status ${answer.status}: ${answer.body.toString().slice(0, 200)}`);
  if (!answer.body.equals(expected.body)) {
    throw new Error(
      `${scenario.name}: ${answer.body.length} bytes came that differ from the upstream's ${expected.body.length}`,
    );
  }
}
