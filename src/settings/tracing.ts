/** OpenTelemetry's variables, as far as a wrong value must stop the start. Its SDK reads them, and the others, by itself. */
import { MAX_TIMER_MS } from '../lib/max-timer.ts'
import { fault } from './fault.ts'
import { describeMalformedUrl } from './malformed-url.ts'
import { otlpHeadersFault } from './otlp-headers.ts'

export interface TracingSettings {
  readonly protocol: Protocol
}

const PROTOCOLS = ['http/protobuf', 'http/json'] as const
type Protocol = (typeof PROTOCOLS)[number]

const RATIO_SAMPLERS = ['traceidratio', 'parentbased_traceidratio']
const SAMPLERS = ['always_on', 'always_off', 'parentbased_always_on', 'parentbased_always_off', ...RATIO_SAMPLERS]

const EXPORTERS = ['otlp', 'none']

/**
 * The smallest values with which the SDK's batches work: without a size or a timeout, it exports nothing, and for ever. A longer time
 * than a timer can have would end at once. The SDK itself lowers a batch size to the queue size.
 */
const LEAST_OF_BATCHES = {
  OTEL_BSP_MAX_EXPORT_BATCH_SIZE: 1,
  OTEL_BSP_MAX_QUEUE_SIZE: 1,
  OTEL_BSP_EXPORT_TIMEOUT: 1,
  OTEL_BSP_SCHEDULE_DELAY: 0,
}

type Given = Readonly<Record<string, string | undefined>>

/** `undefined` if nothing is traced; then the other variables may have any value, since they are meant for other programs. */
export function readTracing(given: Given, faults: string[]): TracingSettings | undefined {
  if (given['OTEL_EXPORTER_OTLP_ENDPOINT'] === undefined || given['OTEL_SDK_DISABLED']?.toLowerCase() === 'true') {
    return undefined
  }
  const exporter = choice(given, 'OTEL_TRACES_EXPORTER', EXPORTERS, faults)
  if (exporter === 'none') return undefined
  for (const name of ['OTEL_EXPORTER_OTLP_ENDPOINT', 'OTEL_EXPORTER_OTLP_TRACES_ENDPOINT'])
    checkUrl(given, name, faults)
  for (const name of ['OTEL_EXPORTER_OTLP_HEADERS', 'OTEL_EXPORTER_OTLP_TRACES_HEADERS'])
    checkHeaders(given, name, faults)
  const sampler = choice(given, 'OTEL_TRACES_SAMPLER', SAMPLERS, faults)
  if (sampler !== undefined && RATIO_SAMPLERS.includes(sampler)) checkRatio(given, 'OTEL_TRACES_SAMPLER_ARG', faults)
  for (const [name, least] of Object.entries(LEAST_OF_BATCHES)) checkInteger(given, name, least, faults)
  const common = choice(given, 'OTEL_EXPORTER_OTLP_PROTOCOL', PROTOCOLS, faults)
  const ofTraces = choice(given, 'OTEL_EXPORTER_OTLP_TRACES_PROTOCOL', PROTOCOLS, faults)
  return { protocol: ofTraces ?? common ?? 'http/protobuf' }
}

function choice<T extends string>(given: Given, name: string, allowed: readonly T[], faults: string[]): T | undefined {
  const value = given[name]
  if (value === undefined) return undefined
  const chosen = allowed.find(one => one === value)
  if (chosen === undefined) faults.push(fault(name, `be one of ${allowed.join(', ')}`, JSON.stringify(value)))
  return chosen
}

function checkUrl(given: Given, name: string, faults: string[]): void {
  const value = given[name]
  if (value === undefined || (URL.canParse(value) && /^https?:$/.test(new URL(value).protocol))) return
  faults.push(fault(name, 'be a URL that begins with http:// or https://', describeMalformedUrl(value)))
}

function checkHeaders(given: Given, name: string, faults: string[]): void {
  const found = otlpHeadersFault(given[name] ?? '')
  if (found !== undefined) faults.push(fault(name, 'be a list of name=value', found))
}

function checkRatio(given: Given, name: string, faults: string[]): void {
  const value = given[name]
  if (value === undefined || (/^[0-9]*\.?[0-9]+$/.test(value) && Number(value) <= 1)) return
  faults.push(fault(name, 'be a number between 0 and 1', JSON.stringify(value)))
}

/** The SDK would also read " 2", 0x50 and 0.5. */
function checkInteger(given: Given, name: string, least: number, faults: string[]): void {
  const value = given[name]
  if (value === undefined) return
  if (/^[0-9]+$/.test(value) && Number(value) >= least && Number(value) <= MAX_TIMER_MS) return
  faults.push(fault(name, `be an integer between ${least} and ${MAX_TIMER_MS}`, JSON.stringify(value)))
}
