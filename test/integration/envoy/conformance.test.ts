import { mkdtemp, readFile, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, afterEach, beforeAll, beforeEach, expect, it } from '@jest/globals'
import { GoProgram } from '../../support/go-program.ts'
import { TestGrpcServer } from '../../support/grpc-server.ts'
import { describeLongWithGo } from '../../support/programs.ts'
import { HeldChecker } from '../../support/resp-server.ts'

const H2SPEC = 'github.com/summerwind/h2spec/cmd/h2spec@v2.2.1+incompatible'
const CASES = 145
const HEALTH_PROBE = 'github.com/grpc-ecosystem/grpc-health-probe@v0.4.61'
/** Go compiles the programs first. */
const BUILD_MS = 600_000

/** Cases that a bare server of node:http2 fails too, with the versions of Node.js that fail. */
const FAILURES_OF_NODE = [
  // nghttp2 ignores frames on streams that it has closed, where the standard asks for an error.
  'http2/5.1 closed: Sends a DATA frame after sending RST_STREAM frame',
  'http2/5.1 closed: Sends a HEADERS frame after sending RST_STREAM frame',
  'http2/5.1 closed: Sends a DATA frame',
  'http2/5.1 closed: Sends a HEADERS frame',
  'http2/5.1.1 Sends stream identifier that is numerically smaller than previous',
  // Node.js 20: it closes a connection with an unexpected acknowledgement instead of ignoring it.
  'http2/6.7 Sends a PING frame with ACK',
  // Node.js 20: its GOAWAY has another code.
  'http2/6.9.1 Sends multiple WINDOW_UPDATE frames increasing the flow control window to above 2^31-1',
]

describeLongWithGo('the port of gRPC', () => {
  let h2spec: GoProgram
  let healthProbe: GoProgram
  let directory: string
  beforeAll(async () => {
    directory = await mkdtemp(join(tmpdir(), 'throttler-h2spec-'))
    h2spec = await GoProgram.install(H2SPEC, 'h2spec')
    healthProbe = await GoProgram.install(HEALTH_PROBE, 'grpc-health-probe')
  }, BUILD_MS)
  afterAll(async () => {
    await Promise.all([h2spec.remove(), healthProbe.remove(), rm(directory, { recursive: true })])
  })

  let server: TestGrpcServer
  beforeEach(async () => {
    server = await TestGrpcServer.start(new HeldChecker())
  })
  afterEach(() => server.close())

  it('passes the cases of h2spec that node:http2 passes', async () => {
    const file = join(directory, 'report.xml')
    await h2spec.run('--host', '127.0.0.1', '--port', String(server.port), '--timeout', '5', '--junit-report', file)
    const report = await readFile(file, 'latin1')
    const cases = report.split('<testcase ').slice(1)
    const failed = cases.filter(text => /<(error|failure)>/.test(text)).map(nameOf)
    expect(cases).toHaveLength(CASES)
    expect(failed.filter(name => !FAILURES_OF_NODE.includes(name))).toEqual([])
  }, 300_000)

  it('tells grpc-health-probe that it serves, and that it drains', async () => {
    const probe = (...args: string[]) =>
      healthProbe.run('-addr', `127.0.0.1:${server.port}`, '-connect-timeout', '30s', '-rpc-timeout', '30s', ...args)
    expect(await probe()).toMatchObject({ code: 0, stderr: expect.stringContaining('SERVING') })
    expect(await probe('-service', 'ratelimit')).toMatchObject({ code: 0 })
    expect((await probe('-service', 'other')).code).not.toBe(0)
    server.drain()
    expect(await probe()).toMatchObject({ code: 4, stderr: expect.stringContaining('NOT_SERVING') })
  })
})

/** The section of the standard, and what the case sends. */
function nameOf(text: string): string {
  const [, section, title] = /package="([^"]*)" classname="([^"]*)"/.exec(text) ?? []
  return `${section} ${title}`
}
