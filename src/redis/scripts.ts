import { createHash } from 'node:crypto'
import { readFileSync } from 'node:fs'

/** A Lua script; also as ioredis defines a command. */
export interface Script {
  readonly lua: string
  /** Its SHA-1 in hex, by which a Redis knows it that has seen it once. */
  readonly sha: string
}

function load(name: string): Script {
  const lua = readFileSync(new URL(`./lua/${name}.lua`, import.meta.url), 'utf8')
  return { lua, sha: createHash('sha1').update(lua).digest('hex') }
}

export const checkScript = load('check')
export const appendScript = load('append')
export const failScript = load('fail')
export const keepNameScript = load('keep-name')
export const endNameScript = load('end-name')
export const foldScript = load('fold')
export const replaceScript = load('replace')
