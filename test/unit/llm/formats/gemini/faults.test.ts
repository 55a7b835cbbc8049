import { expect, test } from 'vitest';
import { geminiCodec } from '../../../../../src/adapters/llm/formats/gemini/codec.ts';

const BODY = {
  error: {
    code: 400,
    message: 'API key not valid. Please pass a valid API key.',
    status: 'INVALID_ARGUMENT',
    details: [
      { '@type': 'type.googleapis.com/google.rpc.ErrorInfo', reason: 'API_KEY_INVALID', domain: 'googleapis.com' },
      {
        '@type': 'type.googleapis.com/google.rpc.BadRequest',
        fieldViolations: [{ field: 'contents[0]', description: 'x' }],
      },
    ],
  },
};
const FAULT = {
  status: 400,
  message: BODY.error.message,
  type: 'INVALID_ARGUMENT',
  code: 'API_KEY_INVALID',
  param: 'contents[0]',
};

test("Google's errors, as an object or in the array that a stream of JSON would have been", () => {
  expect(geminiCodec.decodeFault(400, BODY, '')).toEqual(FAULT);
  expect(geminiCodec.decodeFault(400, null, JSON.stringify([BODY]))).toEqual(FAULT);
  const { headers, body } = geminiCodec.encodeFault(FAULT);
  expect(headers).toEqual([]);
  expect(geminiCodec.decodeFault(400, body, '')).toEqual(FAULT);
});

test('what is no error of Google keeps its text', () => {
  const none = { type: '', code: '', param: '' };
  expect(geminiCodec.decodeFault(502, null, '<html>Bad gateway</html>')).toEqual({
    status: 502,
    message: '<html>Bad gateway</html>',
    ...none,
  });
  expect(geminiCodec.decodeFault(500, { error: 'x' }, '{"error":"x"}')).toEqual({
    status: 500,
    message: '{"error":"x"}',
    ...none,
  });
});

test.each([
  [401, 'authentication_error', 'UNAUTHENTICATED'],
  [403, '', 'PERMISSION_DENIED'],
  [404, 'not_found_error', 'NOT_FOUND'],
  [429, 'rate_limit_error', 'RESOURCE_EXHAUSTED'],
  [529, 'overloaded_error', 'INTERNAL'],
  [503, 'UNAVAILABLE', 'UNAVAILABLE'],
])('%i %s of another provider is %s', (status, type, expected) => {
  const { body } = geminiCodec.encodeFault({ status, message: 'm', type, code: '', param: '' });
  expect(body).toEqual({ error: { code: status, message: 'm', status: expected } });
});
