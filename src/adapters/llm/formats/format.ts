import type { ErrorDialect } from '../../../errors/render.ts';
import type { GatewayError } from '../../../errors/table.ts';
import type { LlmOperation, Usage, UsageDetails } from '../../../facts/llm.ts';
import type { ReportedUsage } from '../usage.ts';

/** A wire format, as far as forwarding it untouched needs to know it. */
export interface Format {
  readonly operation: LlmOperation;
  /** The language errors are told in. */
  readonly dialect: ErrorDialect;
  /** True where an answer has no token count of its own (counting tokens is free). */
  readonly free: boolean;
  /** True where the bytes don't tell how many tokens there were: what isn't reported is not estimated. */
  readonly unestimated?: boolean;
  /** True where the client must ask for usage in streams (`stream_options.include_usage`). */
  readonly usageOnRequest: boolean;
  /** True where the count of the input leaves out what was read from a cache or written to it. */
  readonly countsCachesApart?: boolean;
  /** What is known after one more report: a stream may report several times. */
  mergeUsage(before: ReportedUsage | null, report: ReportedUsage): ReportedUsage;
  toUsage(report: ReportedUsage): Usage;
  /** False where a report counts something else: seconds, say. Absent: it always does. */
  countsTokens?(report: ReportedUsage): boolean;
  /** What the report says of kinds of content. */
  detailsOf?(report: ReportedUsage): UsageDetails | undefined;
  /** The count in the head of a whole answer, whose body may have none; null without one. */
  usageOfHeaders?(headers: readonly string[]): Usage | null;
  /** Null where the format never streams. */
  readonly stream: StreamShape | null;
}

/** What a format's server-sent events look like. */
export interface StreamShape {
  /** Does this event (`bytes[start, end)`) carry a piece of the answer? Asked of every event, so it only looks at a few bytes. */
  isContent(bytes: Buffer, start: number, end: number): boolean;
  /**
   * Where `isContent` can't tell an empty piece from a full one: the same of an event's `choices` (its raw JSON), asked until the
   * first content.
   */
  readonly hasContent: ((choices: unknown) => boolean) | null;
  /** The name of the member that reports usage, in quotes, where it isn't `"usage"`. */
  readonly usageName?: Buffer;
  /** Where every event reports usage: does this one, by its choices (their raw JSON), come at the end? */
  isFinal?(choices: Buffer | null): boolean;
  /** The stream may come as one JSON array, too. */
  readonly jsonArray?: boolean;
  /** The event that tells the client of an error in mid-stream. */
  errorEvent(error: GatewayError): string;
}
