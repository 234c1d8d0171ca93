import { Problem } from './errors.ts'

/** The problem of a request that a stopping process does not answer any more. */
export function draining(): Problem {
  return new Problem('draining', 'the process is stopping; send the request again')
}
