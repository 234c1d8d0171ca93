import { loadDotenv } from '../settings/dotenv.ts'

/** Reads settings from `.env`, and says so on standard error: standard output is for results. */
export function readDotenv(): void {
  const path = loadDotenv()
  if (path !== undefined) process.stderr.write(`throttler: read settings from ${path}\n`)
}
