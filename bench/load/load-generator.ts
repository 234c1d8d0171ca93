import { type ChildProcess, fork } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import type { FromLoad, LoadPlan, LoadResult, ToLoad } from './messages.ts'

const ENTRY = fileURLToPath(new URL('./load-process.js', import.meta.url))

/** The load generator's process, as the benchmark sees it. */
export class LoadGenerator {
  readonly #child: ChildProcess = fork(ENTRY)

  async start(plan: LoadPlan): Promise<void> {
    await this.#ask({ type: 'start', plan })
  }

  /** Forgets what was counted until now. */
  async measure(): Promise<void> {
    await this.#ask({ type: 'measure' })
  }

  async stop(): Promise<LoadResult> {
    const answer = await this.#ask({ type: 'stop' })
    if (answer.type !== 'stopped') throw new Error(`the load generator answered ${answer.type}`)
    return answer.result
  }

  end(): void {
    this.#child.kill()
  }

  #ask(message: ToLoad): Promise<FromLoad> {
    return new Promise((resolve, reject) => {
      const exited = (code: number | null) => reject(new Error(`the load generator ended with code ${code}`))
      this.#child.once('exit', exited)
      this.#child.once('message', (answer: FromLoad) => {
        this.#child.off('exit', exited)
        resolve(answer)
      })
      this.#child.send(message)
    })
  }
}
