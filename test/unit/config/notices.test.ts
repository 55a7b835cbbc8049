import { expect, it } from 'vitest';
import { groupNotices, type Notice } from '../../../src/config/fault.ts';

it('says notices of one kind once, with the first place and the number of others', () => {
  const notice = (path: string, line: number): Notice => ({
    path,
    line,
    column: 5,
    message: 'accepted, not yet active',
    protects: path.endsWith('authorization'),
  });
  const lines = groupNotices('c.yaml', [
    notice('routes[0].policies.authorization', 3),
    notice('routes[7].policies.authorization', 70),
    notice('routes[1].policies.csrf', 9),
    notice('routes[12].policies.authorization', 90),
  ]);
  expect(lines).toEqual([
    'c.yaml:3:5: routes[0].policies.authorization: accepted, not yet active; what it protects answers 503 (and 2 more of the kind)',
    'c.yaml:9:5: routes[1].policies.csrf: accepted, not yet active',
  ]);
});
