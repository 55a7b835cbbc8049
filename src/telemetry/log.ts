import { LOG_LEVELS, type LogLevel } from '../resources/settings.ts';
import { jsonString, textValue, timestamp } from './escape.ts';

/** The operational log (what the gateway itself has to say), apart from the access log. */
export interface Logger {
  error(message: string, fields?: Record<string, unknown>): void;
  warn(message: string, fields?: Record<string, unknown>): void;
  info(message: string, fields?: Record<string, unknown>): void;
  debug(message: string, fields?: Record<string, unknown>): void;
}

export interface LogRecord {
  readonly level: LogLevel;
  readonly message: string;
  /** Plain values only, so that a record can be posted to another thread. */
  readonly fields: Record<string, unknown>;
}

/** A Logger that hands each record at or above its level to `emit`; the level can be changed while it runs. */
export class LevelLogger implements Logger {
  readonly #emit: (record: LogRecord) => void;
  level: LogLevel;

  constructor(level: LogLevel, emit: (record: LogRecord) => void) {
    this.level = level;
    this.#emit = emit;
  }

  error(message: string, fields?: Record<string, unknown>): void {
    this.#log('error', message, fields);
  }

  warn(message: string, fields?: Record<string, unknown>): void {
    this.#log('warn', message, fields);
  }

  info(message: string, fields?: Record<string, unknown>): void {
    this.#log('info', message, fields);
  }

  debug(message: string, fields?: Record<string, unknown>): void {
    this.#log('debug', message, fields);
  }

  #log(level: LogLevel, message: string, fields: Record<string, unknown> | undefined): void {
    if (LOG_LEVELS.indexOf(level) > LOG_LEVELS.indexOf(this.level)) return;
    this.#emit({ level, message, fields: fields === undefined ? {} : plainFields(fields) });
  }
}

/** One record as one line, \n included. */
export function formatRecord(record: LogRecord, format: 'text' | 'json', unixMs = Date.now()): string {
  if (format === 'json') {
    let line = `{"level":"${record.level}","time":"${timestamp(unixMs)}","message":${jsonString(record.message)}`;
    for (const [name, value] of Object.entries(record.fields)) line += `,${jsonString(name)}:${jsonValue(value)}`;
    return `${line}}\n`;
  }
  let line = `${timestamp(unixMs)} ${record.level} ${oneLine(record.message)}`;
  for (const [name, value] of Object.entries(record.fields)) line += ` ${textValue(name)}=${textValue(String(value))}`;
  return `${line}\n`;
}

/** The message of a text line stays readable: only what would break the line or steer a terminal is escaped. */
function oneLine(message: string): string {
  const quoted = jsonString(message);
  return quoted.slice(1, -1).replaceAll('\\"', '"');
}

function jsonValue(value: unknown): string {
  return typeof value === 'number' || typeof value === 'boolean' ? String(value) : jsonString(String(value));
}

function plainFields(fields: Record<string, unknown>): Record<string, unknown> {
  const plain: Record<string, unknown> = {};
  for (const [name, value] of Object.entries(fields)) {
    if (value !== undefined) plain[name] = plainValue(value);
  }
  return plain;
}

/** Errors are said by their messages, with those of their causes; other objects as JSON. */
function plainValue(value: unknown): string | number | boolean {
  if (typeof value === 'string' || typeof value === 'boolean') return value;
  if (typeof value === 'number') return Number.isFinite(value) ? value : String(value);
  if (value instanceof Error) return errorText(value);
  try {
    return JSON.stringify(value) ?? String(value);
  } catch {
    return String(value);
  }
}

/** An error and its causes in one line. */
export function errorText(error: unknown): string {
  const texts: string[] = [];
  let current: unknown = error;
  for (let depth = 0; depth < 5 && current !== undefined && current !== null; depth++) {
    texts.push(current instanceof Error ? current.message : String(current));
    current = current instanceof Error ? current.cause : undefined;
  }
  return texts.join(': ');
}
