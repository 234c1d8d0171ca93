import type { ChildProcess } from 'node:child_process'
import { sendTo } from './child-process.ts'
import type { FromChild, ToChild } from './messages.ts'

interface Question {
  readonly question: ToChild
  /** Whether a message answers the question; or the next question, to which it leads. */
  answeredBy(message: FromChild): boolean | ToChild
  /** How long to wait for one process, which may be busy or dying, in ms. */
  readonly timeoutMs: number
}

/** Asks processes. Resolves once each has answered, exited or timed out. */
export async function askProcesses(processes: readonly ChildProcess[], question: Question): Promise<void> {
  await Promise.all(processes.map(child => ask(child, question)))
}

function ask(child: ChildProcess, { question, answeredBy, timeoutMs }: Question): Promise<void> {
  return new Promise(resolve => {
    const finish = () => {
      clearTimeout(deadline)
      child.off('message', listener)
      child.off('close', finish)
      resolve()
    }
    const listener = (message: unknown) => {
      const answered = answeredBy(message as FromChild)
      if (answered === true) finish()
      else if (answered !== false) sendTo(child, answered)
    }
    const deadline = setTimeout(finish, timeoutMs)
    child.on('message', listener)
    child.once('close', finish)
    sendTo(child, question)
  })
}
