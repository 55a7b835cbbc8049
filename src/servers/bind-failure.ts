/** What a bind to `::` fails with where the system has no IPv6. */
export const NO_IPV6: ReadonlySet<string> = new Set(['EAFNOSUPPORT', 'EADDRNOTAVAIL', 'EINVAL']);

/** Why a bind failed, as one clause. */
export function bindFailure(error: NodeJS.ErrnoException, host: string, port: number): string {
  switch (error.code) {
    case 'EADDRINUSE':
      return `port ${port} is in use`;
    case 'EACCES':
      return `no permission to listen on port ${port}`;
    case 'EADDRNOTAVAIL':
      return `${host} is not an address of this machine (port ${port})`;
    default:
      return `can't listen on ${host} port ${port}: ${error.message}`;
  }
}
