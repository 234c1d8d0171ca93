import { afterEach, expect, it } from '@jest/globals'
import { EmbeddedValkey } from '../../../src/embedded/valkey.ts'
import { CannotStart } from '../../../src/processes/supervised-process.ts'

/** The types of Node leave it out. */
const wasm = WebAssembly as unknown as { instantiate: () => Promise<unknown> }
const { instantiate } = wasm
afterEach(() => {
  wasm.instantiate = instantiate
})

it('names the limit that leaves the store no address space', async () => {
  const message = 'WebAssembly.instantiate(): Out of memory: Cannot allocate Wasm memory for new instance'
  wasm.instantiate = () => Promise.reject(new RangeError(message))
  const start = new EmbeddedValkey({ host: '127.0.0.1', port: 0 }, 'password').start()
  await expect(start).rejects.toThrow(CannotStart)
  await expect(start).rejects.toThrow(/Cannot allocate Wasm memory for new instance\. .*ulimit -v.*REDIS_URL/)
})
