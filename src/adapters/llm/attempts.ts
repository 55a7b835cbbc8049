import { GatewayError } from '../../errors/table.ts';
import type { RetryRules, UpstreamCall } from '../../upstream/call.ts';
import type { RouteContext } from '../adapter.ts';
import { isRefusal } from './account.ts';
import type { Choice, Others } from './choice.ts';
import type { ProviderTarget } from './target.ts';
import type { Option } from './target-groups.ts';

/** Attempts a request makes where no `retry` policy says otherwise, as long as each can go to somebody else. */
const MAX_ATTEMPTS = 3;

/** A request as one candidate would get it. */
export interface Directed {
  readonly call: UpstreamCall;
  /** Says that it is sent so: until then nothing beside the call has changed. */
  commit(): void;
}

/** Directs a request to a candidate, encoded anew for it; a promise where something must be fetched for it. Throws where it can't take it. */
export type Direct = (candidate: Option) => Directed | Promise<Directed>;

/** A candidate that can take the request, and the request as it gets it. */
interface Fit {
  readonly option: Option;
  readonly directed: Directed;
}

/**
 * The attempts of one request: who can't take it is passed over, each further one goes to somebody else, as long as there is somebody, and
 * everybody's answers are noted. Where no `retry` policy rules, an attempt that got no answer, or none but a 429, a 5xx or a refused key,
 * is followed by another.
 */
export class Attempts {
  readonly #context: RouteContext;
  readonly #choice: Choice;
  readonly #tried: Option[] = [];
  /** Who can't take the request. */
  readonly #unfit: Option[] = [];
  #direct: Direct | null = null;
  #current: Option;
  /** Whom the next attempt goes to, where that is known already. */
  #next: Fit | Promise<Fit> | null = null;

  constructor(context: RouteContext, choice: Choice) {
    this.#context = context;
    this.#choice = choice;
    this.#current = choice.candidate;
  }

  /** Who was asked last. */
  get target(): ProviderTarget {
    return this.#current.target;
  }

  /**
   * Gives `send` the first attempt's call: to who was chosen, or to the next who can take the request. Throws, or rejects with, what the
   * one that was chosen refuses where nobody can.
   */
  begin(direct: Direct, send: (call: UpstreamCall) => void | Promise<void>): void | Promise<void> {
    this.#direct = direct;
    const started = ({ option, directed: { call, commit } }: Fit) => {
      this.#current = option;
      commit();
      this.plan(call);
      return send(call);
    };
    const first = this.#fit(direct, this.#choice.candidate);
    if (!(first instanceof Promise)) return started(first);
    return first.then((fit) => (fit.directed.call.exchange.endCause === null ? started(fit) : undefined));
  }

  /** Prepares a call, which is sent once where it did not come from `begin`. */
  plan(call: UpstreamCall): void {
    const { affinity, others } = this.#choice;
    const direct = this.#direct;
    if (affinity !== null) call.affinity = affinity;
    if (this.#current.account === null) return;
    call.prepare = (attempt) => {
      if (this.#tried.length === 0 || others === null || direct === null) return this.#ready(attempt);
      const next = this.#takeNext(direct);
      return next instanceof Promise ? next.then((fit) => this.#turn(attempt, fit)) : this.#turn(attempt, next);
    };
    if (others === null || direct === null || this.#context.values.retry !== undefined) return;
    const rules: RetryRules = {
      attempts: Math.min(others.count, MAX_ATTEMPTS),
      backoffMs: 0,
      refuses: (status) =>
        status >= 500 ||
        status === 429 ||
        status === 408 ||
        (isRefusal(status) && (this.#current.account?.key ?? null) !== null),
      elsewhere: () => this.#findNext(direct, others),
    };
    call.failover = rules;
  }

  #ready(attempt: UpstreamCall): void | Promise<void> {
    const { target, model, account } = this.#current;
    this.#tried.push(this.#current);
    if (account !== null) {
      if (account.key !== null) attempt.credential = account.key.index;
      if (target.asksForItself(attempt.exchange, this.#context))
        attempt.observer = account.observe(model === '' ? this.#choice.model : model);
    }
    return target.runPrepare(attempt, this.#context);
  }

  #turn(attempt: UpstreamCall, { option, directed }: Fit): void | Promise<void> {
    this.#current = option;
    directed.commit();
    const { path, headers, body, cluster, signingScope = null } = directed.call;
    Object.assign(attempt, { path, headers, body, cluster, signingScope });
    return this.#ready(attempt);
  }

  /** Whether somebody else can serve the request, who is made ready: no answer is given up for one who then can't take it. */
  #findNext(direct: Direct, others: Others): boolean {
    while (others.left(this.#gone)) {
      const option = others.next(this.#gone);
      try {
        this.#next = this.#directed(direct, option);
      } catch {
        this.#unfit.push(...others.alike(option));
        continue;
      }
      // Where the attempt is not made after all, nobody asks what became of it.
      if (this.#next instanceof Promise) this.#next.catch(() => {});
      return true;
    }
    return false;
  }

  #takeNext(direct: Direct): Fit | Promise<Fit> {
    const next = this.#next ?? this.#fit(direct, this.#another());
    this.#next = null;
    return next;
  }

  get #gone(): Option[] {
    return [...this.#tried, ...this.#unfit];
  }

  /** Somebody who was not asked yet; where all were, somebody who can take the request as far as is known. */
  #another(): Option {
    const { others } = this.#choice;
    const gone = this.#gone;
    const next = others?.next(gone) ?? this.#current;
    return others !== null && gone.includes(next) ? others.next(this.#unfit) : next;
  }

  /** `option` where it can take the request, else the next who can. Throws, or rejects with, the first refusal where nobody can. */
  #fit(direct: Direct, option: Option, refusal?: unknown): Fit | Promise<Fit> {
    try {
      return this.#directed(direct, option, refusal);
    } catch (error) {
      return this.#passOver(direct, option, refusal ?? error);
    }
  }

  #directed(direct: Direct, option: Option, refusal?: unknown): Fit | Promise<Fit> {
    // Who answers in the gateway itself (the demo) is not where attempts are sent.
    if (this.#tried.length > 0 && option.target.dispatch !== this.target.dispatch)
      throw new GatewayError('invalid_backend');
    const directed = direct(option);
    if (!(directed instanceof Promise)) return { option, directed };
    return directed.then(
      (ready) => ({ option, directed: ready }),
      (error: unknown) => this.#passOver(direct, option, refusal ?? error),
    );
  }

  #passOver(direct: Direct, option: Option, refusal: unknown): Fit | Promise<Fit> {
    this.#unfit.push(...(this.#choice.others?.alike(option) ?? [option]));
    const next = this.#another();
    if (this.#unfit.includes(next)) throw refusal;
    return this.#fit(direct, next, refusal);
  }
}
