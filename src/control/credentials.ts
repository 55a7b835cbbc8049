import type { Logger } from '../telemetry/log.ts';
import { CODES, StreamRefusal } from '../xds/server/node.ts';
import type { DeltaServer } from '../xds/server/server.ts';
import { type Authentication, readCertificate, readTokens } from './authentication.ts';
import type { ControlSettings } from './settings.ts';
import { watchFiles } from './watch-files.ts';

/** Reads tokens and certificates again when their files change, until the function returned is called. */
export function watchCredentials(
  { tls, tokens }: ControlSettings,
  authentication: Authentication,
  server: DeltaServer,
  log: Logger,
): () => void {
  const stops: (() => void)[] = [];
  const follow = (what: string, files: readonly string[], again: () => Promise<void>) => {
    const read = async () => {
      try {
        await again();
        log.info(`the ${what} is read again`);
      } catch (error) {
        log.error(`the ${what} can not be read again; what was read before holds`, { error });
      }
    };
    stops.push(watchFiles(files, read));
  };
  if (tokens !== null) {
    follow('file of tokens', [tokens], async () => {
      authentication.tokens = await readTokens(tokens);
      const reason = new StreamRefusal(CODES.permissionDenied, 'the token is no longer one of the gateway');
      server.endWhere(reason, ({ client, stream: { node } }) => node !== null && !authentication.admits(client, node));
    });
  }
  if (tls !== null) {
    const files = [tls.cert, tls.key, ...(tls.clientCa === null ? [] : [tls.clientCa])];
    follow('certificate', files, async () => server.exchangeCertificate(await readCertificate(tls)));
  }
  return () => {
    for (const stop of stops) stop();
  };
}
