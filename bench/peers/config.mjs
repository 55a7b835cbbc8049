/** The configuration that Sluice and agentgateway both load: an LLM route and a plain one. `extra` goes to the bind. */
export function gatewayConfig({ port, upstream, workers, statsPort = null, extra = '' }) {
  return `config:
  adminAddr: "off"
  readinessAddr: "off"
  statsAddr: ${statsPort === null ? '"off"' : `127.0.0.1:${statsPort}`}
  workerThreads: ${workers}
binds:
- port: ${port}
${extra}  listeners:
  - name: bench
    protocol: HTTP
    routes:
    - name: llm
      matches:
      - path:
          pathPrefix: /v1
      policies:
        backendAuth:
          key: bench-key
      backends:
      - ai:
          name: mock
          hostOverride: 127.0.0.1:${upstream}
          provider:
            openAI: {}
    - name: plain
      backends:
      - host: 127.0.0.1:${upstream}
`;
}
