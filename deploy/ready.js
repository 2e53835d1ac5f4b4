// Owns the health check of a container: exit code 0 while this replica is ready to be asked. Changes nothing.
const answer = await fetch(`http://127.0.0.1:${process.env.PORT ?? 8080}/readyz`, {
  signal: AbortSignal.timeout(2_500),
}).catch(() => null);
process.exitCode = answer?.ok ? 0 : 1;
