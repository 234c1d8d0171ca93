import { textOf, timeoutMsOf } from './backend-options.ts'
import type { Values } from './command.ts'
import { ExitCode } from './exit-code.ts'
import type { ServiceClient } from './http/client.ts'
import { importFrom } from './http/transfer.ts'
import { readInput } from './input-file.ts'
import { writeResult } from './output.ts'
import { TerminalProgress } from './progress.ts'
import { reasonOf } from './reason.ts'

/** `throttler import --url`. */
export async function importOverHttp(client: ServiceClient, values: Values, file: string): Promise<ExitCode> {
  const progress = new TerminalProgress('bytes read')
  const say = (text: string) => {
    progress.clear()
    process.stderr.write(`${text}\n`)
  }
  const request = { reason: reasonOf(textOf(values['reason'])), timeoutMs: timeoutMsOf(values), say }
  try {
    const result = await importFrom(client, { ...request, file: readInput(file, progress) })
    progress.clear()
    const { created, changed, unchanged } = result
    writeResult(values, result, () => `imported: ${created} created, ${changed} changed, ${unchanged} unchanged\n`)
    return ExitCode.ok
  } finally {
    progress.clear()
    // Whoever writes to standard input need not finish if the service has refused the file.
    if (file === '-') process.stdin.destroy()
  }
}
