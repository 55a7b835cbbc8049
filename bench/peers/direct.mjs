/** No gateway: what the load generator and the upstream can do by themselves. */
export const peers = [
  {
    name: 'direct',
    start: async ({ upstream }) => ({ port: upstream, pid: null, stop: async () => {} }),
  },
];
