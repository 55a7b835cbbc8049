import { CelError, invalidArgument } from '../errors.ts';
import { CelObject, type CelType, type CelValue, DURATION, TIMESTAMP } from './value.ts';

const SECOND = 1_000_000_000n;
/** 0001-01-01T00:00:00Z and 9999-12-31T23:59:59.999999999Z, nanoseconds since 1970. */
const MIN_TIMESTAMP = -62_135_596_800n * SECOND;
const MAX_TIMESTAMP = 253_402_300_800n * SECOND - 1n;

/** A length of time. Signed nanoseconds of 64 bits, as the spec's reference implementation holds it: ± 292 years. */
export class CelDuration extends CelObject {
  readonly nanos: bigint;

  /** Throws CelError where it is out of range. */
  constructor(nanos: bigint) {
    super();
    if (BigInt.asIntN(64, nanos) !== nanos) throw new CelError('overflow', 'duration out of range');
    this.nanos = nanos;
  }

  static fromMs(ms: number): CelDuration {
    return new CelDuration(BigInt(Math.round(ms * 1e6)));
  }

  get type(): CelType {
    return DURATION;
  }

  equals(other: CelValue): boolean {
    return other instanceof CelDuration && other.nanos === this.nanos;
  }

  /** Seconds with as many decimals as it takes: `5400s`, `-0.25s`. */
  toString(): string {
    const size = this.nanos < 0n ? -this.nanos : this.nanos;
    return `${this.nanos < 0n ? '-' : ''}${size / SECOND}${decimals(size % SECOND)}s`;
  }
}

/** A moment, to the nanosecond, of the years 1 to 9999. */
export class CelTimestamp extends CelObject {
  /** Nanoseconds since 1970-01-01T00:00:00Z. */
  readonly nanos: bigint;

  /** Throws CelError where it is out of range. */
  constructor(nanos: bigint) {
    super();
    if (nanos < MIN_TIMESTAMP || nanos > MAX_TIMESTAMP) throw new CelError('overflow', 'timestamp out of range');
    this.nanos = nanos;
  }

  static fromMs(unixMs: number): CelTimestamp {
    return new CelTimestamp(BigInt(Math.round(unixMs * 1e3)) * 1000n);
  }

  get type(): CelType {
    return TIMESTAMP;
  }

  /** Whole milliseconds since 1970, rounded down. */
  get ms(): number {
    const fraction = ((this.nanos % 1_000_000n) + 1_000_000n) % 1_000_000n;
    return Number((this.nanos - fraction) / 1_000_000n);
  }

  equals(other: CelValue): boolean {
    return other instanceof CelTimestamp && other.nanos === this.nanos;
  }

  /** RFC 3339 in UTC, with as many decimals as it takes. */
  toString(): string {
    const fraction = ((this.nanos % SECOND) + SECOND) % SECOND;
    return `${new Date(this.ms).toISOString().slice(0, -5)}${decimals(fraction)}Z`;
  }
}

function decimals(nanos: bigint): string {
  if (nanos === 0n) return '';
  return `.${nanos.toString().padStart(9, '0').replace(/0+$/, '')}`;
}

const UNITS: Readonly<Record<string, bigint>> = {
  h: 3600n * SECOND,
  m: 60n * SECOND,
  s: SECOND,
  ms: 1_000_000n,
  us: 1000n,
  µs: 1000n,
  μs: 1000n,
  ns: 1n,
};
const PART = /([0-9]{1,20})?(?:\.([0-9]{0,20}))?(h|ms|m|s|us|µs|μs|ns)/y;

