#!/usr/bin/env node
/**
 * The least Delta ADS server: every stream is sent everything, and then what the parent process asks for. A process of its own, with
 * everything encoded beforehand, so that what it costs stands beside what is measured as little as possible.
 *
 *   node control-plane.mjs '{"port":…,"upstreamPort":…}'      `port`: the one that the gateway is to serve
 *
 * Messages from the parent: {type: 'flip', healthy}, {type: 'everything', edition}. To it: {type: 'listening', port},
 * {type: 'sent', at} and {type: 'answered', at, error} for each of those it sent. Times are those of performance.timeOrigin + now().
 */
import grpc from '@grpc/grpc-js';
import { built } from '../lib/build.mjs';
import { everything, flippedWorkload, onWire } from './resources.mjs';

const { DELTA_METHOD, deltaRequestType, deltaResponseType } = await import(built('xds/wire/discovery.js'));
const EDITIONS = 2;

const { port, upstreamPort } = JSON.parse(process.argv[2]);
const [requests, responses] = [deltaRequestType(), deltaResponseType()];
const now = () => performance.timeOrigin + performance.now();

/** Of each full set the response of each type. */
const sets = Array.from({ length: EDITIONS }, (_, edition) => {
  const types = new Map();
  for (const one of everything({ port, upstreamPort, edition })) {
    const list = types.get(one.typeUrl) ?? [];
    types.set(one.typeUrl, list);
    list.push(one.resource);
  }
  return new Map([...types].map(([typeUrl, resources]) => [typeUrl, encode(typeUrl, resources, `set-${edition}`)]));
});
const flips = new Map(
  [true, false].map((healthy) => {
    const { typeUrl, resource } = onWire(flippedWorkload(upstreamPort, healthy));
    return [healthy, encode(typeUrl, [resource], `flip-${healthy}`)];
  }),
);

function encode(typeUrl, resources, nonce) {
  return responses.encode({
    type_url: typeUrl,
    nonce,
    resources: resources.map(({ name, version, bytes }) => ({
      name,
      version,
      resource: { type_url: typeUrl, value: bytes },
    })),
  });
}

let stream = null;
const asked = new Set();
const waiting = new Map();

function send(bytes, nonce) {
  waiting.set(nonce, (waiting.get(nonce) ?? 0) + 1);
  stream.write(bytes);
}

function take(request) {
  const { type_url: typeUrl, response_nonce: nonce = '', error_detail: error } = request;
  if (nonce === '') {
    const first = sets[0].get(typeUrl);
    if (first !== undefined && !asked.has(typeUrl)) send(first, 'set-0');
    asked.add(typeUrl);
    return;
  }
  const left = (waiting.get(nonce) ?? 0) - 1;
  waiting.set(nonce, left);
  if (left === 0 || error) process.send({ type: 'answered', at: now(), error: error?.message?.slice(0, 500) ?? null });
}

const server = new grpc.Server({ 'grpc.max_send_message_length': -1 });
const raw = (bytes) => bytes;
const definition = {
  delta: {
    path: DELTA_METHOD,
    requestStream: true,
    responseStream: true,
    requestSerialize: (request) => requests.encode(request),
    requestDeserialize: (bytes) => requests.decode(bytes),
    responseSerialize: raw,
    responseDeserialize: raw,
  },
};
server.addService(definition, {
  delta(call) {
    stream = call;
    asked.clear();
    call.on('data', take);
    call.on('error', () => {});
    call.on('end', () => call.end());
  },
});
server.bindAsync('127.0.0.1:0', grpc.ServerCredentials.createInsecure(), (error, bound) => {
  if (error) throw error;
  process.send({ type: 'listening', port: bound });
});

process.on('message', (message) => {
  const at = now();
  if (message.type === 'flip') send(flips.get(message.healthy), `flip-${message.healthy}`);
  else for (const bytes of sets[message.edition].values()) send(bytes, `set-${message.edition}`);
  process.send({ type: 'sent', at });
});
process.on('disconnect', () => process.exit());
