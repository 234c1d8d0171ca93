import { parse } from 'fast-querystring'
import { copyOf } from '../lib/copy-of.ts'

/** Of a path or query. Thousands would fit into a request, and each unknown one is named in the answer. */
export const MAX_PARAMETERS = 100

/** How many parameters a query has, if it has too many. */
const COUNT = Symbol('number of parameters')

interface Query {
  readonly [name: string]: string | string[]
  readonly [COUNT]?: number
}

/** Reads the parameters of a query. To read thousands would take a millisecond, so if there are too many, they are only counted. */
export function parseQuery(query: string): Query {
  const count = parametersIn(query)
  return count > MAX_PARAMETERS ? { [COUNT]: count } : parse(copyOf(query))
}

/** How many parameters a path or query has. */
export function countParameters(given: Readonly<Record<string, unknown>>): number {
  return (given as Query)[COUNT] ?? Object.keys(given).length
}

function parametersIn(query: string): number {
  let count = 1
  for (let at = query.indexOf('&'); at !== -1; at = query.indexOf('&', at + 1)) count++
  return count
}
