import { once } from 'node:events'
import { Service } from './service.ts'

const PATIENCE_MS = 40_000

/** Starts what is not to start, and resolves with its exit code and all that it wrote. */
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
