/** What a list of models says of one. */
export interface ModelInfo {
  readonly id: string;
  /** Who offers it: the provider's telemetry name, or whom the provider names. */
  readonly owner: string;
  /** Unix seconds; null: nobody says. */
  readonly created: number | null;
  /** For people; '' = the id. */
  readonly title: string;
  /** What Google says can be done with it; absent: nobody says. */
  readonly methods?: readonly string[];
}
