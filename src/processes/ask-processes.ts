import type { ChildProcess } from 'node:child_process'
import { tell } from './child-process.ts'
import type { FromChild, ToChild } from './messages.ts'
import type { SupervisedProcess } from './supervised-process.ts'

interface Question {
  readonly question: ToChild
  readonly answer: FromChild['type']
  /** The longest wait for a process, which may be busy or dying, in ms. */
  readonly timeoutMs: number
}

/** Asks every process that works. Resolves once each has answered, has ended, or has not answered in time. */
export async function askProcesses(slots: readonly SupervisedProcess[], question: Question): Promise<void> {
  await Promise.all(slots.flatMap(slot => slot.working).map(child => ask(child, question)))
}

function ask(child: ChildProcess, { question, answer, timeoutMs }: Question): Promise<void> {
  return new Promise(resolve => {
    const finish = () => {
      clearTimeout(deadline)
      child.off('message', listener)
      child.off('close', finish)
      resolve()
    }
    const listener = (message: unknown) => (message as FromChild).type === answer && finish()
    const deadline = setTimeout(finish, timeoutMs)
    child.on('message', listener)
    child.once('close', finish)
    tell(child, question)
  })
}
