export type TokenBuckets = {};
