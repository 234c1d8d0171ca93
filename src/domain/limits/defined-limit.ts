import { isShadow } from './shadow.ts'

interface Definition {
  readonly name: string
  readonly capacity: number
  readonly shadow?: true
}

/**
 * What a limit derives from its definition if it counts in whole units, such as tokens or slots. Nothing is stored twice, since a
 * million policies may each have such a limit.
 */
export abstract class DefinedLimit<D extends Definition> {
  readonly id: number
  readonly definition: D

  constructor(definition: D, id: number) {
    this.id = id
    this.definition = definition
  }

  get name(): string {
    return this.definition.name
  }

  get capacity(): number {
    return this.definition.capacity
  }

  get isShadow(): boolean {
    return isShadow(this.definition)
  }

  get unitsPerToken(): number {
    return 1
  }

  get capacityUnits(): number {
    return this.capacity
  }
}
