import { bounded, type CallLog } from '../observability/call-log.ts'
import type { LoggedRequest } from './reply.ts'

/** As many as can be decided together. */
const MAX_LOGGED_KEYS = 16

/** What a log line says of its request. */
export function requestLine(request: LoggedRequest, calls: CallLog) {
  const { id: requestId, method, actor, ip } = request
  return {
    ...{ requestId, method, path: loggedPath(request, calls), key: loggedKeys(request, calls) },
    ...{ actor, address: bounded(ip) },
  }
}

/** The path with its keys as logs show them. An unknown path may contain anything, so it is left out. */
export function loggedPath({ routeOptions, params }: LoggedRequest, calls: CallLog): string | undefined {
  return routeOptions.url?.replace(/:(\w+)/g, (_, name: string) => {
    const value = (params as Record<string, string>)[name] ?? ''
    return (name === 'key' ? calls.loggedKey(value) : bounded(encodeURIComponent(value))) ?? '-'
  })
}

/** The keys in a body or a query as logs show them, unless there are many. */
export function loggedKeys({ body, query }: LoggedRequest, calls: CallLog): string | undefined {
  const keys = [...keysIn(body), ...keysIn(query)].filter(key => typeof key === 'string')
  if (keys.length > MAX_LOGGED_KEYS) return undefined
  return bounded(keys.flatMap(key => calls.loggedKey(key) ?? []).join(' ') || undefined)
}

type Bearer = { readonly key?: unknown; readonly checks?: unknown } | null | undefined

function keysIn(bearer: unknown): readonly unknown[] {
  const { key, checks } = (bearer as Bearer) ?? {}
  return [key].flat().concat(Array.isArray(checks) ? checks.map(check => (check as Bearer)?.key) : [])
}
