import { readFileSync } from 'node:fs'

/** A Lua script as ioredis defines it: sent once for each connection, by its hash from then on. */
export interface Script {
  readonly lua: string
}

function load(name: string): Script {
  return { lua: readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8') }
}

export const checkScript = load('check')
export const appendScript = load('append')
export const foldScript = load('fold')
export const replaceScript = load('replace')
