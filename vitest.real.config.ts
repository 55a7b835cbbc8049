import { defineConfig } from 'vitest/config';

/** The suites with peers of other makes, which need their toolchains (Go) or the path of a binary; without these they are skipped. */
export default defineConfig({
  test: {
    include: ['test/real/**/*.test.ts'],
    pool: 'forks',
    testTimeout: 60_000,
    hookTimeout: 600_000,
  },
});
