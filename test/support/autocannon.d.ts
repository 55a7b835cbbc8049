/** What the tests use of autocannon, which has no types of its own. */
declare module 'autocannon' {
  interface Options {
    url: string;
    connections: number;
    /** Requests altogether. */
    amount: number;
  }

  interface Result {
    errors: number;
    timeouts: number;
    resets: number;
    non2xx: number;
    '2xx': number;
  }

  export default function autocannon(options: Options): Promise<Result>;
}
