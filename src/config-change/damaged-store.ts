import { OperatorError } from '../lib/operator-error.ts'

/** The store holds data that this service did not write. This is not a bug, and no retry helps: an operator has to act. */
export class DamagedStore extends OperatorError {}

/** A key of the store has another type than this service gives it. */
export class DamagedKey extends DamagedStore {}

/** A stored record, such as a policy or an event, is not valid JSON, or has a shape that this release cannot use. */
export class DamagedRecord extends DamagedStore {}
