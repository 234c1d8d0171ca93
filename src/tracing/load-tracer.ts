import type { Logger } from '../observability/logger.ts'
import type { Env } from '../settings/env.ts'
import type { Tracer } from './tracer.ts'

/**
 * Starts to trace if the settings name a collector. Otherwise nothing of OpenTelemetry is loaded.
 * @param role which part of the service this process is
 */
export async function loadTracer(
  env: Pick<Env, 'tracing' | 'SHUTDOWN_TIMEOUT_MS'>,
  role: string,
  logger: Logger,
): Promise<Tracer | undefined> {
  if (env.tracing === undefined) return undefined
  const { startOpenTelemetry } = await import('./open-telemetry.ts')
  return startOpenTelemetry({ ...env.tracing, role, shutdownTimeoutMs: env.SHUTDOWN_TIMEOUT_MS, logger })
}
