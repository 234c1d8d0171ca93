import { describe, expect, it } from '@jest/globals'
import { readTracing } from '../../../src/settings/tracing.ts'

const ENDPOINT = { OTEL_EXPORTER_OTLP_ENDPOINT: 'http://127.0.0.1:4318' }

function read(variables: Record<string, string>) {
  const faults: string[] = []
  const settings = readTracing(variables, faults)
  return { settings, faults }
}

describe('the variables of OpenTelemetry', () => {
  it.each([
    {},
    { OTEL_TRACES_SAMPLER: 'often', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
    { ...ENDPOINT, OTEL_SDK_DISABLED: 'true' },
    { ...ENDPOINT, OTEL_TRACES_EXPORTER: 'none', OTEL_EXPORTER_OTLP_PROTOCOL: 'grpc' },
  ])('turn tracing off, whatever the others are: %j', variables => {
    expect(read(variables)).toEqual({ settings: undefined, faults: [] })
  })

  it.each([
    [{}, 'http/protobuf'],
    [{ OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json' }, 'http/json'],
    [
      { OTEL_EXPORTER_OTLP_PROTOCOL: 'http/json', OTEL_EXPORTER_OTLP_TRACES_PROTOCOL: 'http/protobuf' },
      'http/protobuf',
    ],
    [{ OTEL_TRACES_SAMPLER: 'traceidratio', OTEL_TRACES_SAMPLER_ARG: '0.01' }, 'http/protobuf'],
    [{ OTEL_TRACES_SAMPLER: 'always_on', OTEL_TRACES_SAMPLER_ARG: 'ignored' }, 'http/protobuf'],
    [{ OTEL_BSP_SCHEDULE_DELAY: '0', OTEL_BSP_MAX_QUEUE_SIZE: '1', OTEL_BSP_EXPORT_TIMEOUT: '1' }, 'http/protobuf'],
    // The SDK lowers it to the queue size.
    [{ OTEL_BSP_MAX_EXPORT_BATCH_SIZE: '4096' }, 'http/protobuf'],
    [{ OTEL_EXPORTER_OTLP_HEADERS: 'api-key=a%3D%3B%20%C3%A9, x=,authorization=Basic YTpi' }, 'http/protobuf'],
  ])('choose the protocol: with %j it is %s', (variables, protocol) => {
    expect(read({ ...ENDPOINT, ...variables })).toEqual({ settings: { protocol }, faults: [] })
  })

  it.each([
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'collector:4318',
      'be a URL that begins with http:// or https:// (got "collector:4318")',
    ],
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'https//u:hunter2@h',
      'be a URL that begins with http:// or https:// (got text without "://", which is not shown)',
    ],
    [
      'OTEL_EXPORTER_OTLP_ENDPOINT',
      'ftp://u:hunter2@h',
      'be a URL that begins with http:// or https:// (got "ftp://***@h")',
    ],
    [
      'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT',
      'http://u:hunter2@h:x/hunter2',
      'be a URL that begins with http:// or https:// (got "http://***@h:***…")',
    ],
    ['OTEL_EXPORTER_OTLP_PROTOCOL', 'grpc', 'be one of http/protobuf, http/json (got "grpc")'],
    ['OTEL_TRACES_EXPORTER', 'zipkin', 'be one of otlp, none (got "zipkin")'],
    [
      'OTEL_TRACES_SAMPLER',
      'often',
      'be one of always_on, always_off, parentbased_always_on, parentbased_always_off, traceidratio, parentbased_traceidratio (got "often")',
    ],
  ])('stop the start: %s=%s', (name, value, fault) => {
    expect(read({ ...ENDPOINT, [name]: value }).faults).toEqual([`"${name}" must ${fault}`])
  })

  it.each([
    ['a=1,hunter2', 'no name and "=" in item 2'],
    ['a=%01', 'a value that HTTP does not allow in item 1'],
    ['a=1, hunter2=%0d%0ax:hunter2', 'a value that HTTP does not allow in item 2'],
    ['a=%E6%97%A5', 'a value that HTTP does not allow in item 1'],
    ['b%20c=x', 'a name that HTTP does not allow in item 1'],
    ['%C3%A9=x', 'a name that HTTP does not allow in item 1'],
    ['a=hunter2%ff', 'a "%" that begins no percent-encoded character in item 1'],
    ['hunter2%=x', 'a "%" that begins no percent-encoded character in item 1'],
    ['a=hunter2;hunter2', 'a ";", which must be %3B, in item 1'],
  ])('stop the start with headers that the collector would not get: %s', (headers, given) => {
    for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS']) {
      const { faults } = read({ ...ENDPOINT, [name]: headers })
      expect(faults).toEqual([`"${name}" must be a list of name=value (got ${given})`])
    }
  })

  it.each([
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '0', 1],
    ['OTEL_BSP_MAX_EXPORT_BATCH_SIZE', '0.5', 1],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '0', 1],
    ['OTEL_BSP_MAX_QUEUE_SIZE', '1e3', 1],
    ['OTEL_BSP_EXPORT_TIMEOUT', '0', 1],
    ['OTEL_BSP_EXPORT_TIMEOUT', '2147483648', 1],
    ['OTEL_BSP_SCHEDULE_DELAY', '-1', 0],
    ['OTEL_BSP_SCHEDULE_DELAY', 'soon', 0],
  ])('stop the start: %s=%s', (name, value, least) => {
    expect(read({ ...ENDPOINT, [name]: value }).faults).toEqual([
      `"${name}" must be an integer between ${least} and 2147483647 (got "${value}")`,
    ])
  })

  it.each(['1.5', '-1', '1 %', 'NaN'])('stop the start with a ratio of %s', ratio => {
    const variables = { ...ENDPOINT, OTEL_TRACES_SAMPLER: 'parentbased_traceidratio', OTEL_TRACES_SAMPLER_ARG: ratio }
    expect(read(variables).faults).toEqual([
      `"OTEL_TRACES_SAMPLER_ARG" must be a number between 0 and 1 (got ${JSON.stringify(ratio)})`,
    ])
  })
})
