import { describe, expect, it } from 'vitest';
import { limitedForMs, limitedForMsInBody } from '../../../src/upstream/rate-limit-reset.ts';

const NOW = Date.parse('2026-03-01T12:00:00Z');

describe('how long a limit lasts', () => {
  it.each<[string, Record<string, string>, number]>([
    ['is said by Retry-After in seconds', { 'retry-after': '7' }, 7000],
    ['is said in milliseconds first', { 'retry-after': '7', 'retry-after-ms': '6800.5' }, 6800.5],
    ['is said by the window that is used up', openai('0', '6m0s', '149984', '1s'), 360_000],
    ['is the longest of several', openai('0', '120ms', '0', '1s'), 1000],
    ['is the shortest where something is left of each', openai('3', '2s', '10', '500ms'), 500],
    [
      'is said as a date',
      {
        'anthropic-ratelimit-requests-remaining': '49',
        'anthropic-ratelimit-requests-reset': '2026-03-01T12:00:05Z',
        'anthropic-ratelimit-input-tokens-remaining': '0',
        'anthropic-ratelimit-input-tokens-reset': '2026-03-01T12:00:30Z',
      },
      30_000,
    ],
    ['is said in Unix seconds', { 'x-ratelimit-reset': String(NOW / 1000 + 9) }, 9000],
    ['is said in Unix milliseconds', { 'x-ratelimit-reset': String(NOW + 9000) }, 9000],
    ['is said in seconds', { 'ratelimit-remaining': '0', 'ratelimit-reset': '12' }, 12_000],
    ['is not known where nothing says so', { 'x-request-id': '1' }, 0],
    ['is not known where it makes no sense', { 'x-ratelimit-reset': 'soon', 'retry-after-ms': 'NaN' }, 0],
    ['is over where its end has passed', { 'x-ratelimit-reset': String(NOW / 1000 - 5) }, 0],
  ])('%s', (_, headers, ms) => {
    expect(limitedForMs(Object.entries(headers).flat(), NOW)).toBe(ms);
  });

  it('may be an HTTP date', () => {
    const at = new Date(Math.ceil(Date.now() / 1000) * 1000 + 60_000);
    const ms = limitedForMs(['retry-after', at.toUTCString()], Date.now());
    expect(ms).toBeGreaterThan(50_000);
    expect(ms).toBeLessThanOrEqual(61_000);
  });

  it.each([
    ['an error', { error: { code: 429, details: [{ '@type': 'x' }, { '@type': 'RetryInfo', retryDelay: '34.5s' }] } }],
    ['a list of one, as streams begin', [{ error: { details: [{ retryDelay: '34.5s' }] } }]],
  ])("is read from Google's details of %s", (_, body) => {
    expect(limitedForMsInBody(JSON.stringify(body))).toBe(34_500);
  });

  it.each(['', 'null', '{"error":"busy"}', '{"error":{"details":[null,{"retryDelay":"soon"}]}}', '[]'])(
    'is not in %s',
    (body) => {
      expect(limitedForMsInBody(body)).toBe(0);
    },
  );
});

function openai(requests: string, requestsReset: string, tokens: string, tokensReset: string): Record<string, string> {
  return {
    'x-ratelimit-remaining-requests': requests,
    'x-ratelimit-reset-requests': requestsReset,
    'x-ratelimit-remaining-tokens': tokens,
    'x-ratelimit-reset-tokens': tokensReset,
  };
}
