import { validateHeaderName, validateHeaderValue } from 'node:http'

/** What is wrong with a list of headers as OpenTelemetry's SDK reads it. Values are secrets, so the text does not repeat them. */
export function otlpHeadersFault(list: string): string | undefined {
  const faults = list.split(',').map(itemFault)
  const at = faults.findIndex(fault => fault !== undefined)
  return at === -1 ? undefined : `${faults[at]} in item ${at + 1}`
}

function itemFault(item: string): string | undefined {
  if (item.trim() === '') return undefined
  const [, name, value] = /^\s*([^=\s]+)\s*=(.*)$/s.exec(item) ?? []
  if (name === undefined || value === undefined) return 'no name and "="'
  // The SDK would cut the value there.
  if (item.includes(';')) return 'a ";", which must be %3B,'
  if (!isAllowed(() => decodeURIComponent(item))) return 'a "%" that begins no percent-encoded character'
  if (!isAllowed(() => validateHeaderName(decodeURIComponent(name)))) return 'a name that HTTP does not allow'
  const isValue = isAllowed(() => validateHeaderValue(name, decodeURIComponent(value.trim())))
  return isValue ? undefined : 'a value that HTTP does not allow'
}

function isAllowed(require: () => void): boolean {
  try {
    require()
    return true
  } catch {
    return false
  }
}
