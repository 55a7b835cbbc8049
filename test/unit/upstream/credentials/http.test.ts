import { afterEach, describe, expect, it } from 'vitest';
import { ask, askJson, UnreachableError } from '../../../../src/upstream/credentials/http.ts';
import { rawServer } from '../helpers.ts';
import { type Said, type TokenServer, tokenServer } from './helpers.ts';

let server: TokenServer | undefined;
afterEach(async () => {
  await server?.close();
  server = undefined;
});

async function saying(said: Said): Promise<string> {
  server = await tokenServer(() => said);
  return server.url;
}

describe('ask', () => {
  it('gives up on a service that hangs', async () => {
    const asked = ask({ what: 'the service', url: await saying('hang'), timeoutMs: 50 });
    await expect(asked).rejects.toThrow('the service did not answer within 50 ms');
    await expect(asked).rejects.toBeInstanceOf(UnreachableError);
  });

  it('gives up on an answer that never ends', async () => {
    const endless = await rawServer((socket) => {
      socket.write('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345');
    });
    const asked = ask({ what: 'the service', url: `http://127.0.0.1:${endless.port}`, timeoutMs: 50 });
    await expect(asked).rejects.toThrow('within 50 ms');
    await endless.close();
  });

  it('takes no more than a token could be', async () => {
    const url = await saying('x'.repeat(300_000));
    await expect(ask({ what: 'the service', url })).rejects.toThrow('more than 262144 bytes');
  });

  it('says that nobody is there', async () => {
    const url = await saying('');
    await server?.close();
    await expect(ask({ what: 'the service', url })).rejects.toThrow('the service could not be reached (ECONNREFUSED)');
  });

  it('says that an answer broke off', async () => {
    const broken = await rawServer((socket) => {
      socket.once('data', () => socket.end('HTTP/1.1 200 OK\r\ncontent-length: 10\r\n\r\n12345'));
    });
    const asked = ask({ what: 'the service', url: `http://127.0.0.1:${broken.port}` });
    await expect(asked).rejects.toThrow('the answer of the service broke off');
    await broken.close();
  });

  it('follows no redirect', async () => {
    const url = await saying({ status: 302, headers: { location: 'http://127.0.0.1:1/' } });
    expect((await ask({ what: 'the service', url })).status).toBe(302);
    expect(server?.asked).toHaveLength(1);
  });
});

describe('askJson', () => {
  it.each([
    ['garbage', '<html>', 'is no JSON object'],
    ['a list', [1], 'is no JSON object'],
    ['nothing', '', 'is no JSON object'],
    ['an error', { status: 500, body: 'secret prose' }, 'answered 500'],
    ['an OAuth error', { status: 400, body: { error: 'invalid_client' } }, 'answered 400 (invalid_client)'],
    [
      'an error of Entra ID',
      { status: 401, body: { error: 'invalid_client', error_description: 'AADSTS7000215: the secret "secret prose"' } },
      'answered 401 (invalid_client, AADSTS7000215)',
    ],
    [
      'an error of Google Cloud',
      { status: 403, body: { error: { code: 403, status: 'PERMISSION_DENIED', message: 'secret prose' } } },
      'answered 403 (PERMISSION_DENIED)',
    ],
    ['an error code that is prose', { status: 400, body: { error: 'secret prose' } }, 'answered 400'],
  ] as [string, Said, string][])('refuses %s, without its prose', async (_name, said, message) => {
    const asked = askJson({ what: 'the service', url: await saying(said) });
    await expect(asked).rejects.toThrow(message);
    await expect(asked).rejects.not.toThrow('secret prose');
  });
});
