/** What is said about a configuration file: faults refuse it, notices go with it. */

export { formatPath, type Path } from '../resources/schema/walk.ts';

/** One thing that is wrong. Lines and columns count from 1 and refer to the file as the operator wrote it. */
export interface Fault {
  file: string;
  line: number;
  column: number;
  /** `binds[0].listeners[0].routes[1].policies.cros`; '' = the file itself. */
  path: string;
  message: string;
  /** What to change. */
  hint?: string;
}

/** Something accepted that this version does not execute. */
export interface Notice {
  /** Where it is another one than that which the configuration is called by. */
  file?: string;
  path: string;
  line: number;
  column: number;
  message: string;
  /** True where serving without it would serve unprotected: what it covers answers 503. */
  protects: boolean;
}

/** A configuration that is refused whole. Holds every fault found, not only the first; no message quotes a secret. */
export class ConfigError extends Error {
  override readonly name = 'ConfigError';
  readonly faults: readonly Fault[];
  /** Files read on the way: an edit of any of them may mend it. */
  readonly files: readonly string[];

  constructor(faults: readonly Fault[], files: readonly string[] = []) {
    super(faults.map(formatFault).join('\n'));
    this.faults = faults;
    this.files = files;
  }
}

/** `file:line:column: path: message; hint` */
export function formatFault(fault: Fault): string {
  const where = `${fault.file}:${fault.line}:${fault.column}`;
  const text = fault.hint === undefined ? fault.message : `${fault.message}; ${fault.hint}`;
  return fault.path === '' ? `${where}: ${text}` : `${where}: ${fault.path}: ${text}`;
}

/** `file:line:column: path: accepted, not yet active; what it protects answers 503` */
export function formatNotice(file: string, notice: Notice): string {
  const effect = notice.protects ? '; what it protects answers 503' : '';
  return `${notice.file ?? file}:${notice.line}:${notice.column}: ${notice.path}: ${notice.message}${effect}`;
}

/** One line for all notices that differ by place in a list alone: the first of them, and how many more there are. */
export function groupNotices(file: string, notices: readonly Notice[]): string[] {
  const groups = new Map<string, Notice[]>();
  for (const notice of notices) {
    const kind = `${notice.path.replaceAll(/\[\d+\]/g, '[]')} ${notice.message}`;
    const group = groups.get(kind);
    if (group === undefined) groups.set(kind, [notice]);
    else group.push(notice);
  }
  return [...groups.values()].map((group) => {
    const text = formatNotice(file, group[0] as Notice);
    return group.length === 1 ? text : `${text} (and ${group.length - 1} more of the kind)`;
  });
}
