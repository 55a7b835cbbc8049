import { createHash } from 'node:crypto';
import { GatewayError } from '../../errors/table.ts';
import { HeaderList } from '../../headers.ts';
import type { UpstreamCall } from '../call.ts';
import { ambientKeys, ambientRegion } from './aws/chain.ts';
import { type AwsKeys, staticKeys } from './aws/keys.ts';
import { scopeOfHost, signCall } from './aws/sign-call.ts';
import { loadSigner } from './aws/sigv4.ts';
import { type AssumedRole, assumeRole } from './aws/sts.ts';
import { type AzureIdentity, azureToken } from './azure/tokens.ts';
import { addEditorFields, copilotToken } from './copilot.ts';
import { ambientToken, tokenByCredential } from './gcp/tokens.ts';
import { CLOUD_PLATFORM, type Wanted } from './gcp/wanted.ts';
import {
  CachedSource,
  CredentialError,
  type Expiring,
  type Source,
  type SourceServices,
  type Token,
} from './source.ts';
import { type Surroundings, surroundings } from './surroundings.ts';

/** Puts a credential on a call that is about to leave. Throws or rejects with `backend_credentials` where there is none. */
export type Authorize = (call: UpstreamCall) => void | Promise<void>;

/** Clouds whose credentials the gateway obtains from its surroundings, without being told. */
export type AmbientCloud = 'aws' | 'gcp' | 'azure' | 'copilot';

export interface AwsAuth {
  /** Keys as configured; null = from the surroundings. */
  readonly keys: {
    readonly accessKeyId: string;
    readonly secretAccessKey: string;
    readonly sessionToken: string | null;
  } | null;
  /** '' = as the call or its host says. */
  readonly region: string;
  readonly service: string;
  readonly role: AssumedRole | null;
}

export interface GcpAuth {
  readonly type: 'accessToken' | 'idToken';
  /** Of ID tokens; '' = the host called. */
  readonly audience: string;
  /** A credential file's text; '' = from the surroundings. */
  readonly credential: string;
}

/** Sources kept at a time; the one not asked for longest goes. */
const MAX_SOURCES = 1024;
/** agentgateway's. */
const DEFAULT_SERVICE = 'bedrock';
const AZURE_SCOPE = 'https://cognitiveservices.azure.com/.default';
const FOUNDRY_SCOPE = 'https://ai.azure.com/.default';
const FOUNDRY_HOSTS = '.services.ai.azure.com';

/**
 * The credentials of a worker's backends. Equal settings share a source, whoever compiled them and when, so that a change of
 * configuration costs no token.
 */
export class Credentials {
  readonly #services: SourceServices;
  readonly #around: Surroundings;
  readonly #sources = new Map<string, Source<Expiring>>();

  constructor(
    services: Pick<SourceServices, 'log' | 'metrics'> & Partial<SourceServices>,
    around: Surroundings = surroundings(),
  ) {
    this.#services = { now: Date.now, ...services };
    this.#around = around;
  }

  /** What a cloud's provider is shown where nothing is configured. */
  ambient(cloud: AmbientCloud): Authorize {
    switch (cloud) {
      case 'aws':
        return this.aws({ keys: null, region: '', service: '', role: null });
      case 'gcp':
        return this.gcp({ type: 'accessToken', audience: '', credential: '' });
      case 'azure':
        return this.azure({ kind: 'ambient' });
      case 'copilot':
        return this.copilot();
    }
  }

