import { readFile, stat } from 'node:fs/promises';
import { type ChannelCredentials, credentials, Metadata } from '@grpc/grpc-js';
import type { XdsSettings } from '../../resources/settings.ts';
import type { XdsLog } from '../delta.ts';

/** Where controllers mount what there is no setting for. */
const DEFAULT_TOKEN = './var/run/secrets/xds-tokens/xds-token';
const DEFAULT_ROOT_CA = './var/run/secrets/xds/root-cert.pem';
const SYSTEM = 'SYSTEM';
const MAX_TOKEN = 64 * 1024;

/** Why the client can't be started. */
export class XdsStartError extends Error {
  override readonly name = 'XdsStartError';
}

/** What one connection shows of itself and trusts. */
export interface Presented {
  readonly channel: ChannelCredentials;
  readonly metadata: Metadata;
  /** The token, to be kept out of whatever is said; '' without one. */
  readonly token: string;
}

/**
 * The files of certificates and of the token. They are read for each connection, so that what was rotated is used from the
 * next one on; where one can't be read then, what was read last stays.
 */
export class Credentials {
  readonly #settings: XdsSettings;
  readonly #log: XdsLog;
  readonly #last = new Map<string, Buffer>();
  #tokenFile: string | null = null;

  constructor(settings: XdsSettings, log: XdsLog) {
    this.#settings = settings;
    this.#log = log;
  }

  /** Throws XdsStartError where a file that is named can't be read. */
  async check(): Promise<void> {
    try {
      await this.present();
    } catch (error) {
      throw error instanceof XdsStartError ? error : new XdsStartError(messageOf(error), { cause: error });
    }
  }

  async present(): Promise<Presented> {
    const token = await this.#token();
    const metadata = new Metadata();
    for (const [name, value] of this.#settings.secretHeaders) {
      metadata.set(name, name.endsWith('-bin') ? Buffer.from(value, 'base64') : value);
    }
    if (token !== '') {
      metadata.set('authorization', `Bearer ${token}`);
      metadata.set('clusterid', this.#settings.clusterId);
    }
    return { channel: await this.#channel(), metadata, token };
  }

  async #channel(): Promise<ChannelCredentials> {
    if (this.#settings.address.startsWith('http:')) return credentials.createInsecure();
    const { clientCertificate } = this.#settings;
    const roots = await this.#roots();
    try {
      if (clientCertificate === null) return credentials.createSsl(roots);
      const key = await this.#read(clientCertificate.key, 'XDS_CLIENT_KEY');
      const cert = await this.#read(clientCertificate.cert, 'XDS_CLIENT_CERT');
      return credentials.createSsl(roots, key, cert);
    } catch (error) {
      throw error instanceof XdsStartError ? error : new XdsStartError(`TLS of the xDS server: ${messageOf(error)}`);
    }
  }

  /** null: the system's. As agentgateway reads it, a file that isn't there means those, too. */
  async #roots(): Promise<Buffer | null> {
    const given = this.#settings.rootCa;
    if (given === SYSTEM) return null;
    const path = given ?? DEFAULT_ROOT_CA;
    if (this.#last.has(path) || (await exists(path))) return this.#read(path, 'XDS_ROOT_CA');
    if (given !== null)
      this.#log.warn("XDS_ROOT_CA names no file; the system's certificates are used", { file: given });
    return null;
  }

  async #token(): Promise<string> {
    // A token that is mounted later than we start is used from then on.
    this.#tokenFile ??= this.#settings.tokenFile ?? ((await exists(DEFAULT_TOKEN)) ? DEFAULT_TOKEN : null);
    if (this.#tokenFile === null) return '';
    const token = (await this.#read(this.#tokenFile, 'XDS_AUTH_TOKEN', isToken)).toString('latin1').trim();
    return token;
  }

  /** No message names the path: whoever mistook the setting gave the secret itself. */
  async #read(path: string, setting: string, accepts = (content: Buffer) => content.length > 0): Promise<Buffer> {
    const last = this.#last.get(path);
    let fault: string;
    try {
      const content = await readFile(path);
      if (accepts(content)) {
        this.#last.set(path, content);
        return content;
      }
      fault = 'the file is empty or holds something else';
    } catch (error) {
      fault = `the file can't be read (${(error as NodeJS.ErrnoException).code ?? 'unknown'}); it takes the path of one`;
    }
    if (last === undefined) throw new XdsStartError(`${setting}: ${fault}`);
    this.#log.warn(`${setting}: ${fault}; what was read before is used`);
    return last;
  }
}

/** One line of what a header may hold. */
function isToken(content: Buffer): boolean {
  return content.length <= MAX_TOKEN && /^[\x21-\x7e]+$/.test(content.toString('latin1').trim());
}

async function exists(path: string): Promise<boolean> {
  return stat(path).then(
    () => true,
    () => false,
  );
}

const messageOf = (error: unknown): string => (error instanceof Error ? error.message : String(error));
