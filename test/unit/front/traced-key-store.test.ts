import { describe, expect, it } from '@jest/globals'
import type { BucketCheck, KeyStore } from '../../../src/check/ports.ts'
import { TracedKeyStore } from '../../../src/front/traced-key-store.ts'
import type { Span, SpanOptions } from '../../../src/tracing/tracer.ts'
import { policyOf } from '../../support/policies.ts'

const policy = policyOf('*')

/** A span that writes down what it is told. */
function recordingSpan(name: string, told: string[]): Span & { readonly name: string } {
  return {
    name,
    traceparent: name,
    setAttributes: attributes => void told.push(`${name} has batch size ${attributes['db.operation.batch.size']}`),
    addLink: other => void told.push(`${name} links to ${other.traceparent}`),
    fail: type => void told.push(`${name} failed: ${type}`),
    end: () => void told.push(`${name} ended`),
  }
}

/** A store, and the calls that are traced by their names. */
function given(traced: readonly string[], check: KeyStore['check'] = async () => []) {
  const told: string[] = []
  const origins = new Map(['a', 'b', 'c'].map(id => [id, { id }]))
  const spans = new WeakMap<object, Span>()
  for (const id of traced) spans.set(origins.get(id) as object, recordingSpan(id, told))
  const tracer = {
    startSpan: (name: string, { parent }: SpanOptions) => {
      told.push(`${name} in ${(parent as Span).traceparent}`)
      return recordingSpan('call', told)
    },
    close: async () => undefined,
  }
  const store = new TracedKeyStore({ check } as KeyStore, { tracer, spans })
  const ask = (...ids: readonly (string | undefined)[]) =>
    store.check(
      ids.map((id): BucketCheck => ({ key: 'k', policy, tokens: 1, origin: id ? origins.get(id) : undefined })),
    )
  return { ask, told }
}

describe('a call of a traced store', () => {
  it('is a part of the request that it decides for', async () => {
    const { ask, told } = given(['a'])
    await ask('a')
    expect(told).toEqual(['redis check in a', 'call has batch size undefined', 'call ended'])
  })

  it('is a part of the first traced request, and it and the others link to each other, once each', async () => {
    const { ask, told } = given(['b', 'c'])
    await ask('a', undefined, 'b', 'c', 'c')
    expect(told).toEqual([
      'redis check in b',
      'call has batch size 5',
      'call links to c',
      'c links to call',
      'call ended',
    ])
  })

  it('has no span if no request is traced, as with probes', async () => {
    const { ask, told } = given([])
    await ask('a', undefined)
    expect(told).toEqual([])
  })

  it('fails with the store, and lets the failure pass', async () => {
    const failure = new RangeError('lost')
    const { ask, told } = given(['a'], () => Promise.reject(failure))
    await expect(ask('a')).rejects.toBe(failure)
    expect(told.slice(-2)).toEqual(['call failed: RangeError', 'call ended'])
  })
})
