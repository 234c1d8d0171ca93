import { DESCRIPTOR_DOMAIN, DESCRIPTOR_KEY } from '../load/keys.ts'
import { LIMIT } from '../policy.ts'
import type { MeasuredProcess } from './measured-process.ts'
import { startWorker } from './worker.ts'

/** Stores the policy by which the service decides descriptors, to which the built-in one does not apply. */
export async function storeDescriptorPolicy({ port }: MeasuredProcess, redisUrl: string): Promise<void> {
  const stopWorker = await startWorker(redisUrl)
  try {
    const key = encodeURIComponent(`rls;${DESCRIPTOR_DOMAIN};${DESCRIPTOR_KEY}`)
    const headers = { 'content-type': 'application/json', prefer: 'wait=30' }
    const body = JSON.stringify({ limits: [LIMIT] })
    const { status } = await fetch(`http://127.0.0.1:${port}/config/${key}`, { method: 'PUT', headers, body })
    if (status !== 201) throw new Error(`the policy for descriptors was answered with ${status}`)
  } finally {
    await stopWorker()
  }
}
