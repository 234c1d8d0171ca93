import type { InProcessConnection } from './in-process-connection.ts'

/** The bytes of memory that the embedded store uses, and that it may use. */
export function memoryOf(store: Pick<InProcessConnection, 'call'>): { readonly used: number; readonly max: number } {
  const info = String(store.call('INFO', 'memory'))
  const bytesOf = (name: string) => Number(new RegExp(`^${name}:(\\d+)`, 'm').exec(info)?.[1])
  return { used: bytesOf('used_memory'), max: bytesOf('maxmemory') }
}
