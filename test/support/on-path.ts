import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a program can be run by its name. This does not run it, since pm2 starts its daemon for every command. */
export function isOnPath(program: string): boolean {
  return pathOf(program) !== undefined
}

/** The path of a program. */
export function pathOf(program: string): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map(directory => join(directory, program))
  return places.find(existsSync)
}
