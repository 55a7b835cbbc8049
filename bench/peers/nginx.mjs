import { spawnSync } from 'node:child_process';
import { mkdirSync, writeFileSync } from 'node:fs';
import { join } from 'node:path';
import { freePort, start, stop, waitForPort } from '../lib/processes.mjs';

/** nginx as a plain reverse proxy: one worker process, upstream keep-alive, access log on. */
export const peers = [
  {
    name: 'nginx',
    unavailable: () => (spawnSync('nginx', ['-v']).error === undefined ? null : 'nginx is not installed'),
    async start({ upstream, outDir }) {
      const port = await freePort();
      const home = join(outDir, 'nginx');
      mkdirSync(home, { recursive: true });
      writeFileSync(join(home, 'nginx.conf'), config(port, upstream, home));
      const child = start('nginx', 'nginx', ['-p', home, '-c', join(home, 'nginx.conf'), '-e', 'stderr'], { outDir });
      await waitForPort(port, child);
      return { port, pid: child.pid, stop: () => stop(child) };
    },
  },
];

function config(port, upstream, home) {
  const folders = ['client_body', 'proxy', 'fastcgi', 'uwsgi', 'scgi'];
  return `
daemon off;
worker_processes 1;
pid ${home}/nginx.pid;
error_log stderr warn;
events { worker_connections 4096; }
http {
  access_log ${home}/access.log;
${folders.map((name) => `  ${name}_temp_path ${home}/${name};`).join('\n')}
  keepalive_requests 1000000000;
  client_body_buffer_size 256k;
  client_max_body_size 32m;
  upstream mock {
    server 127.0.0.1:${upstream};
    keepalive 512;
    keepalive_requests 1000000000;
  }
  server {
    listen 127.0.0.1:${port} backlog=1024;
    location / {
      proxy_pass http://mock;
      proxy_http_version 1.1;
      proxy_set_header Connection "";
    }
  }
}
`;
}
