import { once } from 'node:events'
import { Service } from './service.ts'

const PATIENCE_MS = 40_000

/** Starts a service that must fail to start. Resolves with its exit code and its output. */
export async function failToStart(
  kind: 'all' | 'api' | 'worker',
  env: Readonly<Record<string, string>>,
  cwd?: string,
): Promise<{ code: number; said: string }> {
  const service = await Service.spawn({ kind, env, ...(cwd !== undefined && { cwd }) })
  try {
    const [code] = (await once(service.process, 'close', { signal: AbortSignal.timeout(PATIENCE_MS) })) as [number]
    return { code, said: service.output.join('\n') }
  } catch {
    throw new Error(`it started:\n${service.output.join('\n')}`)
  } finally {
    await service.stop()
  }
}
