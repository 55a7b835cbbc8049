import { defineConfig } from 'vitest/config';

/** The suites that need a Redis server: REDIS_URL, or redis-server on the PATH. */
export default defineConfig({
  test: {
    include: ['test/redis/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 30_000,
    hookTimeout: 30_000,
  },
});
