import { describe, expect, it } from 'vitest';
import { addressGuard, isNetwork, isPublicAddress } from '../../../src/upstream/address-guard.ts';

describe('public addresses', () => {
  it.each(['8.8.8.8', '172.15.0.1', '172.32.0.1', '100.128.0.1', '2606:4700::1111', '2a00:1450:4001::5'])(
    '%s',
    (address) => {
      expect(isPublicAddress(address)).toBe(true);
    },
  );

  it.each([
    '127.0.0.1',
    '127.255.0.9',
    '0.0.0.0',
    '10.0.0.1',
    '172.16.0.1',
    '172.31.255.255',
    '192.168.1.1',
    '169.254.169.254',
    '100.100.100.200',
    '168.63.129.16',
    '192.0.0.192',
    '198.18.0.1',
    '224.0.0.1',
    '255.255.255.255',
    '::1',
    '::',
    '::ffff:127.0.0.1',
    '::ffff:169.254.169.254',
    '::ffff:8.8.8.8',
    '::ffff:a9fe:a9fe',
    '64:ff9b::7f00:1',
    '2002:7f00:1::',
    '2001:0:7f00:1::',
    '2001:db8::1',
    'fe80::1',
    'fe80::1%eth0',
    'fc00::1',
    'fd00:ec2::254',
    'ff02::1',
    'localhost',
    '',
  ])('but not %s', (address) => {
    expect(isPublicAddress(address)).toBe(false);
  });
});

it('networks of the operator are added, and nothing beside them', () => {
  const guard = addressGuard(['10.1.0.0/16', '127.0.0.1', 'fd00::/8']);
  const seen = ['10.1.2.3', '10.2.0.1', '127.0.0.1', '127.0.0.2', 'fd12::1', 'fe80::1', '8.8.8.8', 'fd12::1%eth0'].map(
    guard,
  );
  expect(seen).toEqual([true, false, true, false, true, false, true, false]);
});

it.each(['10.0.0.0/33', '10.0.0', 'x', '', '10.0.0.0/', 'fd00::/129', '10.0.0.0/-1'])('"%s" is no network', (text) => {
  expect(isNetwork(text)).toBe(false);
  expect(() => addressGuard([text])).toThrow(RangeError);
});
