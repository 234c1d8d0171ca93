import { once } from 'node:events'
import { mkdtemp, rm } from 'node:fs/promises'
import { type AddressInfo, createServer, type Server } from 'node:net'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from '@jest/globals'
import { pidsWithVariable } from '../support/processes.ts'
import { Service } from '../support/service.ts'
import { failToStart } from '../support/start-failure.ts'

const ROUNDS = process.env['TEST_LONG'] === undefined ? 2 : 20

let holder: Server
let dataDir: string
beforeEach(async () => {
  holder = createServer().listen(0, '127.0.0.1')
  await once(holder, 'listening')
  dataDir = await mkdtemp(join(tmpdir(), 'throttler-data-'))
})
afterEach(async () => {
  holder.close()
  await rm(dataDir, { recursive: true })
})

it(
  'a taken port ends the start with one report and leaves no process, and the next start succeeds at once',
  async () => {
    const { port } = holder.address() as AddressInfo
    for (let round = 0; round < ROUNDS; round++) {
      const { code, said } = await failToStart('all', { DATA_DIR: dataDir, PORT: String(port), LOG_LEVEL: 'warn' })
      const left = pidsWithVariable('DATA_DIR', dataDir)
      expect({ code, left }).toEqual({ code: 1, left: [] })
      expect(said).toMatch(/^throttler cannot start\. cannot listen on 127\.0\.0\.1:\d+: .*EADDRINUSE.*$/)
      const service = await Service.start({ env: { DATA_DIR: dataDir } })
      expect(await service.stop()).toBe(0)
    }
  },
  ROUNDS * 60_000,
)

it('a taken port of another protocol is named', async () => {
  const { port } = holder.address() as AddressInfo
  const { code, said } = await failToStart('all', { DATA_DIR: dataDir, RESP_PORT: String(port), LOG_LEVEL: 'warn' })
  expect(code).toBe(1)
  expect(said).toMatch(
    new RegExp(
      `^throttler cannot start\\. cannot listen on 127\\.0\\.0\\.1:${port}: .*EADDRINUSE.* \\("RESP_PORT"\\)$`,
    ),
  )
})
