import { FileWatch, fingerprint } from '../config/watch.ts';

/** Calls `again` whenever one of the files has changed, one call at a time, until the function returned is called. */
export function watchFiles(files: readonly string[], again: () => Promise<void>): () => void {
  let stopped = false;
  const states = async () =>
    new Map(await Promise.all(files.map(async (file) => [file, await fingerprint(file)] as const)));
  const watch = new FileWatch(() => {
    void states().then(async (before) => {
      await again();
      if (!stopped) watch.set(before);
    });
  });
  void states().then((before) => {
    if (!stopped) watch.set(before);
  });
  return () => {
    stopped = true;
    watch.close();
  };
}
