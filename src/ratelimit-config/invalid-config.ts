import { OperatorError } from '../lib/operator-error.ts'

/** A file is not a configuration of envoyproxy/ratelimit. The message names the file, the place and what is allowed. */
export class InvalidConfig extends OperatorError {}
