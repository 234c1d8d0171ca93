import { describe, expect, it } from '@jest/globals'
import { eventually } from '../../support/eventually.ts'
import { descriptor } from '../../support/grpc-client.ts'
import { ADMIN, CHECKER, givenLog, READER, TOKEN_VARIABLES } from '../../support/guarded-calls.ts'
import { givenApp } from '../http/given-app.ts'
import { givenGrpcClient } from './given-grpc-client.ts'

const { lines, logger } = givenLog()
let isOverloaded = false

const variables = { GRPC_PORT: '0', ...TOKEN_VARIABLES }
const given = givenApp({ logger, variables, isOverloaded: () => isOverloaded })
const grpc = givenGrpcClient(() => given.app.grpcPort)
const ask = (token?: string) =>
  grpc.client.ask({ domain: 'edge', descriptors: [descriptor('a', 'b')] }, token === undefined ? {} : { token })

describe('with tokens, a caller', () => {
  it.each([
    ['a check token', CHECKER, { overallCode: 'OK' }],
    ['an admin token', ADMIN, { overallCode: 'OK' }],
    ['a token that may only read', READER, { status: 'PERMISSION_DENIED', message: expect.stringContaining('"eve"') }],
    ['a wrong token', 'wrong', { status: 'UNAUTHENTICATED' }],
    ['no token', undefined, { status: 'UNAUTHENTICATED', message: expect.stringContaining('Bearer <token>') }],
  ])('with %s gets its answer', async (_name, token, answer) => {
    expect(await ask(token)).toMatchObject(answer)
  })

  it('needs none for its health', async () => {
    expect([await grpc.client.health(), await grpc.client.health('ratelimit')]).toEqual(['SERVING', 'SERVING'])
    expect(await grpc.client.health('other')).toBe('NOT_FOUND')
  })

  it('is named in the log by its token, and a refused one by its address', async () => {
    lines.length = 0
    await ask('no-such-secret')
    await ask(CHECKER)
    await eventually(() => expect(lines.some(({ msg }) => msg === 'call')).toBe(true))
    expect(lines.find(({ msg }) => msg === 'login refused')).toMatchObject({ protocol: 'grpc', address: '127.0.0.1' })
    expect(lines.find(({ msg }) => msg === 'call')).toMatchObject({
      protocol: 'grpc',
      method: 'ShouldRateLimit',
      actor: 'gate',
      key: expect.stringMatching(/^[0-9a-f]{12}$/),
    })
    expect(JSON.stringify(lines)).not.toContain('secret')
  })

  it('is told of too many failed logins, and is never refused with a valid token', async () => {
    const answers = await Promise.all(Array.from({ length: 60 }, (_, i) => ask(`wrong-${i}`)))
    expect(answers).toContainEqual({
      status: 'UNAUTHENTICATED',
      message: expect.stringContaining('too many failed logins'),
    })
    expect(await ask(CHECKER)).toMatchObject({ overallCode: 'OK' })
  })
})

describe('an overloaded process', () => {
  it('is unavailable, but answers health checks', async () => {
    isOverloaded = true
    expect(await ask(CHECKER)).toEqual({ status: 'UNAVAILABLE', message: expect.stringContaining('EVENT_LOOP_LAG_MS') })
    expect(await grpc.client.health()).toBe('SERVING')
    isOverloaded = false
  })
})

describe('metrics', () => {
  it('count calls by method and status, and checks by the policy of the descriptor', async () => {
    await given.app.as({ authorization: `Bearer ${ADMIN}` }).put('rls;edge;a', { capacity: 5, refillTokens: 1 })
    expect(await ask(CHECKER)).toMatchObject({ statuses: [{ limitRemaining: 4 }] })
    const text = await (await fetch(`${given.app.url}/metrics`)).text()
    expect(text).toMatch(/throttler_grpc_requests_total\{method="ShouldRateLimit",status="OK"\} \d/)
    expect(text).toMatch(/throttler_grpc_requests_total\{method="ShouldRateLimit",status="UNAUTHENTICATED"\} \d/)
    expect(text).toMatch(/throttler_grpc_requests_total\{method="Check",status="NOT_FOUND"\} 1\n/)
    expect(text).toContain('throttler_checks_total{policy="rls;edge;a",outcome="allowed",source="redis"} 1')
  })
})

describe('a drain', () => {
  it('is told to those who watch, and answers calls meanwhile', async () => {
    const states: string[] = []
    const watch = grpc.client.watchHealth()
    watch.on('data', ({ status }) => states.push(status))
    const ended = new Promise(resolve => watch.on('error', resolve))
    await eventually(() => expect(states).toEqual(['SERVING']))
    given.app.drain()
    await eventually(() => expect(states).toEqual(['SERVING', 'NOT_SERVING']))
    expect(await grpc.client.health()).toBe('NOT_SERVING')
    expect(await ask(CHECKER)).toMatchObject({ overallCode: 'OK' })
    watch.cancel()
    await ended
  })
})
