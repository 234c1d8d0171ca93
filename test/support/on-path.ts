import { existsSync } from 'node:fs'
import { delimiter, join } from 'node:path'

/** Whether a program can be run by its name. The program is not run: pm2 starts its daemon for every command. */
export function isOnPath(program: string): boolean {
  return pathOf(program) !== undefined
}

/** Where a program lies. */
export function pathOf(program: string): string | undefined {
  const places = (process.env['PATH'] ?? '').split(delimiter).map(directory => join(directory, program))
  return places.find(existsSync)
}