/** A duration as Go writes it: `1h30m`, `-1.5s`, `100ms`, `0`. Throws CelError. */
export function parseDuration(text: string): CelDuration {
  const signed = /^[+-]/.test(text);
  let at = signed ? 1 : 0;
  if (text.slice(at) === '0') return new CelDuration(0n);
  let nanos = 0n;
  do {
    PART.lastIndex = at;
    const [part, whole, fraction, unit] = PART.exec(text) ?? [];
    if (part === undefined || unit === undefined || (whole === undefined && !fraction))
      throw invalidArgument('not a duration; write one as 1h30m, 1.5s or 100ms');
    const size = UNITS[unit] ?? 0n;
    nanos += BigInt(whole ?? 0) * size;
    if (fraction) nanos += (BigInt(fraction) * size) / 10n ** BigInt(fraction.length);
    at += part.length;
  } while (at < text.length);
  return new CelDuration(text.startsWith('-') ? -nanos : nanos);
}

const RFC3339 = /^(\d{4})-(\d\d)-(\d\d)[Tt](\d\d):(\d\d):(\d\d)(?:\.(\d{1,9}))?(?:[Zz]|([+-])(\d\d):(\d\d))$/;

/** A moment as RFC 3339 writes it. Throws CelError. */
export function parseTimestamp(text: string): CelTimestamp {
  const match = RFC3339.exec(text);
  if (match === null) throw invalidArgument('not a timestamp; write one as 2006-01-02T15:04:05Z');
  const [year = 0, month = 0, day = 0, hour = 0, minute = 0, second = 0] = match.slice(1, 7).map(Number);
  const date = new Date(0);
  date.setUTCFullYear(year, month - 1, day);
  date.setUTCHours(hour, minute, second);
  const [, , , , , , , fraction = '', direction, hours = '0', minutes = '0'] = match;
  const exists =
    date.getUTCMonth() === month - 1 && date.getUTCDate() === day && hour < 24 && minute < 60 && second < 60;
  if (!exists || Number(hours) > 23 || Number(minutes) > 59) throw invalidArgument('timestamp names no moment');
  const offset = (Number(hours) * 3600 + Number(minutes) * 60) * (direction === '-' ? -1 : 1);
  const seconds = BigInt(date.getTime() / 1000 - offset);
  return new CelTimestamp(seconds * SECOND + BigInt(fraction.padEnd(9, '0')));
}

const FORMATTERS = new Map<string, Intl.DateTimeFormat>();
const MAX_FORMATTERS = 64;

/**
 * The date whose UTC fields are `timestamp`'s fields in `zone`: an IANA name, `UTC`, or an offset such as `+02:00`; '' = UTC.
 * Throws CelError where there is no such zone.
 */
export function localDate(timestamp: CelTimestamp, zone: string): Date {
  const ms = timestamp.ms;
  if (zone === '' || zone === 'UTC' || zone === 'Z') return new Date(ms);
  const fixed = /^([+-]?)(\d\d):(\d\d)$/.exec(zone);
  if (fixed !== null) {
    const minutes = Number(fixed[2]) * 60 + Number(fixed[3]);
    return new Date(ms + (fixed[1] === '-' ? -minutes : minutes) * 60_000);
  }
  const parts: Record<string, number> = {};
  for (const { type, value } of formatter(zone).formatToParts(ms)) parts[type] = Number(value);
  const date = new Date(0);
  date.setUTCFullYear(parts.year ?? 0, (parts.month ?? 1) - 1, parts.day ?? 1);
  date.setUTCHours(parts.hour ?? 0, parts.minute ?? 0, parts.second ?? 0, ((ms % 1000) + 1000) % 1000);
  return date;
}

function formatter(zone: string): Intl.DateTimeFormat {
  const known = FORMATTERS.get(zone);
  if (known !== undefined) return known;
  let made: Intl.DateTimeFormat;
  try {
    made = new Intl.DateTimeFormat('en-US', {
      timeZone: zone,
      hourCycle: 'h23',
      year: 'numeric',
      month: 'numeric',
      day: 'numeric',
      hour: 'numeric',
      minute: 'numeric',
      second: 'numeric',
    });
  } catch {
    throw invalidArgument('no such time zone');
  }
  const oldest = FORMATTERS.keys().next().value;
  if (FORMATTERS.size >= MAX_FORMATTERS && oldest !== undefined) FORMATTERS.delete(oldest);
  FORMATTERS.set(zone, made);
  return made;
}
