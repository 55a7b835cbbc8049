export { entries, list, map } from './wire/collections.ts';
export { type Change, type Wire, WireError, type WireMessage } from './wire/definition.ts';
export { empty, type Fields, into, type MessageWire, merged, message, only, under } from './wire/message.ts';
export { assumed, fixed, lazily, mapped, nonEmpty, otherwise, present, required } from './wire/presence.ts';
export { bytes, flag, int32, number, oneWord, text, textBytes, uint32, uint64, unless } from './wire/scalars.ts';
export { duration, json, struct } from './wire/values.ts';
