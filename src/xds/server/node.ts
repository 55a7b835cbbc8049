import { struct } from '../../resources/wire.ts';
import type { Node } from '../wire/discovery.ts';

/** Who a node says it is. */
export interface NodeIdentity {
  readonly id: string;
  /** The gateway it is a replica of. */
  readonly namespace: string;
  readonly gateway: string;
  readonly labels: Readonly<Record<string, string>>;
  /** `host:port` where it says its metrics are; '' = it doesn't say. */
  readonly statsAddress: string;
}

/** Something about a stream that ends it, with the gRPC status to end it with. */
export class StreamRefusal extends Error {
  override readonly name = 'StreamRefusal';
  /** google.rpc.Code. */
  readonly code: number;

  constructor(code: number, message: string) {
    super(message);
    this.code = code;
  }
}

/** google.rpc.Code, those that are used here. */
export const CODES = {
  invalidArgument: 3,
  deadlineExceeded: 4,
  permissionDenied: 7,
  resourceExhausted: 8,
  unimplemented: 12,
  internal: 13,
  unavailable: 14,
  unauthenticated: 16,
} as const;

const MAX_ID = 512;
const MAX_LABELS = 64;
const MAX_LABEL = 256;
/** A namespace or a gateway's name, as Kubernetes has them (RFC 1123 subdomains), and as files name them. */
const NAME = /^[A-Za-z0-9]([A-Za-z0-9._-]{0,251}[A-Za-z0-9])?$/;

/**
 * Reads a node: `id`, and of its metadata `role` (`<namespace>~<gateway>`, agentgateway's), `LABELS` (a mapping, as Istio's
 * proxies have it) and `STATS_ADDRESS`. Throws StreamRefusal.
 */
export function readNode(node: Node | undefined): NodeIdentity {
  const refuse = (what: string) => new StreamRefusal(CODES.invalidArgument, what);
  if (node === undefined)
    throw refuse('the first request of a stream must say who the node is (node.id, node.metadata.role)');
  const id = node.id ?? '';
  if (id === '') throw refuse('node.id is empty');
  if (id.length > MAX_ID) throw refuse(`node.id is longer than ${MAX_ID} characters`);
  const metadata = struct.read(node.metadata) ?? {};
  const { role, LABELS: labels, STATS_ADDRESS: stats } = metadata;
  if (typeof role !== 'string') throw refuse('node.metadata.role is missing; it is "<namespace>~<gateway>"');
  const [namespace = '', gateway = '', ...more] = role.split('~');
  if (!NAME.test(namespace) || !NAME.test(gateway) || more.length > 0) {
    throw refuse('node.metadata.role is not "<namespace>~<gateway>"');
  }
  const statsAddress = typeof stats === 'string' && stats.length <= MAX_LABEL ? stats : '';
  return { id, namespace, gateway, labels: readLabels(labels), statsAddress };
}

function readLabels(value: unknown): Record<string, string> {
  if (value === undefined || value === null) return {};
  const entries = typeof value === 'object' ? Object.entries(value) : [];
  if (typeof value !== 'object' || entries.length > MAX_LABELS) {
    throw new StreamRefusal(
      CODES.invalidArgument,
      `node.metadata.LABELS is no mapping of at most ${MAX_LABELS} labels`,
    );
  }
  for (const [name, label] of entries) {
    if (typeof label === 'string' && label.length <= MAX_LABEL && name.length <= MAX_LABEL) continue;
    throw new StreamRefusal(
      CODES.invalidArgument,
      `node.metadata.LABELS: labels are texts of at most ${MAX_LABEL} characters`,
    );
  }
  return Object.fromEntries(entries) as Record<string, string>;
}