  /** A signature instead of a token: it is made from what `prepare` leaves behind. */
  aws(auth: AwsAuth): Authorize {
    // Where it can't be loaded, signing says so.
    loadSigner().catch(() => {});
    const region = this.#ambientRegion();
    const keysIn = remembering((name) => this.#awsKeys(auth, name));
    return (call) => {
      call.sign = async (ready) => {
        const host = scopeOfHost(ready.cluster.authority);
        const service = auth.service || ready.signingScope?.service || host.service || DEFAULT_SERVICE;
        try {
          const scope = {
            service,
            region: auth.region || ready.signingScope?.region || host.region || (await region.get()).value,
          };
          const keys = await keysIn(scope.region).get();
          await signCall(ready, keys, scope, new Date(this.#services.now()));
        } catch (error) {
          throw refusal(error);
        }
      };
    };
  }

  gcp(auth: GcpAuth): Authorize {
    if (auth.type === 'accessToken') {
      const source = this.#gcpToken(auth.credential, { kind: 'access', scopes: [CLOUD_PLATFORM] });
      return bearer(() => source);
    }
    const tokenFor = remembering((audience) => this.#gcpToken(auth.credential, { kind: 'id', audience }));
    return bearer((call) => tokenFor(auth.audience === '' ? `https://${hostOf(call)}` : auth.audience));
  }

  azure(identity: AzureIdentity): Authorize {
    const tokenFor = remembering((scope) =>
      this.#source<Token>('azure', { identity, scope }, () =>
        azureToken(this.#around, identity, scope, this.#services.now()),
      ),
    );
    return bearer((call) => tokenFor(hostOf(call).endsWith(FOUNDRY_HOSTS) ? FOUNDRY_SCOPE : AZURE_SCOPE));
  }

  copilot(): Authorize {
    const source = this.#source<Token>('copilot', {}, () => copilotToken(this.#around));
    const authorize = bearer(() => source);
    return (call) => {
      addEditorFields(call);
      return authorize(call);
    };
  }

  #gcpToken(credential: string, wanted: Wanted): Source<Token> {
    const { now } = this.#services;
    return this.#source<Token>('gcp', { credential, wanted }, () =>
      credential === '' ? ambientToken(this.#around, wanted, now()) : tokenByCredential(credential, wanted, now()),
    );
  }

  #awsKeys(auth: AwsAuth, region: string): Source<AwsKeys> {
    const { now } = this.#services;
    const { keys, role } = auth;
    const base: Source<AwsKeys> =
      keys === null
        ? this.#source('aws', {}, () => ambientKeys(this.#around, now))
        : { get: () => staticKeys(keys.accessKeyId, keys.secretAccessKey, keys.sessionToken) };
    if (role === null) return base;
    return this.#source('aws', { keys, role, region }, async () =>
      assumeRole(this.#around, role, await base.get(), region, new Date(now())),
    );
  }

  /** The region of the surroundings: it doesn't change while the process runs. */
  #ambientRegion(): Source<Expiring & { readonly value: string }> {
    return this.#source('aws', { region: true }, async () => {
      const value = await ambientRegion(this.#around);
      if (value === undefined) throw new CredentialError('no AWS region: neither configured, nor in the host, nor set');
      return { value, expiresAt: Number.POSITIVE_INFINITY };
    });
  }

  /** The cached source of these settings. */
  #source<Credential extends Expiring>(
    kind: AmbientCloud,
    settings: object,
    load: () => Promise<Credential>,
  ): Source<Credential> {
    const key = createHash('sha256')
      .update(JSON.stringify([kind, settings]))
      .digest('base64');
    const known = this.#sources.get(key) as Source<Credential> | undefined;
    this.#sources.delete(key);
    const source = known ?? new CachedSource(kind, load, this.#services);
    this.#sources.set(key, source);
    if (this.#sources.size > MAX_SOURCES) {
      const oldest = this.#sources.keys().next();
      if (oldest.done !== true) this.#sources.delete(oldest.value);
    }
    return source;
  }
}

/** Finds the source of the same key as last time without making it again. */
function remembering<Credential extends Expiring>(
  make: (key: string) => Source<Credential>,
): (key: string) => Source<Credential> {
  let last: { readonly key: string; readonly source: Source<Credential> } | null = null;
  return (key) => {
    if (last?.key !== key) last = { key, source: make(key) };
    return last.source;
  };
}

/** Shows a token as `Authorization: Bearer`, at once where it is at hand. */
function bearer(sourceOf: (call: UpstreamCall) => Source<Token>): Authorize {
  const refuse = (error: unknown): never => {
    throw refusal(error);
  };
  return (call) => {
    try {
      const token = sourceOf(call).get();
      if (token instanceof Promise) return token.then((obtained) => setBearer(call, obtained)).catch(refuse);
      setBearer(call, token);
    } catch (error) {
      refuse(error);
    }
  };
}

function setBearer(call: UpstreamCall, token: Token): void {
  new HeaderList(call.headers).set('authorization', `Bearer ${token.value}`);
}

/** The host a call goes to, without its port; what the client has in its Host field decides nothing. */
function hostOf(call: UpstreamCall): string {
  return call.cluster.authority.replace(/:\d+$/, '').toLowerCase();
}

/** The client learns that there is no credential; which sources were tried is for the log alone. */
function refusal(error: unknown): GatewayError {
  return error instanceof GatewayError ? error : new GatewayError('backend_credentials', undefined, { cause: error });
}
