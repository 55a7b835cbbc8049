import type { OutgoingHttpHeaders, ServerHttp2Stream } from 'node:http2';
import type { DownstreamUpgrade, UpgradedStream } from '../../facts/upgrade.ts';
import { grouped } from './grouped.ts';
import type { Http2Connection } from './node-http2.ts';
import { Http2Downstream } from './node-http2-downstream.ts';
import { sendableFields } from './reply-fields.ts';
import type { CheckedHead } from './request-head.ts';

/** The client's half of an extended CONNECT (RFC 8441): answered with 200, its stream carries the new protocol. */
export class Http2UpgradeDownstream extends Http2Downstream {
  override readonly upgrade: DownstreamUpgrade;

  constructor(connection: Http2Connection, stream: ServerHttp2Stream, head: CheckedHead) {
    super(connection, stream, head);
    this.upgrade = {
      protocol: head.upgrade,
      keyed: false,
      accept: (headers) => {
        if (!this.leave()) return null;
        stream.respond({ ...(grouped(sendableFields(headers)) as OutgoingHttpHeaders), ':status': 200 });
        const upgraded: UpgradedStream = { stream, onClose: null };
        connection.upgraded.add(upgraded);
        stream.once('close', () => connection.upgraded.delete(upgraded));
        return upgraded;
      },
    };
  }
}
