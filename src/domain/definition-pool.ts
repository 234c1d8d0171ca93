import { type CompiledLimit, compileLimits, limitText } from './limits/limit.ts'
import { limitsOf, type PolicyDefinition } from './policy.ts'

/** A definition with its compiled limits: one object for all equal definitions. */
export interface SharedDefinition {
  readonly definition: PolicyDefinition
  readonly limits: readonly CompiledLimit[]
}

/** Shares one object between equal definitions, with a count of its users. A million policies have few definitions. */
export class DefinitionPool {
  readonly #used = new Map<string, SharedDefinition & { users: number }>()

  take(definition: PolicyDefinition): SharedDefinition {
    const text = textOf(definition)
    let shared = this.#used.get(text)
    if (shared === undefined) {
      shared = { definition, limits: compileLimits(limitsOf(definition)), users: 0 }
      this.#used.set(text, shared)
    }
    shared.users++
    return shared
  }

  /** Undoes one `take` of an equal definition. */
  release(definition: PolicyDefinition): void {
    const text = textOf(definition)
    const shared = this.#used.get(text)
    if (shared !== undefined && --shared.users === 0) this.#used.delete(text)
  }
}

/** Equal for equal definitions only: the description comes last, and nothing before it may contain the separator. */
function textOf({ mode, onStoreFailure, overdraft, limits, description }: PolicyDefinition): string {
  const members = [mode, onStoreFailure, overdraft, ...limits.map(limitText)]
  return [...members, description === undefined ? 0 : 1, description].join(' ')
}
