export { ConfigError, type Fault, formatFault, formatNotice, type Notice } from './fault.ts';
export { LocalSource } from './local-source.ts';
export { ConfigSource, type Loaded, type LoadFailure } from './source-file.ts';
