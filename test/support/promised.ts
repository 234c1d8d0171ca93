/** Less than the time of a test, so that a test that fails says why. */
const PATIENCE_MS = 30_000

/**
 * How long a test waits for what the service promises within `ms`. Only `npm run test:long` has the machine for itself, so it alone holds
 * the service to its promise; other runs may share a slow machine.
 */
export function promised(ms: number): number {
  return process.env['TEST_LONG'] === undefined ? PATIENCE_MS : ms
}
