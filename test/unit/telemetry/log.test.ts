import { describe, expect, it } from 'vitest';
import { formatRecord, LevelLogger, type LogRecord } from '../../../src/telemetry/log.ts';

describe('operational log', () => {
  it('passes records of its level and above, and can be turned up while it runs', () => {
    const records: LogRecord[] = [];
    const log = new LevelLogger('warn', (record) => records.push(record));
    log.error('e');
    log.warn('w');
    log.info('i');
    log.level = 'debug';
    log.debug('d');
    expect(records.map(({ message }) => message)).toEqual(['e', 'w', 'd']);
  });

  it('says errors with their causes, as values that can be posted to another thread', () => {
    const records: LogRecord[] = [];
    const log = new LevelLogger('info', (record) => records.push(record));
    const circular: Record<string, unknown> = {};
    circular.self = circular;
    log.info('x', { error: new Error('outer', { cause: new Error('inner') }), circular, gone: undefined, port: 80 });
    expect(structuredClone(records[0]?.fields)).toEqual({
      error: 'outer: inner',
      circular: '[object Object]',
      port: 80,
    });
  });

  it('writes one line whatever the message holds', () => {
    const record: LogRecord = { level: 'warn', message: 'say "no"\nor \u001b[0m', fields: { path: '/a b', n: 1 } };
    expect(formatRecord(record, 'text', 0)).toBe(
      '1970-01-01T00:00:00.000Z warn say "no"\\nor \\u001b[0m path="/a b" n=1\n',
    );
    expect(JSON.parse(formatRecord(record, 'json', 0))).toEqual({
      level: 'warn',
      time: '1970-01-01T00:00:00.000Z',
      message: record.message,
      path: '/a b',
      n: 1,
    });
  });
});
